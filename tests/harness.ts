/** What the tests of a whole filed share: a daemon on a temporary mount, and real programs that use it. */
import assert from "node:assert/strict";
import { dirname } from "node:path";
import { endGroupsIn } from "./groups.ts";
import { TextLineStream } from "./text_lines.ts";

const TREE = new URL("..", import.meta.url).pathname;
/** Those that `make run` and every build give filed. */
export const PERMISSIONS = permissionsIn(await Deno.readTextFile(`${TREE}Makefile`));
/** An upper bound, for a test that would otherwise hang; no test waits for it to pass. */
const LIMIT_MS = 120_000;

/** A line of the daemon's log. */
export interface LogLine {
  /** ISO 8601. */
  "@timestamp": string;
  level: string;
  message: string;
  properties: Record<string, unknown>;
}

export interface FiledOptions {
  /** Options before the mount point. */
  args?: string[];
  /** Added to the environment. */
  env?: Record<string, string>;
  /** A command that runs the daemon. */
  prefix?: string[];
  /** Where the daemon runs, and so its jobs. */
  cwd?: string;
  /** Written to config.json before anything else. */
  config?: Record<string, unknown>;
}

/** How to run filed itself: the build that $FILED names, else what is in the source tree. */
export function filedCommand(args: string[]): [string, string[]] {
  const built = Deno.env.get("FILED");
  if (built) return [built, args];
  return [Deno.execPath(), ["run", "--no-prompt", ...PERMISSIONS, `${TREE}main.ts`, ...args]];
}

function permissionsIn(makefile: string): string[] {
  return /^PERMISSIONS := (.*)$/m.exec(makefile)?.[1]?.split(" ") ?? [];
}

/** A folder of its own for a test, removed with all that is mounted in it. */
export class Place implements AsyncDisposable {
  private constructor(readonly path: string) {}

  static async make(): Promise<Place> {
    return new Place(await Deno.realPath(await Deno.makeTempDir({ prefix: "filed-test-" })));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#unmount("fuse"); // What is left of a daemon that was killed answers nobody.
    try {
      if (Deno.uid() === 0) await endGroupsIn(this.path);
    } finally {
      await this.#unmount("");
      await Deno.remove(this.path, { recursive: true });
    }
  }

  async #unmount(type: string) {
    for (const mountpoint of (await mountsBelow(this.path, type)).reverse()) {
      await run(Deno.uid() === 0 ? ["umount", "-l", mountpoint] : ["fusermount3", "-uz", "--", mountpoint]);
    }
  }
}

/** The mount points at and below a path, outermost first. @param type What their types begin with. */
export async function mountsBelow(path: string, type = ""): Promise<string[]> {
  const lines = (await Deno.readTextFile("/proc/self/mountinfo")).split("\n");
  return lines.flatMap((line) => {
    const mountpoint = line.split(" ")[4] ?? "";
    const isBelow = mountpoint === path || mountpoint.startsWith(`${path}/`);
    return isBelow && line.split(" - ")[1]?.startsWith(type) ? [mountpoint] : [];
  });
}

/** A running daemon. */
export class Filed implements AsyncDisposable {
  readonly mount: string;
  readonly pid: number;
  /** All of the log so far. */
  readonly log: LogLine[] = [];
  /** What the daemon wrote that is no log line: its last words. */
  readonly words: string[] = [];
  readonly status: Promise<Deno.CommandStatus>;
  readonly #child: Deno.ChildProcess;
  readonly #reading: Promise<void>;
  #watchers: (() => void)[] = [];
  #hasEnded = false;

  private constructor(child: Deno.ChildProcess, mount: string, readonly state: string) {
    this.#child = child;
    this.mount = mount;
    this.pid = child.pid;
    this.status = child.status;
    this.#reading = this.#read();
  }

  /** Starts a daemon in a place; resolves once it is ready, or has ended. */
  static async start(place: Place, options: FiledOptions = {}): Promise<Filed> {
    const state = `${place.path}/filed.db`;
    const mount = `${place.path}/mnt`;
    const args = ["--state", state, "--log-format", "json", "--grace", "0", ...options.args ?? [], mount];
    const [program, ownArgs] = filedCommand(args);
    const [command = program, ...fullArgs] = [...options.prefix ?? [], program, ...ownArgs];
    const child = new Deno.Command(command, {
      args: fullArgs,
      cwd: options.cwd ?? place.path,
      env: options.env ?? {},
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    await using starting = new AsyncDisposableStack();
    const filed = starting.use(new Filed(child, mount, state));
    await filed.event("ready");
    if (options.config) await filed.configure(options.config);
    starting.move();
    return filed;
  }

  /** Resolves with the first log line of that message and those fields, past or to come. */
  event(message: string, fields: Record<string, unknown> = {}): Promise<LogLine> {
    return this.events(message, fields, 1).then((lines) => lines[0] as LogLine);
  }

  /** Resolves with the first `count` such lines. @throws If the daemon ends before. */
  events(message: string, fields: Record<string, unknown>, count: number): Promise<LogLine[]> {
    const isMatch = (line: LogLine) =>
      line.message === message &&
      Object.entries(fields).every(([key, value]) => line.properties[key] === value);
    return this.#lines(isMatch, count, `${message} ${JSON.stringify(fields)}`);
  }

  /** Resolves with the first `count` lines that match, each looked at once. */
  #lines(isMatch: (line: LogLine) => boolean, count: number, what: string): Promise<LogLine[]> {
    return within(`log: ${what}`, async () => {
      const found: LogLine[] = [];
      for (let next = 0;;) {
        for (; next < this.log.length && found.length < count; next++) {
          const line = this.log[next] as LogLine;
          if (isMatch(line)) found.push(line);
        }
        if (found.length === count) return found;
        if (this.#hasEnded) throw new Error(`filed has ended: ${this.words.join("\n")}`);
        await new Promise<void>((resolve) => this.#watchers.push(resolve));
      }
    });
  }

  /** Writes a job as a shell does. */
  async submit(id: string, command: string): Promise<void> {
    await Deno.writeTextFile(`${this.mount}/pending/${id}`, command);
  }

  /** Submits, and waits until the job is in `complete` or `failed`. @returns Its log. */
  async finish(id: string, command: string): Promise<string> {
    await this.submit(id, command);
    return await this.finished(id);
  }

  /** Waits until the job is in `complete` or `failed`. @returns Its log. */
  async finished(id: string): Promise<string> {
    const isEnd = ({ message, properties: { job, state } }: LogLine) =>
      message === "attempt ended" && job === id && (state === "complete" || state === "failed");
    const [line] = await this.#lines(isEnd, 1, `the end of ${id}`);
    return await Deno.readTextFile(`${this.mount}/${line?.properties.state}/${id}`);
  }

  /** Lets all users in, and has them submit jobs, as in /tmp. */
  async admitAll(): Promise<void> {
    await Deno.chmod(dirname(this.mount), 0o711);
    await Deno.chmod(`${this.mount}/pending`, 0o1777);
  }

  configure(config: Record<string, unknown>): Promise<void> {
    return Deno.writeTextFile(`${this.mount}/config.json`, JSON.stringify(config));
  }

  /** The names in a directory of the mount, sorted. */
  async list(directory: string): Promise<string[]> {
    const names: string[] = [];
    for await (const { name } of Deno.readDir(`${this.mount}/${directory}`)) names.push(name);
    return names.sort();
  }

  /** Runs a shell script in which `$M` is the mount. */
  sh(script: string, options: { user?: string; env?: Record<string, string> } = {}): Promise<Ran> {
    return sh(script, { ...options.env, M: this.mount }, options);
  }

  /** Runs a Python script in which `M` is the mount. */
  python(script: string): Promise<Ran> {
    return run(["python3", "-c", `import os\nM = os.environ["M"]\n${script}`], { M: this.mount });
  }

  signal(signal: Deno.Signal) {
    this.#child.kill(signal);
  }

  /** Stops the daemon and waits for its end. */
  async stop(signal: Deno.Signal = "SIGTERM"): Promise<Deno.CommandStatus> {
    if (!this.#hasEnded) this.#child.kill(signal);
    return await this.ended();
  }

  /** Waits for the daemon's end, all of its log read. */
  async ended(): Promise<Deno.CommandStatus> {
    return await within("filed's end", async () => {
      await this.#reading;
      return await this.status;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.stop();
    } catch {
      this.#child.kill("SIGKILL");
      await this.#reading;
      await this.status;
    }
  }

  async #read() {
    const lines = this.#child.stderr.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
    for await (const line of lines) {
      if (line.startsWith("{")) this.log.push(JSON.parse(line));
      else if (line !== "") this.words.push(line);
      this.#wake();
    }
    this.#hasEnded = true;
    this.#wake();
  }

  #wake() {
    for (const watcher of this.#watchers.splice(0)) watcher();
  }
}

/** A daemon in a place of its own. */
export async function startFiled(options: FiledOptions = {}): Promise<Filed & { place: Place }> {
  const place = await Place.make();
  try {
    const filed = await Filed.start(place, options);
    return Object.assign(filed, {
      place,
      async [Symbol.asyncDispose]() {
        try {
          await Filed.prototype[Symbol.asyncDispose].call(filed);
        } finally {
          await place[Symbol.asyncDispose]();
        }
      },
    });
  } catch (error) {
    await place[Symbol.asyncDispose]();
    throw error;
  }
}

/** A test that acts as several users, which only root can; an ordinary user's run lists it as ignored. */
export function rootTest(name: string, act: () => Promise<void>) {
  Deno.test({ name: `as root: ${name}`, ignore: Deno.uid() !== 0, fn: act });
}

/** A test of what only an ordinary user meets: it is there in the run of the contract as one, contract/as_user_test.ts. */
export function userTest(name: string, act: () => Promise<void>) {
  if (Deno.uid() !== 0) Deno.test(name, act);
}

/** How a program ended. */
export interface Ran {
  status: number;
  stdout: string;
  stderr: string;
}

/** Runs a shell script. */
export function sh(
  script: string,
  env: Record<string, string> = {},
  options: { user?: string } = {},
): Promise<Ran> {
  const shell = ["sh", "-c", script];
  return run(options.user === undefined ? shell : ["setpriv", ...asUser(options.user), ...shell], env);
}

function asUser(user: string): string[] {
  return ["--reuid", user, "--regid", user, "--init-groups"];
}

/** Runs a program to its end. @param limitMs After so long it is killed, and that is an error. */
export async function run(
  [command, ...args]: string[],
  env: Record<string, string> = {},
  limitMs = LIMIT_MS,
): Promise<Ran> {
  const child = new Deno.Command(command as string, {
    args,
    env: { LC_ALL: "C.UTF-8", ...env },
    cwd: "/",
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = await within(
    `the end of ${command} ${args.join(" ")}`,
    () => child.output(),
    () => {
      try {
        child.kill("SIGKILL");
      } catch { /* It has ended, and left its output open with a child of its own. */ }
    },
    limitMs,
  );
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { status: output.code, stdout: text(output.stdout), stderr: text(output.stderr) };
}

/** Asserts that a script succeeds. @returns What it printed. */
export async function ok(ran: Promise<Ran>): Promise<string> {
  const { status, stdout, stderr } = await ran;
  assert.equal(status, 0, stderr || stdout);
  return stdout;
}

/** Asserts that a script fails with that text on standard error. */
export async function fails(ran: Promise<Ran>, message: RegExp): Promise<void> {
  const { status, stderr } = await ran;
  assert.notEqual(status, 0, "it succeeded");
  assert.match(stderr, message);
}

/** Looks again and again until it is so: for what no event tells. */
export async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  let isOver = false;
  await within(what, async () => {
    while (!isOver && !await isSo()) await new Promise((resolve) => setTimeout(resolve, 1));
  }, () => isOver = true);
}

/** Whether something has that name; a link need not lead anywhere. */
export function exists(path: string): Promise<boolean> {
  return Deno.lstat(path).then(() => true, () => false);
}

/** The one child of a process. @throws If it has none, or several. */
export async function onlyChildOf(pid: number): Promise<number> {
  const children = (await Deno.readTextFile(`/proc/${pid}/task/${pid}/children`)).trim();
  assert.match(children, /^\d+$/, `the children of ${pid} are "${children}"`);
  return Number(children);
}

/** A FIFO: a job that writes to it tells the test that it has come so far; one that reads from it waits for the test. */
export async function makeFifo(place: Place, name: string): Promise<string> {
  const path = `${place.path}/${name}`;
  await ok(run(["mkfifo", "-m", "666", path]));
  return path;
}

/** Runs something that takes no time, and fails if it never ends. */
export async function within<T>(
  what: string,
  act: () => Promise<T>,
  onLate = () => {},
  limitMs = LIMIT_MS,
): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    onLate();
    late.reject(new Error(`Waited ${limitMs} ms for ${what}`));
  }, limitMs);
  try {
    return await Promise.race([act(), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
