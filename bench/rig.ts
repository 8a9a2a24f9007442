/** Where the benchmarks run: a folder on a disk, the daemons and the mounts in it, and the C client. */
import { alternate, alternateAll, type Pairs, type Series } from "./pairs.ts";
import { type Kind, StateFiles } from "./states.ts";

/** A real disk, where /tmp may be memory. */
const PARENT = "/var/tmp";
/** The unit of times in /proc/PID/stat, the same on all machines that filed runs on. */
const TICK_MS = 10;
const TREE = new URL("..", import.meta.url).pathname;

export const PERMISSIONS = /^PERMISSIONS := (.*)$/m.exec(await Deno.readTextFile(`${TREE}Makefile`))?.[1]
  ?.split(" ") ?? [];

export class Rig implements AsyncDisposable {
  readonly states: StateFiles;
  readonly #stack = new AsyncDisposableStack();
  #resting: Daemon | undefined;
  #count = 0;

  private constructor(
    readonly folder: string,
    /** Fewer rounds, smaller sizes. */
    readonly isQuick: boolean,
    /** How to run filed. */
    readonly filed: readonly string[],
  ) {
    this.states = new StateFiles(this);
  }

  static async make(isQuick: boolean, file: string | undefined): Promise<Rig> {
    const folder = await Deno.makeTempDir({ dir: PARENT, prefix: "filed-bench-" });
    const source = [Deno.execPath(), "run", "--no-prompt", ...PERMISSIONS, `${TREE}main.ts`];
    const rig = new Rig(folder, isQuick, file ? [file] : source);
    rig.#stack.defer(() => Deno.remove(folder, { recursive: true }));
    try {
      for (const program of ["client", "floor"]) {
        const flags = ["-O2", "-Wall", "-Wextra", "-pthread"];
        await run(["cc", ...flags, "-o", `${folder}/${program}`, `${TREE}bench/${program}.c`]);
      }
      rig.#resting = rig.#stack.use(await rig.start());
    } catch (error) {
      await rig[Symbol.asyncDispose]();
      throw error;
    }
    return rig;
  }

  /** A daemon with an empty queue that was started before everything else, and that nobody uses. */
  get resting(): Daemon {
    if (!this.#resting) throw new Error("the rig is not made yet");
    return this.#resting;
  }

  /** So many of a thing as the run has time for. */
  size(full: number, quick: number): number {
    return this.isQuick ? quick : full;
  }

  alternate(
    filed: (round: number) => Promise<number>,
    reference: (round: number) => Promise<number>,
    rounds: number = this.size(7, 3),
  ): Promise<Pairs> {
    return alternate(rounds, filed, reference);
  }

  /** The same for filed and several references. */
  alternateAll<Name extends string>(
    measures: Record<Name, (round: number) => Promise<number>>,
    rounds: number = this.size(7, 3),
  ): Promise<Series<Name>> {
    return alternateAll(rounds, measures);
  }

  /** A new name in the folder. */
  path(name: string): string {
    return `${this.folder}/${name}-${this.#count++}`;
  }

  /** A new directory. */
  async directory(name: string): Promise<string> {
    const path = this.path(name);
    await Deno.mkdir(path);
    return path;
  }

  /** Runs the C client. @returns The milliseconds that it printed. */
  async client(...args: (string | number)[]): Promise<number[]> {
    const printed = await run([`${this.folder}/client`, ...args.map(String)]);
    return printed.trimEnd().split("\n").map((line) => Number(line) / 1e6);
  }

  /** The same where it prints one figure. */
  async clientMs(...args: (string | number)[]): Promise<number> {
    return (await this.client(...args))[0] ?? NaN;
  }

  /** How long `count` jobs and as many spawns took to their first instruction, us, in ascending order. */
  async latencies(mount: string, fifo: string, count: number): Promise<Latencies> {
    const times = await this.client("latency", mount, fifo, count);
    const nth = (n: number) =>
      times.filter((_, i) => i % 3 === n).map((ms) => ms * 1_000).sort((a, b) => a - b);
    return { closing: nth(0), closed: nth(1), spawned: nth(2) };
  }

  /** Starts a daemon on a state file, by default an empty one. */
  start(options: StartOptions = {}): Promise<Daemon> {
    return Daemon.start(this, { state: this.path("state.db"), ...options });
  }

  /** Starts a paused daemon on a state file with so many jobs, which goes with it. */
  async startOn(kind: Kind, count: number): Promise<Daemon> {
    const state = await this.states.copy(kind, count);
    const daemon = await this.start({ state });
    return Object.assign(daemon, {
      async [Symbol.asyncDispose]() {
        await Daemon.prototype[Symbol.asyncDispose].call(daemon);
        await Deno.remove(state);
      },
    });
  }

  /** A directory of the disk, and `bindfs`, a FUSE server in C, over it. */
  async bindfs(options: string[] = []): Promise<Mounted> {
    const [source, mount] = [await this.directory("source"), await this.directory("bindfs")];
    await run(["bindfs", ...options, source, mount]);
    return {
      mount,
      [Symbol.asyncDispose]: async () => {
        await cleanUp(["sh", "-c", 'umount "$1" || fusermount3 -u "$1"', "sh", mount]);
        await Deno.remove(source, { recursive: true });
      },
    };
  }

  /** The least that such a queue costs, see floor.c. Only root mounts it: `undefined` for others. */
  async floor(): Promise<Mounted | undefined> {
    if (Deno.uid() !== 0) return undefined;
    const [mount, journal] = [await this.directory("floor"), this.path("journal")];
    const args = [mount, journal];
    const child = new Deno.Command(`${this.folder}/floor`, { args, stdin: "null", stdout: "piped" }).spawn();
    const { done } = await child.stdout[Symbol.asyncIterator]().next();
    if (done) throw new Error("the floor can't be mounted");
    return {
      mount,
      [Symbol.asyncDispose]: async () => {
        await cleanUp(["umount", mount]);
        await child.status;
        await Deno.remove(journal);
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

export interface Mounted extends AsyncDisposable {
  readonly mount: string;
}

export interface Latencies {
  /** Of jobs, from before close(). */
  closing: number[];
  /** Of the same, from when close() had returned. */
  closed: number[];
  /** Of posix_spawn. */
  spawned: number[];
}

export interface StartOptions {
  state?: string;
  config?: Record<string, number>;
  /** More of the command line. */
  args?: string[];
}

/** A running filed. */
export class Daemon implements AsyncDisposable {
  private constructor(
    readonly mount: string,
    readonly pid: number,
    /** From exec to a mount that answers. */
    readonly startMs: number,
    readonly child: Deno.ChildProcess,
  ) {}

  static async start(rig: Rig, options: StartOptions & { state: string }): Promise<Daemon> {
    const { state, config = {} } = options;
    const mount = await rig.directory("mnt");
    const [program, ...args] = rig.filed as [string, ...string[]];
    const startedAt = performance.now();
    const child = new Deno.Command(program, {
      args: [...args, "--state", state, "--grace", "0", ...options.args ?? [], mount],
      env: { XDG_CACHE_HOME: `${rig.folder}/cache` },
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const ended = child.status.then(() => "ended" as const);
    while (!await isThere(`${mount}/new-id`)) {
      if (await Promise.race([ended, pause(1)])) throw new Error(`filed did not start on ${state}`);
    }
    const daemon = new Daemon(mount, child.pid, performance.now() - startedAt, child);
    if (Object.keys(config).length > 0) await daemon.configure(config);
    return daemon;
  }

  /** What it and its threads, the ended ones too, have had of the processors by now. */
  async cpuMs(): Promise<number> {
    const text = await Deno.readTextFile(`/proc/${this.pid}/stat`);
    const [user, system] = text.slice(text.lastIndexOf(")") + 2).split(" ").slice(11, 13).map(Number);
    return ((user ?? NaN) + (system ?? NaN)) * TICK_MS;
  }

  configure(config: Record<string, number>): Promise<void> {
    return Deno.writeTextFile(`${this.mount}/config.json`, JSON.stringify(config));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill("SIGTERM");
    await this.child.status;
    await Deno.remove(this.mount);
  }
}

/** Ends what runs, by an error that unwinds all that is open. */
export const interruption = new AbortController();
/** For what must be done after that too. */
const NEVER = new AbortController().signal;

export function pause(ms: number): Promise<void> {
  interruption.signal.throwIfAborted();
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Runs a program that puts things in order. */
export function cleanUp(command: string[], options: RunOptions = {}): Promise<string> {
  return run(command, { ...options, signal: NEVER });
}

export async function isThere(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

interface RunOptions {
  env?: Record<string, string>;
  signal?: AbortSignal;
}

/** Runs a program to its end. @returns What it printed. @throws If it fails, with what it said. */
export async function run(
  [program, ...args]: string[],
  options: RunOptions = {},
): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program as string, {
    args,
    stdin: "null",
    signal: interruption.signal,
    ...options,
  }).output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(`${program} failed: ${decoder.decode(stderr)}`);
  return decoder.decode(stdout);
}

/** How long a program takes to its end. */
export async function timeMs(...args: Parameters<typeof run>): Promise<number> {
  const startedAt = performance.now();
  await run(...args);
  return performance.now() - startedAt;
}
