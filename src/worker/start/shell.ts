import type { ProcessIdentity } from "../../job/attempt.ts";
import type { Limits } from "../../job/limits.ts";
import { ErrnoError } from "../../sys/errno.ts";
import { changeOwner, close, openReadOnly, pipe } from "../../sys/files/file.ts";
import type { Pidfd } from "../../sys/processes/pidfd.ts";
import { requireHeadroom, requireReserve } from "../../sys/files/reserve.ts";
import type { SpawnSpec, Started } from "../../sys/spawn/mod.ts";
import type { Rlimit } from "../../sys/processes/rlimit.ts";
import type { WaitStatus } from "../../sys/processes/wait.ts";
import type { Account, Accounts } from "./accounts.ts";
import type { CgroupMemory } from "../cgroup/memory.ts";
import { untilEnd } from "../end/child_end.ts";
import { commandLine } from "./command_line.ts";
import type { StartMessage } from "../../run/messages.ts";
import { niceSession } from "./niceness.ts";
import { unprotect } from "./oom_score.ts";
import { holdProcess, readProcess } from "../end/processes.ts";
import type { Reactor } from "../reactor.ts";
import { Relay } from "../output/relay.ts";
import { type Inherited, Rlimits } from "./rlimits.ts";
import { RuleError } from "../sandbox/paths.ts";
import type { Confinement } from "../sandbox/confinement.ts";
import type { Sandbox } from "../sandbox/sandbox.ts";
import { type Obstacle, obstacleOf } from "../../run/shortage.ts";
import { type Place, start as startProgram } from "./start.ts";

/** A command could not be started; there is no process. */
export class NotStarted extends Error {
  override readonly name = "NotStarted";

  constructor(readonly obstacle: Obstacle, options?: ErrorOptions) {
    super("not started", options);
  }
}

/** Where a shell is started. */
export interface Host {
  accounts: Accounts;
  bootId: string;
  cgroupMemory: CgroupMemory;
  /** What each job's environment begins with: `NAME=value`, by its name. */
  environment: ReadonlyMap<string, Uint8Array>;
  /** What limits jobs begin with. */
  inherited: Inherited;
  reactor: Reactor;
  /** `undefined`: jobs may do whatever their user may. */
  sandbox: Sandbox | undefined;
}

/** The process that runs a command, in a session and a group of its own, which it leads. */
export class Shell implements Disposable {
  readonly leader: ProcessIdentity;
  /** The reading end of its standard output and error, non-blocking; whoever reads it closes it. */
  readonly pipe: number;
  /** What reads another user's output for us. */
  readonly relay: Relay | undefined;
  readonly exit: Promise<WaitStatus>;
  readonly pidfd: Pidfd | undefined;
  /** Whether it has been in its cgroup from the start, and so all that it starts. */
  readonly place: Place;
  /** What its processes are confined to. */
  readonly confinement: Confinement | undefined;

  readonly #failure: Started["failure"];
  readonly #maxMemoryMb: number;

  private constructor(
    spawned: Spawned,
    { reader, relay }: Output,
    { nice, maxMemoryMb }: Limits,
    { bootId, reactor }: Host,
  ) {
    const { pid, failure, place, confinement } = spawned;
    this.leader = { pid, startTicks: startTicksOf(pid), bootId };
    this.pidfd = holdProcess(pid);
    this.pipe = reader;
    this.relay = relay;
    this.place = place;
    this.confinement = confinement;
    this.#failure = failure;
    this.#maxMemoryMb = maxMemoryMb;
    this.exit = untilEnd(pid, this.pidfd, reactor);
    if (nice > 0) niceSession(pid, nice, this.exit);
    unprotect(spawned, this.exit);
  }

  /** @param account Whom it runs as; `undefined`: the daemon's own user. @throws {NotStarted} */
  static spawn(
    start: StartMessage,
    account: Account | undefined,
    cgroup: string | undefined,
    host: Host,
  ): Shell {
    if (start.command.includes(0)) {
      throw new NotStarted({ kind: "not-started", reason: "the command contains a NUL byte", isFinal: true });
    }
    try {
      return Shell.#spawn(start, account, cgroup, host);
    } catch (error) {
      throw asNotStarted(error, start.limits);
    }
  }

  static #spawn(
    start: StartMessage,
    account: Account | undefined,
    cgroup: string | undefined,
    host: Host,
  ): Shell {
    requireReserve(); // So that what comes after the spawn can't fail for want of a descriptor.
    const output = account && Relay.isThere ? relayedOutput(host) : plainOutput();
    try {
      // By the name /dev/stderr it can be opened by its owner only.
      if (account) changeOwner(output.writer, account.credentials.uid, account.credentials.gid);
      const spawned = spawnShell(start, { account, cgroup, output: output.writer }, host);
      return new Shell(spawned, output, start.limits, host);
    } catch (error) {
      close(output.reader);
      output.relay?.stop();
      throw error;
    } finally {
      close(output.writer);
    }
  }

  /** Why the command was not executed; to be asked once the process has ended. */
  get obstacle(): Obstacle | undefined {
    const error = this.#failure();
    return error && obstacleOf(error, { in: "child", maxMemoryMb: this.#maxMemoryMb });
  }

  /** It may outlive this, where SIGKILL does not end it: then it is waited for all the same. */
  [Symbol.dispose](): void {
    this.exit.then(() => {
      this.#failure(); // Then nothing is kept for it.
      this.pidfd?.[Symbol.dispose]();
    });
  }
}

/** Where a job's output goes, and where it comes from. */
interface Output {
  reader: number;
  writer: number;
  relay: Relay | undefined;
}

function plainOutput(): Output {
  const ends = pipe();
  try {
    requireHeadroom(Math.max(ends.reader, ends.writer), "pipe2");
  } catch (error) {
    close(ends.reader);
    close(ends.writer);
    throw error;
  }
  return { ...ends, relay: undefined };
}

function relayedOutput({ reactor }: Host): Output {
  const relay = new Relay(reactor);
  return { reader: relay.reader, writer: relay.writer, relay };
}

/** Of a child that was not waited for since the spawn: so even if it has ended, the number means it. */
function startTicksOf(pid: number): number {
  try {
    const process = readProcess(pid);
    if (process) return process.startTicks;
  } catch (cause) {
    // No refusal of the start: the process is there. The next daemon ends it.
    throw new Error(`Cannot read /proc/${pid}/stat of a process just started`, { cause });
  }
  throw new Error(`Cannot find /proc/${pid}/stat of a process just started`);
}

const NULL_DEVICE = openReadOnly("/dev/null");

interface Spawned extends Started {
  place: Place;
  confinement: Confinement | undefined;
}

interface Surroundings {
  account: Account | undefined;
  cgroup: string | undefined;
  output: number;
}

function spawnShell(start: StartMessage, surroundings: Surroundings, host: Host): Spawned {
  const confinement = host.sandbox?.enter(surroundings.account?.credentials);
  try {
    return { ...spawnConfined(start, { ...surroundings, confinement }, host), confinement };
  } catch (error) {
    if (confinement) host.sandbox?.leave(confinement, "nothing");
    throw error;
  }
}

type Confined = Surroundings & { confinement: Confinement | undefined };

function spawnConfined(start: StartMessage, confined: Confined, host: Host): Started & { place: Place } {
  const { account, cgroup, confinement, output } = confined;
  const { command, limits } = start;
  const common = {
    env: environmentOf(start, confined, host),
    fds: [NULL_DEVICE, output, output],
    restriction: confinement?.restriction,
    nice: limits.nice,
    credentials: account?.credentials,
  };
  const memory = cgroup !== undefined && limits.maxMemoryMb > 0 ? "limited" : undefined;
  const { inside, outside } = rlimitsOf(limits, cgroup, host);
  return startProgram(cgroup, (place): SpawnSpec => ({
    ...common,
    ...commandLine(command),
    cwd: account ? account.cwd : ownDirectories(host.environment),
    rlimits: place === "inside" ? inside : outside,
    memory,
  }));
}

/** Where jobs of filed's own user begin: where it was started, by its name; where that is gone, at home. */
function ownDirectories(environment: Host["environment"]): string[] {
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
function rlimitsOf(
  limits: Limits,
  cgroup: string | undefined,
  { cgroupMemory, inherited }: Host,
): Record<Place, Rlimit[]> {
  const rlimits = new Rlimits(limits, inherited);
  const outside = [...rlimits.memory(), ...rlimits.others()];
  const { maxMemoryMb } = limits;
  const isCounted = cgroup !== undefined && maxMemoryMb > 0 && cgroupMemory.limit(cgroup, maxMemoryMb);
  return { inside: isCounted ? rlimits.others() : outside, outside };
}

function environmentOf(
  { run, jobId, attempt }: StartMessage,
  { account, confinement }: Confined,
  host: Host,
): (string | Uint8Array)[] {
  const env = new Map<string, string | Uint8Array>(host.environment);
  const own = {
    ...account?.env,
    ...confinement?.env,
    FILED_JOB_ID: jobId,
    FILED_ATTEMPT: String(attempt),
    FILED_RUN: run,
  };
  for (const [name, value] of Object.entries(own)) env.set(name, `${name}=${value}`);
  return [...env.values()];
}

/** What a failure before the spawn means, if it is one that is expected. */
export function asNotStarted(error: unknown, { maxMemoryMb }: Limits): unknown {
  const cause = error instanceof RuleError ? error.cause : error;
  const obstacle = cause instanceof ErrnoError ? obstacleOf(cause, { in: "filed", maxMemoryMb }) : undefined;
  if (!(error instanceof RuleError)) return obstacle ? new NotStarted(obstacle, { cause: error }) : error;
  const isShortage = obstacle?.kind === "put-off";
  const rule: Obstacle = { kind: "not-started", reason: error.message, isFinal: false };
  return new NotStarted(isShortage ? obstacle : rule, { cause: error });
}
