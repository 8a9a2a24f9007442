import type { RunToken } from "../job/attempt.ts";
import { setImmediate } from "node:timers";
import { ErrnoError } from "../sys/errno.ts";
import { readKernelFile } from "../sys/files/kernel_files.ts";
import { adoptsOrphans } from "../sys/processes/process.ts";
import { standInOf } from "../sys/processes/subuid.ts";
import { dropReserve, keepDescriptors } from "../sys/files/reserve.ts";
import { type Account, Accounts } from "./start/accounts.ts";
import { findCgroups } from "./cgroup/cgroup.ts";
import { Census } from "./end/census.ts";
import { CgroupMemory } from "./cgroup/memory.ts";
import { Cgroups } from "./cgroup/cgroups.ts";
import { Contents } from "./content/contents.ts";
import type { WorkerContext } from "./context.ts";
import { Execution } from "./execution.ts";
import {
  type Exit,
  type FromWorker,
  KILLING_MS,
  type SetupMessage,
  type StartMessage,
  type ToWorker,
} from "../run/messages.ts";
import { Marks } from "./end/marks.ts";
import { Orphans } from "./end/orphans.ts";
import { Outbox } from "../run/outbox.ts";
import { readBootId } from "./end/processes.ts";
import { Relays } from "./output/relays.ts";
import { Reactor } from "./reactor.ts";
import { RuleError } from "./sandbox/paths.ts";
import { launch } from "./start/launch.ts";
import { NotStarted } from "./start/not_started.ts";
import { Inherited } from "./start/rlimits.ts";
import { Sandbox } from "./sandbox/sandbox.ts";
import { selfTest } from "./sandbox/selftest.ts";
import type { SandboxSettings } from "../run/sandbox_rules.ts";
import { type Obstacle, obstacleOf, type Shortage } from "../run/shortage.ts";
import { sweep } from "./end/sweep.ts";

/** For looks at processes and their groups, of which each takes one or two; what was started keeps one. */
const KEPT_DESCRIPTORS = 4;

/** The thread that runs jobs. An error that nothing here expects ends it, and its owner hears of that. */
class Jobs {
  readonly #reactor = new Reactor();
  readonly #context: WorkerContext;
  readonly #executions = new Map<RunToken, Execution>();
  /** Runs of users who are being looked up, or for whose files a place is being looked for. */
  readonly #waiting = new Set<RunToken>();
  #orphans: Orphans | undefined;
  #sweeping: Promise<void> = Promise.resolve();
  /** Why nothing is started until it is resumed. */
  #shortage: Shortage | undefined;
  /** While a start waits for the sandbox: it, and what came after it. */
  #held: Exclude<ToWorker, SetupMessage>[] | undefined;

  constructor(setup: SetupMessage) {
    const { cgroups: use, identity, environment, openFiles, execDirectories, dataDirectory } = setup;
    keepDescriptors(KEPT_DESCRIPTORS);
    const root = use === "used"
      ? findCgroups(readKernelFile("/proc/self/mountinfo"), readKernelFile("/proc/self/cgroup"))
      : undefined;
    const cgroups = new Cgroups(root, identity);
    this.#context = {
      accounts: new Accounts(),
      bootId: readBootId(),
      environment,
      inherited: new Inherited(openFiles),
      reactor: this.#reactor,
      relays: new Relays(this.#reactor, standInOf(readSubuid())),
      cgroups,
      contents: new Contents(execDirectories, dataDirectory, { reactor: this.#reactor, warn }),
      cgroupMemory: new CgroupMemory(root?.own, () => cgroups.ours),
      lookout: { census: new Census(), marks: new Marks() },
      leaders: new Set(),
      sandbox: undefined,
      post,
    };
    if (adoptsOrphans()) this.#orphans = new Orphans((pid) => this.#context.leaders.has(pid));
  }

  receive(message: Exclude<ToWorker, SetupMessage>): void {
    if (this.#held) return void this.#held.push(message);
    if (message.kind === "start") {
      const prepared = this.#context.sandbox?.prepare();
      if (prepared) return this.#hold(message, prepared);
    }
    switch (message.kind) {
      case "confine":
        return void this.#confine(message.sandbox);
      case "start":
        return this.#start(message);
      case "end":
        if (this.#endWaiting(message.run)) return;
        return this.#executions.get(message.run)?.end(message.graceMs, message.killingMs);
      case "taken":
        return this.#executions.get(message.run)?.taken(message.bytes);
      case "sweep":
        this.#sweeping = this.#sweeping.then(async () => {
          const onGone = (run: RunToken) => post({ kind: "gone", run });
          const survivors = await sweep(message.runs, this.#context, onGone);
          post({ kind: "swept", survivors });
        });
        return;
      case "resume":
        this.#shortage = undefined;
        return;
      case "stop":
        return void this.#stop();
      default:
        message satisfies never;
    }
  }

  async #confine(settings: SandboxSettings) {
    try {
      const sandbox = await Sandbox.open(settings, { reactor: this.#reactor, warn });
      this.#context.sandbox = sandbox;
      if (await selfTest(sandbox, this.#context.cgroups)) sandbox.allowReuse();
      post({ kind: "confined", outcome: sandbox.realPaths });
    } catch (error) {
      if (!(error instanceof RuleError)) throw error;
      post({ kind: "confined", outcome: { problem: error.message } });
    }
  }

  /** Keeps the order of what comes meanwhile. */
  #hold(start: StartMessage, prepared: Promise<void>) {
    this.#held = [start];
    prepared.then(() => {
      const held = this.#held ?? [];
      this.#held = undefined;
      for (const message of held) this.receive(message);
    });
  }

  /** What we don't know yet is looked up while others start. */
  #start(message: StartMessage) {
    const account = message.runAs && this.#context.accounts.of(message.runAs);
    const place = this.#context.contents.prepare(message);
    if (account instanceof Promise || place) this.#startOnceKnown(message, account, place);
    else this.#execute(message, account);
  }

  async #startOnceKnown(
    message: StartMessage,
    looking: Account | undefined | Promise<Account>,
    place: Promise<void> | undefined,
  ) {
    const { run } = message;
    this.#waiting.add(run);
    try {
      const [account] = await Promise.all([looking, place]);
      if (this.#waiting.delete(run)) this.#execute(message, account);
    } catch (error) {
      if (!(error instanceof ErrnoError)) throw error;
      if (!this.#waiting.delete(run)) return;
      this.#refuse(run, obstacleOf(error, { in: "filed", maxMemoryMb: message.limits.maxMemoryMb }));
    }
  }

  /** Ends a run before it has begun. @returns Whether it had not. */
  #endWaiting(run: RunToken): boolean {
    const wasWaiting = this.#waiting.delete(run);
    if (wasWaiting) post(overBefore(run, { kind: "signaled", signal: "SIGKILL" }));
    return wasWaiting;
  }

  #execute(message: StartMessage, account: Account | undefined) {
    const { run } = message;
    if (this.#shortage) return post(overBefore(run, { kind: "put-off", shortage: this.#shortage }));
    try {
      const execution = new Execution(launch(message, account, this.#context), message, this.#context);
      this.#executions.set(run, execution);
      execution.over.then(() => this.#executions.delete(run));
    } catch (error) {
      if (!(error instanceof NotStarted)) throw error;
      this.#refuse(run, error.obstacle);
    }
  }

  /** A shortage of all puts off those too that were asked for already: none overtakes another. */
  #refuse(run: RunToken, obstacle: Obstacle) {
    if (obstacle.kind === "put-off" && obstacle.shortage.of === "all") {
      this.#shortage = obstacle.shortage;
      this.#context.sandbox?.spare();
      this.#context.cgroups.spare();
    }
    post(overBefore(run, obstacle));
  }

  async #stop() {
    const executions = [...this.#executions.values()];
    for (const execution of executions) execution.end(0, KILLING_MS);
    for (const run of [...this.#waiting]) this.#endWaiting(run);
    await Promise.all([this.#sweeping, ...executions.map(({ over }) => over)]);
    this.#orphans?.[Symbol.dispose]();
    this.#context.lookout.marks[Symbol.dispose]();
    this.#context.cgroupMemory[Symbol.dispose](); // The daemon may be in the group of its runs.
    this.#context.cgroups[Symbol.dispose]();
    await this.#context.contents[Symbol.asyncDispose]();
    await this.#context.sandbox?.[Symbol.asyncDispose]();
    await this.#reactor[Symbol.asyncDispose]();
    dropReserve();
    post({ kind: "stopped" });
  }
}

// Of jobs that end at the same time, the other thread hears at once.
const outbox = new Outbox<FromWorker>(
  (messages, transfer) => self.postMessage(messages, transfer),
  setImmediate,
);

// An error that nothing expects ends this thread: what had happened before is told all the same.
self.addEventListener("error", () => outbox.sendAll());
self.addEventListener("unhandledrejection", () => outbox.sendAll());

/** The last word of a run that has had no process. */
function overBefore(run: RunToken, exit: Exit): FromWorker {
  return { kind: "ended", run, exit, droppedBytes: 0, tail: new Uint8Array(), survivors: [] };
}

function warn(message: string, fields: Record<string, unknown>) {
  post({ kind: "warned", message, fields });
}

function post(message: FromWorker, transfer?: ArrayBuffer[]) {
  outbox.post(message, transfer);
}

function readSubuid(): string {
  try {
    return Deno.readTextFileSync("/etc/subuid");
  } catch {
    return ""; // Nobody has other user ids.
  }
}

let jobs: Jobs | undefined;
self.onmessage = ({ data }: MessageEvent<ToWorker[]>) => {
  for (const message of data) {
    if (message.kind === "setup") jobs = new Jobs(message);
    else jobs?.receive(message);
  }
};
