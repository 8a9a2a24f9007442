import type { ProcessIdentity } from "../../job/attempt.ts";
import type { Limits } from "../../job/limits.ts";
import { poolVariables } from "../../job/pools.ts";
import type { StartMessage } from "../../run/messages.ts";
import { type Obstacle, obstacleOf, type Point } from "../../run/shortage.ts";
import { changeOwner, close, pipe } from "../../sys/files/file.ts";
import { requireReserve } from "../../sys/files/reserve.ts";
import { must } from "../../must.ts";
import { bootTicks } from "../../sys/processes/boot_clock.ts";
import type { Pidfd } from "../../sys/processes/pidfd.ts";
import type { Rlimit } from "../../sys/processes/rlimit.ts";
import type { WaitStatus } from "../../sys/processes/wait.ts";
import type { SpawnSpec, Started } from "../../sys/spawn/mod.ts";
import type { WorkerContext } from "../context.ts";
import type { Reactor } from "../reactor.ts";
import { untilEnd } from "../end/child_end.ts";
import { type ContentFile, needsFile } from "../content/contents.ts";
import { interpreterOf } from "../content/interpreter.ts";
import { holdProcess, readProcess } from "../end/processes.ts";
import { lastingPipe, type Relay, Relays } from "../output/relays.ts";
import type { Confinement } from "../sandbox/confinement.ts";
import type { Account } from "./accounts.ts";
import { niceSession } from "./niceness.ts";
import { NotStarted } from "./not_started.ts";
import { unprotect } from "./oom_score.ts";
import { NOTHING } from "./own_process.ts";
import { rlimitsOf } from "./rlimits.ts";
import { type Side, start as startProgram } from "./start.ts";

/** The process that runs a job, sh as a rule, in a session and a group of its own, which it leads. */
export class Shell implements Disposable {
  readonly pidfd: Pidfd | undefined;
  readonly exit: Promise<WaitStatus>;

  readonly #failure: Started["failure"];
  readonly #point: Point;

  /**
   * @param output Its standard output and error.
   * @param cgroup The group of its own in which it is, and so all that it starts; `undefined`: in none.
   * @param confinement That of its processes.
   * @param content The file that it is executed from, if there is one.
   * @param point Where it was on its way, if it executes nothing.
   */
  constructor(
    started: Started,
    readonly leader: ProcessIdentity,
    readonly output: Output,
    readonly cgroup: string | undefined,
    readonly confinement: Confinement | undefined,
    readonly content: ContentFile | undefined,
    point: Point,
    nice: number,
    reactor: Reactor,
  ) {
    const { pid } = leader;
    this.pidfd = holdProcess(pid);
    this.exit = untilEnd(pid, this.pidfd, reactor);
    this.#failure = started.failure;
    this.#point = point;
    if (nice > 0) niceSession(pid, nice, this.exit);
    unprotect(started, this.exit);
  }

  /** Why the command was not executed; to be asked once the process has ended. */
  get obstacle(): Obstacle | undefined {
    const error = this.#failure();
    return error && obstacleOf(error, this.#point);
  }

  /** It may outlive this, where SIGKILL does not end it: then it is waited for all the same. */
  [Symbol.dispose](): void {
    this.exit.then(() => {
      this.#failure(); // Then nothing is kept for it.
      this.pidfd?.[Symbol.dispose]();
    });
  }
}

interface Output {
  /** Where we read it, non-blocking; whoever reads it closes it. */
  reader: number;
  /** It reads another user's output for us. */
  relay: Relay | undefined;
}

const SHELL = "/bin/sh";

/**
 * @param account Whom it runs as; `undefined`: the daemon's own user.
 * @param cgroup One for it alone; where the kernel starts nothing in it, the shell is outside.
 * @throws {NotStarted | RuleError | ErrnoError}
 */
export function spawnShell(
  start: StartMessage,
  account: Account | undefined,
  cgroup: string | undefined,
  context: WorkerContext,
): Shell {
  const { how, content, limits, cwd } = start;
  const { sandbox, bootId, contents, reactor } = context;
  const owner = account?.credentials;
  if (how === "text" && content.includes(0)) {
    throw new NotStarted({ kind: "not-started", reason: "the command contains a NUL byte", isFinal: true });
  }
  requireReserve(); // So that what comes after the spawn can't fail for want of a descriptor.
  using ours = new DisposableStack();
  using undo = new DisposableStack();
  const { reader, writer, relay } = openOutput(account, context);
  ours.adopt(writer, close);
  undo.adopt(reader, close);
  undo.defer(() => relay?.stop());
  // By the name /dev/stderr it can be opened by its owner only.
  if (account) changeOwner(writer, account.credentials.uid, account.credentials.gid);
  const stdin = start.stdin ? ours.adopt(contents.openInput(start.stdin, owner), close) : NOTHING;
  const file = needsFile(start) ? ours.use(contents.make(start, owner)) : undefined;
  if (file) undo.defer(() => file.remove());
  const confinement = sandbox?.enter(owner, file?.handle);
  if (confinement) undo.defer(() => sandbox?.leave(confinement, "nothing"));
  const rlimits = rlimitsBySide(limits, cgroup, context);
  const specFor = (side: Side): SpawnSpec => ({
    ...programOf(start, file),
    env: environmentOf(start, account, confinement, context),
    cwd: account ? account.cwd : ownDirectories(context),
    onlyIn: cwd,
    fds: [stdin, writer, writer, ...file?.fd === undefined ? [] : [file.fd]],
    restriction: confinement?.restriction,
    nice: limits.nice,
    rlimits: rlimits[side],
    credentials: owner,
    memory: cgroup !== undefined && limits.maxMemoryMb > 0 ? "limited" : undefined,
  });
  const before = bootTicks();
  const started = startProgram(cgroup, specFor);
  const startTicks = bootTicks() === before ? before : readStartTicks(started.pid);
  undo.move();
  const leader = { pid: started.pid, startTicks, bootId };
  const own = started.side === "inside" ? cgroup : undefined;
  const point: Point = {
    in: "child",
    maxMemoryMb: limits.maxMemoryMb,
    directory: cwd,
    executes: how,
    interpreter: interpreterOf(content, how),
    isSandboxed: confinement !== undefined,
  };
  const output = { reader, relay };
  return new Shell(started, leader, output, own, confinement, file, point, limits.nice, reactor);
}

/** @param file Where the content is, if that is not to be an argument of sh. */
function programOf(
  { how, content }: StartMessage,
  file: ContentFile | undefined,
): Pick<SpawnSpec, "path" | "program" | "args"> {
  if (!file) return { path: SHELL, args: ["sh", "-c", "--", content] }; // A shell's messages begin with its $0.
  const { path } = file;
  return how === "text"
    ? { path: SHELL, args: ["sh", path] }
    : { path, program: "just written", args: [path] };
}

function openOutput(account: Account | undefined, { relays }: WorkerContext): Output & { writer: number } {
  if (account && Relays.areThere) {
    const relay = relays.start(account.credentials.uid);
    return { reader: relay.reader, writer: relay.writer, relay };
  }
  return { ...lastingPipe(pipe), relay: undefined };
}

/** Of a child that was not waited for since the spawn: so even if it has ended, the number means it. */
function readStartTicks(pid: number): number {
  try {
    return must(readProcess(pid), "a child that nobody has waited for has a /proc/PID/stat").startTicks;
  } catch (cause) {
    // No refusal of the start: the process is there. The next daemon ends it.
    throw new Error(`Cannot read /proc/${pid}/stat of a process just started`, { cause });
  }
}

/** Where jobs of filed's own user begin: where it was started, by its name; where that is gone, at home. */
function ownDirectories({ environment }: WorkerContext): string[] {
  const home = new TextDecoder().decode(environment.get("HOME")).slice("HOME=".length);
  return [...START_DIRECTORY, ...home.startsWith("/") ? [home] : []];
}

const START_DIRECTORY = startDirectory();

function startDirectory(): string[] {
  try {
    return [Deno.cwd()];
  } catch {
    return []; // It was removed before.
  }
}

/** Where the cgroup counts memory, only a job that can't get into it is limited in its own. */
function rlimitsBySide(
  limits: Limits,
  cgroup: string | undefined,
  { cgroupMemory, inherited }: WorkerContext,
): Record<Side, Rlimit[]> {
  const { memory, others } = rlimitsOf(limits, inherited);
  const outside = [...memory, ...others];
  const { maxMemoryMb } = limits;
  const isCounted = cgroup !== undefined && maxMemoryMb > 0 && cgroupMemory.limit(cgroup, maxMemoryMb);
  return { inside: isCounted ? others : outside, outside };
}

function environmentOf(
  { run, jobId, attempt, slots }: StartMessage,
  account: Account | undefined,
  confinement: Confinement | undefined,
  { environment }: WorkerContext,
): (string | Uint8Array)[] {
  const env = new Map<string, string | Uint8Array>(environment);
  const own = {
    ...account?.env,
    ...confinement?.env,
    FILED_JOB_ID: jobId,
    FILED_ATTEMPT: String(attempt),
    FILED_RUN: run,
  };
  for (const [name, value] of [...Object.entries(own), ...poolVariables(slots)]) {
    env.set(name, `${name}=${value}`);
  }
  return [...env.values()];
}
