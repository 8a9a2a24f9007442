import { fileURLToPath } from "node:url";
import { User } from "../users.ts";
import { runProgram } from "./harness.ts";

/** The sources that `serve.ts` needs, from the tree's top. */
const NEEDED = ["src/fuse", "src/sys", "src/must.ts", "tests/fuse"];
const TREE = fileURLToPath(new URL("../../", import.meta.url));

/** `serve.ts` in a process of its own, which is killed at the end as by a crash: its mount stays. */
export interface Server extends AsyncDisposable {
  /** The next line that it prints, `undefined` after the last. */
  nextLine(): Promise<string | undefined>;
  kill(signal: Deno.Signal): void;
  readonly pid: number;
}

export interface ServerOptions {
  /** A command that runs the server, such as `setpriv`. */
  readonly prefix?: readonly string[];
  /** After the mount point. */
  readonly args?: readonly string[];
  /** Where the tree and `deno` are. */
  readonly tree?: string;
  readonly deno?: string;
  readonly env?: Record<string, string>;
}

export function startServer(mountpoint: string, options: ServerOptions = {}): Server {
  const { prefix = [], args = [], tree = TREE, deno = Deno.execPath(), env = {} } = options;
  const run = [deno, "run", "-A", "--no-check", "--no-config", "--cached-only"];
  const [program, ...rest] = [...prefix, ...run, `${tree}/tests/fuse/serve.ts`, mountpoint, ...args];
  const child = new Deno.Command(program!, {
    args: rest,
    env,
    cwd: "/",
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const lines = readLines(child.stdout);
  return {
    nextLine: async () => (await lines.next()).value,
    kill: (signal) => child.kill(signal),
    pid: child.pid,
    async [Symbol.asyncDispose]() {
      try {
        child.kill("SIGKILL");
      } catch (error) {
        if (!(error instanceof TypeError)) throw error; // it has ended already
      }
      while (!(await lines.next()).done);
      await child.status;
    },
  };
}

async function* readLines(output: ReadableStream<Uint8Array>): AsyncGenerator<string, undefined> {
  let rest = "";
  for await (const text of output.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}

/** An ordinary user for the time of a test, with what the server needs and a directory to mount on. */
export interface FuseUser extends AsyncDisposable {
  readonly name: string;
  /** What the helper opens: for everybody, as on most systems, until the user is disposed of. */
  readonly device: "/dev/fuse";
  /** A directory of the user's. */
  readonly mountpoint: string;
  /** Runs the server as the user. */
  readonly server: ServerOptions;
  /** Runs a shell script as the user. */
  run(script: string): ReturnType<typeof runProgram>;
}

export async function makeUser(): Promise<FuseUser> {
  await using cleanup = new AsyncDisposableStack();
  const device = "/dev/fuse";
  const mode = (await Deno.stat(device)).mode ?? 0o666;
  cleanup.defer(() => Deno.chmod(device, mode & 0o777));
  await Deno.chmod(device, 0o666);
  const home = await Deno.makeTempDir({ prefix: "fuse-test-" });
  cleanup.defer(() => Deno.remove(home, { recursive: true }));
  const { name, prefix } = cleanup.use(await User.at(home));
  const mountpoint = `${home}/mount`;
  cleanup.defer(async () => {
    while ((await runProgram("umount", ["-l", mountpoint])).code === 0);
  });
  await Deno.mkdir(mountpoint);
  // The tree and the program may be where an ordinary user can't go.
  await Deno.copyFile(Deno.execPath(), `${home}/deno`);
  await must("sh", ["-c", 'cd "$1" && cp -r --parents $3 "$2"', "sh", TREE, home, NEEDED.join(" ")]);
  await must("sh", ["-c", 'chmod 755 "$1" "$1/deno" && chown -R "$2" "$1"', "sh", home, name]);
  const owned = cleanup.move();
  return {
    name,
    device,
    mountpoint,
    server: {
      prefix,
      tree: home,
      deno: `${home}/deno`,
      env: { HOME: home, DENO_DIR: `${home}/cache`, LC_ALL: "C" },
    },
    run: (script) => runProgram(prefix[0]!, [...prefix.slice(1), "sh", "-c", script]),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function must(program: string, args: string[]): Promise<void> {
  const { code, err } = await runProgram(program, args);
  if (code !== 0) throw new Error(`${program} failed: ${err}`);
}
