import { endGroupsNamed } from "../groups.ts";
import type { RunToken } from "../../src/job/attempt.ts";
import { jobEnvironment } from "../../src/daemon/environment.ts";
import { kindOf } from "../../src/job/content.ts";
import { NO_LIMITS } from "../../src/job/limits.ts";
import { newIdentity } from "../../src/queue/queue.ts";
import { Executor, type ExecutorOptions } from "../../src/run/executor.ts";
import type { EndedMessage, OutputMessage, StartedMessage, StartMessage } from "../../src/run/messages.ts";
import { environ } from "../../src/sys/processes/environ.ts";
import { type Process, readProcess, signalProcess } from "../../src/worker/end/processes.ts";

export const MIB = 1_048_576;

/** A command that was started, and what was heard of it. */
export class Run {
  readonly token: RunToken = crypto.randomUUID();
  readonly started = Promise.withResolvers<StartedMessage>();
  readonly ended = Promise.withResolvers<EndedMessage>();
  /** The kinds of messages, in the order they came. */
  readonly kinds: string[] = [];
  #chunks: Uint8Array[] = [];
  #untaken = 0;
  #onOutput = Promise.withResolvers<void>();

  receive(message: StartedMessage | OutputMessage | EndedMessage): void {
    this.kinds.push(message.kind);
    if (message.kind === "started") this.started.resolve(message);
    if (message.kind === "ended") this.ended.resolve(message);
    if (message.kind !== "output") return;
    this.#chunks.push(message.bytes);
    this.#untaken += message.bytes.length;
    this.#onOutput.resolve();
    this.#onOutput = Promise.withResolvers();
  }

  get length(): number {
    return this.#chunks.reduce((sum, { length }) => sum + length, 0);
  }

  get hasEnded(): boolean {
    return this.kinds.includes("ended");
  }

  get text(): string {
    const decoder = new TextDecoder();
    return this.#chunks.map((chunk) => decoder.decode(chunk, { stream: true })).join("");
  }

  get bytes(): Uint8Array {
    return Uint8Array.from(this.#chunks.flatMap((chunk) => [...chunk]));
  }

  /** Resolves once `length` bytes were posted. */
  async hasPosted(length: number): Promise<void> {
    while (this.length < length) await this.#onOutput.promise;
  }

  /** What was posted since the last call. */
  takeUntaken(): number {
    const bytes = this.#untaken;
    this.#untaken = 0;
    return bytes;
  }

  async exit(): Promise<EndedMessage["exit"]> {
    return (await this.ended.promise).exit;
  }
}

/**
 * An executor and a directory for one test. All processes that a test starts have a path in that directory among their
 * arguments, so that the test knows them, and so that none stays behind.
 */
export class Workshop implements AsyncDisposable {
  readonly dir = Deno.makeTempDirSync({ prefix: "filed-runner-" });
  /** Where scripts and programs are put: others may not replace what is in it. */
  readonly execDirectory = Deno.makeTempDirSync({ prefix: "filed-runner-exec-" });
  readonly executor: Executor;
  readonly identity = newIdentity();
  readonly failure = Promise.withResolvers<Error>();
  readonly #runs = new Map<RunToken, Run>();
  /** "by hand": the test answers output itself. */
  readonly #taking: "at once" | "by hand";

  constructor(
    options: Pick<ExecutorOptions, "cgroups" | "execDirectories" | "dataDirectory"> = {},
    taking: "at once" | "by hand" = "at once",
  ) {
    Deno.chmodSync(this.dir, 0o777);
    Deno.chmodSync(this.execDirectory, 0o755);
    this.#taking = taking;
    this.executor = new Executor({
      onStarted: (message) => this.#runs.get(message.run)?.receive(message),
      onOutput: (message) => {
        const run = this.#runs.get(message.run);
        run?.receive(message);
        if (run && this.#taking === "at once") this.take(run);
      },
      onEnded: (message) => this.#runs.get(message.run)?.receive(message),
      onGone() {},
      onFailure: (error) => this.failure.resolve(error),
    }, {
      execDirectories: [this.execDirectory],
      dataDirectory: this.execDirectory,
      ...options,
      environment: inheritedEnvironment(),
      identity: this.identity,
    });
  }

  /** Starts a command; `$DIR` in it is the directory. */
  start(command: string | Uint8Array, rest: Partial<StartMessage> = {}): Run {
    const run = new Run();
    this.#runs.set(run.token, run);
    const text = typeof command === "string" ? command.replaceAll("$DIR", this.dir) : command;
    const content = typeof text === "string" ? new TextEncoder().encode(text) : text;
    this.executor.start({
      run: run.token,
      jobId: "job",
      attempt: 1,
      content,
      how: kindOf(content),
      stdin: undefined,
      cwd: undefined,
      runAs: undefined,
      timeoutMs: 0,
      warnMs: 0,
      slots: [],
      maxLogBytes: 16 * MIB,
      limits: NO_LIMITS,
      ...rest,
    });
    return run;
  }

  /** Starts a command that begins once it is told whose processes the run has. */
  async startTold(command: string): Promise<{ run: Run; told: StartedMessage }> {
    const gate = `gate-${this.#runs.size}`;
    await this.fifos(gate);
    const run = this.start(`read x < $DIR/${gate}; ${command}`);
    const told = await run.started.promise;
    await Deno.writeTextFile(`${this.dir}/${gate}`, "\n");
    return { run, told };
  }

  take(run: Run): void {
    this.executor.taken(run.token, run.takeUntaken());
  }

  /** Takes what was posted and what comes, until the run has ended. */
  async takeAll(run: Run): Promise<void> {
    while (!run.hasEnded) {
      this.take(run);
      await Promise.race([run.ended.promise, run.hasPosted(run.length + 1)]);
    }
  }

  /** Makes FIFOs; writing to one blocks until the test reads it. */
  async fifos(...names: string[]): Promise<void> {
    const paths = names.map((name) => `${this.dir}/${name}`);
    const { success } = await new Deno.Command("mkfifo", { args: ["-m", "666", ...paths] }).output();
    if (!success) throw new Error(`Cannot make ${paths}`);
  }

  /** Resolves with what is written to the FIFO, once all that have it open have closed it. */
  read(fifo: string): Promise<string> {
    return Deno.readTextFile(`${this.dir}/${fifo}`);
  }

  /** The processes with a path in the directory among their arguments. */
  processes(): Process[] {
    return processesWith(this.dir);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.executor[Symbol.asyncDispose]();
    } finally {
      await endProcessesWith(this.dir);
      await endGroupsNamed(this.identity);
      await Deno.remove(this.dir, { recursive: true });
      await Deno.remove(this.execDirectory, { recursive: true });
    }
  }
}

/** What a job of a daemon with this process's environment begins with. */
export function inheritedEnvironment(): ExecutorOptions["environment"] {
  return jobEnvironment({ base: "daemon", given: [] }, environ());
}

/** The processes, but this one, that have `text` among their arguments. */
export function processesWith(text: string): Process[] {
  const pids = [...Deno.readDirSync("/proc")].map(({ name }) => Number(name));
  const found = pids.filter((pid) => {
    try {
      return pid !== Deno.pid && Deno.readTextFileSync(`/proc/${pid}/cmdline`).includes(text);
    } catch {
      return false;
    }
  });
  const processes = found.map(readProcess).filter((process): process is Process => process !== undefined);
  return processes.filter(({ isZombie }) => !isZombie);
}

export async function endProcessesWith(text: string): Promise<void> {
  for (let left = processesWith(text); left.length > 0; left = processesWith(text)) {
    for (const process of left) signalProcess(process, "SIGKILL");
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
