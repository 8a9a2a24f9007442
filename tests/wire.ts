import { makeFifo, type Place, within } from "./harness.ts";
import { TextLineStream } from "./text_lines.ts";

/**
 * A FIFO whose writing end processes of a job hold (`exec 3>FIFO`): what they say comes out line by line, and its end
 * tells that the last of them is gone.
 */
export class Wire implements AsyncDisposable {
  readonly #reader: Deno.ChildProcess;
  readonly #lines: ReadableStreamDefaultReader<string>;

  private constructor(readonly path: string) {
    this.#reader = new Deno.Command("cat", { args: [path], stdin: "null", stdout: "piped" }).spawn();
    const text = this.#reader.stdout.pipeThrough(new TextDecoderStream());
    this.#lines = text.pipeThrough(new TextLineStream()).getReader();
  }

  static async make(place: Place, name = "wire"): Promise<Wire> {
    return new Wire(await makeFifo(place, name));
  }

  /** The next line. */
  async line(): Promise<string> {
    const { value, done } = await within(`a line from ${this.path}`, () => this.#lines.read());
    if (done) throw new Error(`All that held ${this.path} are gone`);
    return value;
  }

  /** Waits until no process holds it any more. @returns What else was said. */
  async end(): Promise<string[]> {
    const rest: string[] = [];
    await within(`the end of all that hold ${this.path}`, async () => {
      for (let next = await this.#lines.read(); !next.done; next = await this.#lines.read()) {
        if (next.value !== "") rest.push(next.value);
      }
    });
    return rest;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#reader.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.#lines.cancel();
    await this.#reader.status;
  }
}
