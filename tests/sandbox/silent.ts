/** Programs that keep others waiting: see silent.c. */
import { ok, sh } from "../harness.ts";

const SOURCE = new URL("silent.c", import.meta.url).pathname;

/** Compiles the program. @returns Its path, which all users can execute if they can reach the folder. */
export async function compileSilent(folder: string): Promise<string> {
  await ok(sh('cc -O1 -o "$F/silent" "$SOURCE" && chmod 755 "$F/silent"', { F: folder, SOURCE }));
  return `${folder}/silent`;
}

/** One that runs; it ends with this, and with it who waits for it. */
export class Silent implements AsyncDisposable {
  private constructor(private readonly child: Deno.ChildProcess) {}

  /** Resolves once it does what it is for. @param user Who it runs as, if not as root. */
  static async start([program, ...args]: [string, ...string[]], user?: string): Promise<Silent> {
    const as = user === undefined ? [] : ["setpriv", "--reuid", user, "--regid", user, "--clear-groups"];
    const [command, ...rest] = [...as, program, ...args] as [string, ...string[]];
    const child = new Deno.Command(command, { args: rest, stdin: "null", stdout: "piped" }).spawn();
    const silent = new Silent(child);
    const output = child.stdout.getReader();
    const { done } = await output.read();
    await output.cancel();
    if (!done) return silent;
    await silent[Symbol.asyncDispose]();
    throw new Error(`${program} ${args.join(" ")} has ended`);
  }

  /** One that waits for another one ends when both were killed. */
  kill(): void {
    try {
      this.child.kill("SIGKILL");
    } catch { /* It has ended. */ }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill();
    await this.child.status;
  }
}
