import type { Limits } from "../queue/limits.ts";
import { ErrnoError } from "../sys/errno.ts";
import { close, openReadOnly, pipe } from "../sys/file.ts";
import { strerror } from "../sys/libc.ts";
import type { Pidfd } from "../sys/pidfd.ts";
import type { Started } from "../sys/started.ts";
import { resourceLimit } from "../sys/rlimit.ts";
import { waitIfEnded, type WaitStatus } from "../sys/wait.ts";
import type { Account, Accounts } from "./accounts.ts";
import type { CgroupMemory } from "./cgroup_memory.ts";
import { wrap, type Wrapping } from "./command_line.ts";
import type { ProcessIdentity, StartMessage } from "./messages.ts";
import { niceSession } from "./niceness.ts";
import { holdProcess, readProcess } from "./processes.ts";
import type { Reactor } from "./reactor.ts";
import { Rlimits } from "./rlimits.ts";
import { RuleError } from "./sandbox/paths.ts";
import type { Confinement, Sandbox } from "./sandbox/sandbox.ts";
import { type Place, start as startProgram } from "./start.ts";

/** Between two looks whether a process has ended that can't be held. */
const LOOK_MS = 20;

/** A command could not be started; the message is for its log. */
export class NotStarted extends Error {
  override readonly name = "NotStarted";
}

/** Where a shell is started. */
export interface Host {
  accounts: Accounts;
  bootId: string;
  cgroupMemory: CgroupMemory;
  /** What each job's environment begins with: `NAME=value`, by its name. */
  environment: ReadonlyMap<string, Uint8Array>;
  reactor: Reactor;
  /** `undefined`: jobs may do whatever their user may. */
  sandbox: Sandbox | undefined;
}

/** The process that runs a command, in a session and a group of its own, which it leads. */
export class Shell implements Disposable {
  readonly leader: ProcessIdentity;
  /** The reading end of its standard output and error, non-blocking; whoever reads it closes it. */
  readonly pipe: number;
  readonly exit: Promise<WaitStatus>;
  readonly pidfd: Pidfd | undefined;
  /** What its processes are confined to. */
  readonly confinement: Confinement | undefined;

  readonly #failure: Started["failure"];

  private constructor(
    { pid, failure, confinement }: Spawned,
    pipe: number,
    { nice }: Limits,
    { bootId, reactor }: Host,
  ) {
    // It can't have been waited for since the spawn, so even if it has ended, this is it.
    const process = readProcess(pid);
    if (!process) throw new Error(`Cannot read /proc/${pid}/stat of a process just started`);
    this.leader = { pid, startTicks: process.startTicks, bootId };
    this.pidfd = holdProcess(pid);
    this.pipe = pipe;
    this.confinement = confinement;
    this.#failure = failure;
    this.exit = this.pidfd ? untilEnd(pid, this.pidfd, reactor) : untilSeenToEnd(pid);
    if (nice > 0) niceSession(pid, nice, this.exit);
  }

  /** @throws {NotStarted} */
  static spawn(start: StartMessage, cgroup: string | undefined, host: Host): Shell {
    if (start.command.includes(0)) throw new NotStarted("the command contains a NUL byte");
    try {
      return Shell.#spawn(start, cgroup, host);
    } catch (error) {
      throw asNotStarted(error);
    }
  }

  static #spawn(start: StartMessage, cgroup: string | undefined, host: Host): Shell {
    const { reader, writer } = pipe();
    try {
      return new Shell(spawnShell(start, cgroup, writer, host), reader, start.limits, host);
    } catch (error) {
      close(reader);
      throw error;
    } finally {
      close(writer);
    }
  }

  /** Why the command was not executed; to be asked once the process has ended. */
  get problem(): string | undefined {
    const error = this.#failure();
    return error && reasonOf(error);
  }

  /** It may outlive this, where SIGKILL does not end it: then it is waited for all the same. */
  [Symbol.dispose](): void {
    this.exit.then(() => this.pidfd?.[Symbol.dispose]());
  }
}

const NULL_DEVICE = openReadOnly("/dev/null");

interface Spawned extends Started {
  confinement: Confinement | undefined;
}

function spawnShell(start: StartMessage, cgroup: string | undefined, output: number, host: Host): Spawned {
  const account = start.runAs && host.accounts.of(start.runAs);
  const confinement = host.sandbox?.enter(account?.credentials);
  try {
    return { ...spawnConfined(start, { account, cgroup, confinement, output }, host), confinement };
  } catch (error) {
    if (confinement) host.sandbox?.leave(confinement, "nothing");
    throw error;
  }
}

interface Surroundings {
  account: Account | undefined;
  cgroup: string | undefined;
  confinement: Confinement | undefined;
  output: number;
}

function spawnConfined(start: StartMessage, surroundings: Surroundings, host: Host): Started {
  const { account, cgroup, confinement, output } = surroundings;
  const { command, limits } = start;
  const env = environmentOf(start, surroundings, host);
  const { rlimits, rlimitsOutside } = rlimitsOf(limits, cgroup, host);
  const line = (place: Place) =>
    wrap({
      command,
      credentials: account?.credentials,
      joinsCgroup: place === "to join",
      rlimits,
      rlimitsOutside: place === "inside" ? [] : rlimitsOutside,
    });
  return startProgram(cgroup, line, {
    env,
    cwd: account?.cwd,
    fds: [NULL_DEVICE, output, output],
    restriction: confinement?.restriction,
    nice: limits.nice,
    memory: limits.maxMemoryMb > 0 ? "limited" : undefined,
  });
}

/** Where the cgroup counts memory, only a job that can't get into it is limited in its own. */
function rlimitsOf(
  limits: Limits,
  cgroup: string | undefined,
  { cgroupMemory }: Host,
): Pick<Wrapping, "rlimits" | "rlimitsOutside"> {
  const rlimits = new Rlimits(limits, resourceLimit);
  const { maxMemoryMb } = limits;
  return cgroup !== undefined && maxMemoryMb > 0 && cgroupMemory.limit(cgroup, maxMemoryMb)
    ? { rlimits: rlimits.others(), rlimitsOutside: rlimits.memory() }
    : { rlimits: [...rlimits.memory(), ...rlimits.others()], rlimitsOutside: [] };
}

function environmentOf(
  { run, jobId, attempt }: StartMessage,
  { account, confinement }: Surroundings,
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

async function untilEnd(pid: number, pidfd: Pidfd, reactor: Reactor): Promise<WaitStatus> {
  const ended = Promise.withResolvers<void>();
  const watch = reactor.watch(pidfd.fd, () => {
    watch[Symbol.dispose]();
    ended.resolve();
  });
  await ended.promise;
  return waitIfEnded(pid) ?? await untilSeenToEnd(pid);
}

async function untilSeenToEnd(pid: number): Promise<WaitStatus> {
  for (;;) {
    const exit = waitIfEnded(pid);
    if (exit) return exit;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

function asNotStarted(error: unknown): unknown {
  if (error instanceof ErrnoError) return new NotStarted(reasonOf(error), { cause: error });
  return error instanceof RuleError ? new NotStarted(error.message, { cause: error }) : error;
}

/** `Argument list too long`, as the end of a sentence. */
function reasonOf({ errno }: ErrnoError): string {
  const reason = strerror(errno);
  return reason.slice(0, 1).toLowerCase() + reason.slice(1);
}
