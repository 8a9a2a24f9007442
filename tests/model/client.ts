import { TextLineStream } from "../text_lines.ts";
import { within } from "../harness.ts";

/** What a system call gave. */
export type Answer = { value: unknown } | { errno: string };

/** A process that makes the system calls that it is told, in the mount. */
export class Client implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #answers: ReadableStreamDefaultReader<string>;

  constructor(mount: string) {
    this.#child = new Deno.Command("python3", {
      args: [new URL("client.py", import.meta.url).pathname],
      env: { M: mount },
      cwd: "/",
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    const text = this.#child.stdout.pipeThrough(new TextDecoderStream());
    this.#answers = text.pipeThrough(new TextLineStream()).getReader();
  }

  async ask(request: object): Promise<Answer> {
    const line = JSON.stringify(request);
    await this.#input.write(new TextEncoder().encode(line + "\n"));
    const { value, done } = await within(line, () => this.#answers.read());
    if (done) throw new Error(`The client ended at ${line}`);
    return JSON.parse(value) as Answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close();
    await this.#answers.cancel();
    await this.#child.status;
  }
}
