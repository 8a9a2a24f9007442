import { ErrnoError } from "../../sys/errno.ts";
import type { Pidfd, SignalName } from "../../sys/processes/pidfd.ts";
import { killCgroup } from "../cgroup/cgroup.ts";
import type { Member, Members } from "./member.ts";
import type { Survivor } from "../../job/log_text.ts";
import { delay } from "../../run/waiting.ts";
import { atMost } from "../../sys/waiting/deadline.ts";

/** Between two looks whether all is gone: doubled from one to the other. */
const FIRST_LOOK_MS = 1;
const LAST_LOOK_MS = 64;
/**
 * Between two looks for processes that a signal has missed; the first comes soon, for what was just being
 * forked.
 */
const FIRST_FIND_MS = 20;
const FIND_MS = 500;
/**
 * The same once SIGKILL was sent: to all of a cgroup at once, or to what was stopped before, there is little
 * to miss.
 */
const KILLED_FIND_MS = 50;
/** Between two looks at what SIGKILL did not end. */
const SURVIVORS_LOOK_MS = 500;
/** Looks that only stop what forks faster than it is found, before the first SIGKILL; and their time. */
const STOPPING_LOOKS = 16;
const STOPPING_MS = 500;

/** The processes of a run, and what reaches many of them at once. */
export interface ProcessSet {
  members: Members;
  /** The leader's group. */
  group: { id: number; leader: Pidfd } | undefined;
  cgroup: string | undefined;
}

/** Ends all of a run: SIGTERM, and at a time that can be moved forward SIGKILL. */
export class Termination {
  readonly #set: ProcessSet;
  #killAt = Infinity;
  #killingMs = Infinity;
  #hurried = Promise.withResolvers<void>();

  constructor(set: ProcessSet, graceMs: number, killingMs: number) {
    this.#set = set;
    this.hurry(graceMs, killingMs);
  }

  /** SIGKILL comes after `graceMs` from now, and has `killingMs`; less of either, if that was said before. */
  hurry(graceMs: number, killingMs: number): void {
    this.#killingMs = Math.min(this.#killingMs, killingMs);
    this.#killAt = Math.min(this.#killAt, performance.now() + graceMs);
    this.#hurried.resolve();
  }

  /** @returns What SIGKILL did not end. */
  async run(): Promise<Survivor[]> {
    if (this.#killAt > performance.now() && await this.#endGently()) return [];
    return await killAll(this.#set, () => this.#killingMs);
  }

  /** @returns Whether all is gone before the time for SIGKILL. */
  async #endGently(): Promise<boolean> {
    const { members, group } = this.#set;
    const signalled = new Map<string, Member>();
    const sentAt = members.now();
    const found = addTo(signalled, await members.find(), group?.id);
    signalAll(this.#set, found, "SIGTERM");
    signalAll(this.#set, found, "SIGCONT"); // What is stopped acts on SIGTERM once it continues.
    let nextFindAt = performance.now() + FIRST_FIND_MS;
    for (let look = FIRST_LOOK_MS;; look = Math.min(look * 2, LAST_LOOK_MS)) {
      if (!members.areLeft() || performance.now() >= nextFindAt) {
        const found = await members.find();
        if (found.length === 0 && !members.isUncertain) return true;
        // What was just being forked, or was leaving the group, when the signal was sent has not had it. What
        // was started since is left alone: it may be what a trap runs to clean up.
        const early = found.filter(({ startedAt }) => startedAt < sentAt);
        const missed = addTo(signalled, early, group?.id);
        members.signal(missed, "SIGTERM");
        members.signal(missed, "SIGCONT");
        nextFindAt = performance.now() + FIND_MS;
      }
      const leftMs = this.#killAt - performance.now();
      if (leftMs <= 0) return false;
      this.#hurried = Promise.withResolvers();
      await atMost(Math.min(look, leftMs), this.#hurried.promise);
    }
  }
}

/**
 * Adds to those that were signalled.
 * @param signalled By key, as each was when it was signalled.
 * @param doneId The group that is signalled in one step, whoever has left it by then.
 * @returns Those that were not among them.
 */
function addTo(
  signalled: Map<string, Member>,
  found: readonly Member[],
  doneId: number | undefined,
): Member[] {
  const missed = found.filter(({ key, groupId }) => {
    const before = signalled.get(key);
    return !before || before.groupId === doneId && groupId !== doneId;
  });
  for (const member of missed) signalled.set(member.key, member);
  return missed;
}

/**
 * Ends all of a run with SIGKILL, and waits until it is gone.
 * @param killingMs How long it waits; asked again and again, as that may become less.
 * @returns What is not gone by then.
 */
export async function killAll(set: ProcessSet, killingMs: () => number): Promise<Survivor[]> {
  const { members, cgroup } = set;
  const isKilled = cgroup !== undefined && killCgroup(cgroup);
  if (!isKilled) signalAll(set, await stopAll(members), "SIGKILL");
  const killedAt = performance.now();
  let nextFindAt = isKilled ? killedAt + KILLED_FIND_MS : 0;
  for (let look = FIRST_LOOK_MS;; look = Math.min(look * 2, LAST_LOOK_MS)) {
    const isLate = performance.now() >= killedAt + killingMs();
    if (isLate || !members.areLeft() || performance.now() >= nextFindAt) {
      const found = await members.find();
      if (found.length === 0 && !members.isUncertain) return [];
      if (isLate) return found.map((member) => ({ pid: member.pid, name: members.nameOf(member) }));
      if (cgroup !== undefined) killCgroup(cgroup);
      signalAll(set, found, "SIGKILL");
      nextFindAt = performance.now() + KILLED_FIND_MS;
    }
    await delay(look);
  }
}

/**
 * What is stopped does not fork: once nothing new is found, SIGKILL leaves no child behind.
 * @returns What was found.
 */
async function stopAll(members: Members): Promise<Member[]> {
  const stopped = new Map<string, Member>();
  const deadline = performance.now() + STOPPING_MS;
  for (let look = 0; look < STOPPING_LOOKS && performance.now() < deadline; look++) {
    const fresh = (await members.find()).filter(({ key }) => !stopped.has(key));
    if (fresh.length === 0) break;
    members.signal(fresh, "SIGSTOP");
    for (const member of fresh) stopped.set(member.key, member);
  }
  return [...stopped.values()];
}

/**
 * Waits for what SIGKILL did not end: until a file system answers, or a program with other rights has done
 * its work. It is looked for, and not held, as there may be many: descriptors are for what runs.
 */
export async function untilGone(set: ProcessSet): Promise<void> {
  for (let left; (left = await set.members.find()).length > 0;) {
    signalAll(set, left, "SIGKILL");
    do await delay(SURVIVORS_LOOK_MS); while (set.members.areLeft());
  }
}

/**
 * The group in one step, so that no fork slips through, and what is not in it one by one. Nothing gets it
 * twice.
 */
function signalAll({ group, members }: ProcessSet, found: readonly Member[], signal: SignalName) {
  const doneId = group && signalGroup(group.leader, signal) ? group.id : undefined;
  // The leader may have been seen before it began its group, which it never leaves.
  const isDone = ({ pid, groupId }: Member) => doneId !== undefined && (groupId === doneId || pid === doneId);
  members.signal(found.filter((member) => !isDone(member)), signal);
}

/** @returns Whether that was possible: not for a group that is gone, nor before Linux 6.9. */
export function signalGroup(leader: Pidfd, signal: SignalName): boolean {
  try {
    leader.signalGroup(signal);
    return true;
  } catch (error) {
    if (error instanceof ErrnoError) return false;
    throw error;
  }
}
