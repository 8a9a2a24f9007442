import { filedCommand, within } from "./harness.ts";

/** Where the runtime keeps what main.ts imports, whatever HOME says. */
export const DENO_DIR = await findDenoDir();

async function findDenoDir(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  return (JSON.parse(new TextDecoder().decode(stdout)) as { denoDir: string }).denoDir;
}

/** filed as a person starts it: any options, any environment, and the text that it writes. */
export class Program implements AsyncDisposable {
  readonly pid: number;
  stdout = "";
  stderr = "";
  readonly #child: Deno.ChildProcess;
  readonly #reading: Promise<unknown>;
  #watchers: (() => void)[] = [];
  #hasEnded = false;

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.pid = child.pid;
    this.#reading = Promise.all([
      this.#read(child.stdout, (text) => this.stdout += text),
      this.#read(child.stderr, (text) => this.stderr += text),
    ]).then(() => {
      this.#hasEnded = true;
      this.#wake();
    });
  }

  /** @param env All of the environment but PATH and what the runtime needs. @param prefix What runs it, as `setpriv`. */
  static start(args: string[], env: Record<string, string> = {}, prefix: string[] = []): Program {
    const [filed, filedArgs] = filedCommand(args);
    return Program.run([...prefix, filed, ...filedArgs], env);
  }

  /** The same for any command line. */
  static run([command, ...args]: string[], env: Record<string, string> = {}): Program {
    return new Program(
      new Deno.Command(command as string, {
        args,
        clearEnv: true,
        env: { ...runtimeEnvironment(), ...env },
        cwd: "/",
        stdin: "null",
        stdout: "piped",
        stderr: "piped",
      }).spawn(),
    );
  }

  /** Waits until standard error has that. @throws If the program ends before. */
  says(pattern: RegExp): Promise<void> {
    return this.#has(pattern, "stderr");
  }

  /** The same for standard output. */
  prints(pattern: RegExp): Promise<void> {
    return this.#has(pattern, "stdout");
  }

  async #has(pattern: RegExp, stream: "stdout" | "stderr") {
    await within(`${pattern} on ${stream}`, async () => {
      while (!pattern.test(this[stream])) {
        if (this.#hasEnded) throw new Error(`The program has ended: ${this.stderr}`);
        await new Promise<void>((resolve) => this.#watchers.push(resolve));
      }
    });
  }

  signal(signal: Deno.Signal) {
    this.#child.kill(signal);
  }

  /** Waits for its end. @returns The exit status. */
  async ended(): Promise<number> {
    return await within("filed's end", async () => {
      await this.#reading;
      return (await this.#child.status).code;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (!this.#hasEnded) this.signal("SIGTERM");
      await this.ended();
    } catch {
      if (!this.#hasEnded) this.signal("SIGKILL");
      await this.#reading;
      await this.#child.status;
    }
  }

  async #read(stream: ReadableStream<Uint8Array>, add: (text: string) => void) {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      add(text);
      this.#wake();
    }
  }

  #wake() {
    for (const watcher of this.#watchers.splice(0)) watcher();
  }
}

/** What the runtime needs: where tools are, and where Deno, or filed's own file, keeps what it runs. */
function runtimeEnvironment(): Record<string, string> {
  const { PATH = "", TMPDIR = "/tmp", HOME = "/nonexistent", XDG_CACHE_HOME = `${HOME}/.cache` } = Deno.env
    .toObject();
  return { PATH, DENO_DIR, TMPDIR, XDG_CACHE_HOME };
}
