import type { RunToken } from "../job/attempt.ts";
import { type Limits, NO_LIMITS } from "../job/limits.ts";
import { ErrnoError } from "../sys/errno.ts";
import { exists } from "../sys/files/file.ts";
import { effectiveUid } from "../sys/processes/process.ts";
import { childState } from "../sys/processes/wait.ts";
import type { Account } from "./start/accounts.ts";
import { Capture } from "./output/capture.ts";
import { hasRunOutOfMemory } from "./cgroup/memory.ts";
import { setRunOf } from "./cgroup/run_mark.ts";
import type { Cgroups, GroupUser } from "./cgroup/cgroups.ts";
import { type Reach, Termination } from "./end/termination.ts";
import { limitReached } from "./limit_reached.ts";
import type { Member } from "./end/member.ts";
import { membersOf, type RunTraces } from "./end/members.ts";
import {
  type EndedMessage,
  type Exit,
  type FromWorker,
  KILLING_MS,
  type StartMessage,
  type Survivor,
} from "../run/messages.ts";
import { asNotStarted, type Host, NotStarted, Shell } from "./start/shell.ts";
import type { Obstacle } from "../run/shortage.ts";
import type { Lookout } from "./end/traced_members.ts";
import type { Vigils } from "./end/vigils.ts";
import { delay, Timer } from "../run/waiting.ts";
import { atMost } from "../sys/waiting/deadline.ts";

/** Between SIGTERM and SIGKILL, for a command that timed out. */
const TIMEOUT_GRACE_MS = 5_000;
/** How long the pipe may outlast the shell before anybody asks who holds it. */
const FIRST_LINGER_MS = 20;
const LINGER_MS = 250;
/** How long what was written may be on its way through a relay: a busy machine takes a while, and some never comes. */
const DRAIN_MS = 1_000;
const DRAIN_LOOK_MS = 1;
/** No kernel goes through all of its process numbers in this time. */
const NUMBER_REUSE_MS = 100;

/** What the runs of one worker share. */
export interface ExecutionHost extends Host {
  cgroups: Cgroups;
  lookout: Lookout;
  vigils: Vigils;
  /** The processes that were started for runs, and of which it is not known how they ended. */
  leaders: Set<number>;
  post(message: FromWorker, transfer?: ArrayBuffer[]): void;
}

/**
 * Starts a command and posts what becomes of it, or that it could not be started.
 * @param account Whom it runs as; `undefined`: the daemon's own user.
 * @returns In that case why.
 */
export function execute(
  start: StartMessage,
  account: Account | undefined,
  host: ExecutionHost,
): Execution | Obstacle {
  const { run } = start;
  try {
    const first = spawn(start, account, host);
    const { shell, cgroup } = first ?? spawn(start, account, host) ?? refuseGroups();
    const uid = start.runAs?.uid ?? effectiveUid();
    host.post({ kind: "started", run, leader: shell.leader, cgroup, uid });
    return new Execution(shell, { ...start, cgroup, uid }, host);
  } catch (error) {
    if (!(error instanceof NotStarted)) throw error;
    host.post(overBefore(run, error.obstacle));
    return error.obstacle;
  }
}

/** @returns `undefined` if somebody removed the group meanwhile. @throws {NotStarted} */
function spawn(start: StartMessage, account: Account | undefined, host: ExecutionHost) {
  const cgroup = takeGroup(host.cgroups, start);
  try {
    const shell = Shell.spawn(start, account, cgroup, host);
    if (shell.place === "inside" || cgroup === undefined) return { shell, cgroup };
    host.cgroups.release(cgroup, "once");
    return { shell, cgroup: undefined };
  } catch (error) {
    if (cgroup === undefined) throw error;
    const isGone = !exists(cgroup);
    host.cgroups.release(cgroup, start.limits.maxMemoryMb > 0 ? "once" : groupUserOf(start));
    if (isGone && error instanceof NotStarted) return undefined;
    throw error;
  }
}

function groupUserOf({ runAs }: StartMessage): GroupUser {
  return runAs === undefined ? "own" : "other";
}

function takeGroup(cgroups: Cgroups, start: StartMessage): string | undefined {
  const { run, limits } = start;
  try {
    const cgroup = cgroups.take(groupUserOf(start));
    if (cgroup !== undefined) setRunOf(cgroup, run);
    return cgroup;
  } catch (error) {
    throw asNotStarted(error, limits);
  }
}

/** Twice in a row somebody was faster. */
function refuseGroups(): never {
  throw asNotStarted(new ErrnoError("ENOENT", "open of a control group just made"), NO_LIMITS);
}

/** What is said of a run that has had no process. */
export function overBefore(run: RunToken, exit: EndedMessage["exit"]): EndedMessage {
  return { kind: "ended", run, exit, droppedBytes: 0, tail: new Uint8Array(), survivors: [] };
}

/** One execution of a job, from the spawn to the last of its processes. */
export class Execution {
  /** Resolves once `ended` is posted. */
  readonly over: Promise<void>;
  readonly #shell: Shell;
  readonly #reach: Reach;
  readonly #capture: Capture;
  readonly #terminating = Promise.withResolvers<void>();
  #termination: Termination | undefined;
  #hasTimedOut = false;
  #shellEndedAt = Infinity;

  constructor(shell: Shell, start: StartMessage & Pick<RunTraces, "cgroup" | "uid">, host: ExecutionHost) {
    const { run, uid, cgroup, maxLogBytes } = start;
    const { leader, pidfd } = shell;
    this.#shell = shell;
    host.leaders.add(leader.pid);
    shell.exit.then(() => {
      host.leaders.delete(leader.pid);
      this.#shellEndedAt = performance.now();
    });
    this.#capture = new Capture(
      shell.pipe,
      maxLogBytes,
      (bytes) => host.post({ kind: "output", run, bytes }, [bytes.buffer]),
      host.reactor,
    );
    this.#reach = {
      members: membersOf({
        run,
        uid,
        leader,
        hasGroup: () => pidfd?.hasGroup() ?? performance.now() < this.#shellEndedAt + NUMBER_REUSE_MS,
        cgroup,
        child: () => this.#isShellLiving() ? leader.pid : undefined,
      }, host.lookout),
      group: pidfd && { id: leader.pid, leader: pidfd },
      cgroup,
    };
    this.over = this.#attend(start).then((ended) => {
      // Into a group whose processes were killed at once no other can be cloned: the kernel kills it as one of them.
      const use = this.#termination || start.limits.maxMemoryMb > 0 ? "once" : groupUserOf(start);
      const isGone = cgroup !== undefined && host.cgroups.release(cgroup, use);
      const { confinement } = shell;
      if (confinement) host.sandbox?.leave(confinement, isGone ? "nothing" : "perhaps something");
      host.post({ kind: "ended", run, ...ended }, [ended.tail.buffer]);
      if (ended.survivors.length === 0) shell[Symbol.dispose]();
      else this.#watchLeft(run, host);
    });
  }

  /**
   * Ends all of it: SIGTERM, and SIGKILL after `graceMs`, which has `killingMs`; less of either, if that was
   * said before.
   */
  end(graceMs: number, killingMs: number): void {
    this.#termination?.hurry(graceMs, killingMs);
    this.#termination ??= new Termination(this.#reach, graceMs, killingMs);
    this.#terminating.resolve();
  }

  async #watchLeft(run: RunToken, { vigils, cgroups, post }: ExecutionHost) {
    await vigils.untilGone(this.#reach);
    this.#shell[Symbol.dispose]();
    if (this.#reach.cgroup !== undefined) cgroups.release(this.#reach.cgroup, "once");
    post({ kind: "gone", run });
  }

  taken(bytes: number): void {
    this.#capture.taken(bytes);
  }

  async #attend({ timeoutMs, limits }: StartMessage) {
    const timeout = timeoutMs === 0 ? undefined : new Timer(timeoutMs, () => this.#timeOut());
    await Promise.race([this.#normalEnd(), this.#terminating.promise]);
    timeout?.[Symbol.dispose]();
    const survivors = await this.#termination?.run() ?? [];
    await this.#drain();
    const { droppedBytes, tail } = this.#capture.finish();
    return { exit: await this.#exit(survivors, limits), droppedBytes, tail, survivors };
  }

  /** Waits until what was written by now has come from the relay, or does not come. */
  async #drain() {
    const { relay } = this.#shell;
    if (!relay) return;
    const deadline = performance.now() + DRAIN_MS;
    while (!this.#capture.hasEnded && performance.now() < deadline) {
      const isIdle = relay.isIdle(); // What it had written by then is read now.
      if (!this.#capture.readLeft() && isIdle) break;
      await delay(DRAIN_LOOK_MS);
    }
    relay.stop();
  }

  #timeOut() {
    this.#hasTimedOut = true;
    this.end(TIMEOUT_GRACE_MS, KILLING_MS);
  }

  async #exit(survivors: Survivor[], limits: Limits): Promise<Exit> {
    if (this.#hasTimedOut) return { kind: "timed-out" };
    const isShellLeft = survivors.some(({ pid }) => pid === this.#shell.leader.pid);
    if (isShellLeft) return { kind: "signaled", signal: "SIGKILL" };
    const { cgroup } = this.#reach;
    const exit = await this.#shell.exit;
    const { obstacle } = this.#shell;
    if (obstacle) return obstacle;
    const isOutOfMemory = limits.maxMemoryMb > 0 && cgroup !== undefined && hasRunOutOfMemory(cgroup);
    const limit = limitReached(exit, limits, isOutOfMemory);
    return limit ? { ...exit, limit } : exit;
  }

  /** Resolves once the shell has ended, and its pipe or its group as well. */
  async #normalEnd() {
    await this.#shell.exit;
    this.#capture.read();
    if (!this.#capture.hasEnded) await atMost(FIRST_LINGER_MS, this.#capture.ended);
    if (this.#capture.hasEnded) return;
    let isOver = false;
    const over = Promise.race([this.#capture.ended, this.#terminating.promise]).then(() => {
      isOver = true;
    });
    for (let group: Member[] = []; !isOver; await atMost(LINGER_MS, over)) {
      group = this.#inGroup(this.#reach.members.still(group));
      if (group.length === 0) group = await this.#findGroup();
      if (group.length === 0) return;
    }
  }

  /** Asked by number, which means the shell until somebody has asked how it ended. */
  #isShellLiving(): boolean {
    return this.#shellEndedAt === Infinity && childState(this.#shell.leader.pid) === "lives";
  }

  async #findGroup(): Promise<Member[]> {
    if (this.#shell.pidfd?.hasGroup() === false) return [];
    return this.#inGroup(await this.#reach.members.find());
  }

  #inGroup(members: readonly Member[]): Member[] {
    return members.filter(({ groupId }) => groupId === this.#shell.leader.pid);
  }
}
