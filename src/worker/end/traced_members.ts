import type { ProcessIdentity, RunToken } from "../../job/attempt.ts";
import type { SignalName } from "../../sys/processes/pidfd.ts";
import { bootTicks } from "../../sys/processes/boot_clock.ts";
import type { Census } from "./census.ts";
import type { Marks } from "./marks.ts";
import type { Member, Members } from "./member.ts";
import { lives, type Process, readProcess, readUids, signalProcess } from "./processes.ts";
import { unlessRefused } from "../unless_refused.ts";

/** The kinship by which we know the processes of a run that has no cgroup. */
export interface Kinship {
  run: RunToken;
  /** Whom they run as; `undefined`: nobody knows any more. */
  uid: number | undefined;
  /** The shell, of this boot: it began a session and a group of its own. */
  leader: ProcessIdentity | undefined;
  /** Whether the leader's number still is that of its group, and so can't have come to mean anything else. */
  hasGroup(): boolean;
}

/** The looks at processes of the host, for all runs together. */
export interface Lookout {
  census: Census;
  marks: Marks;
}

/** Remembered from one look to the next: a member stays one when its parent is gone. */
export class TracedMembers implements Members {
  isUncertain = false;
  readonly #kinship: Kinship;
  readonly #lookout: Lookout;
  #known = new Map<number, Process>();

  constructor(kinship: Kinship, lookout: Lookout) {
    this.#kinship = kinship;
    this.#lookout = lookout;
  }

  /** One look costs some 25 us for each process of the host, for all runs that look at the time. */
  async find(): Promise<Member[]> {
    const { run, uid, leader, hasGroup } = this.#kinship;
    const { census, marks } = this.#lookout;
    const processes = (await census.take()).filter(({ pid }) => pid !== Deno.pid);
    marks.keepOnly(processes);
    const wasMember = (process: Process) => this.#known.get(process.pid)?.startTicks === process.startTicks;
    const asked = candidatesOf(processes, leader).filter((one) => !wasMember(one));
    const { marked, isUncertain } = await findMarks(asked, uid, marks);
    const members = selectMembers(processes, {
      leader,
      hasGroup: hasGroup(),
      wasMember,
      hasMark: ({ pid }) => marked.get(pid) === run,
      lives,
    });
    this.#known = new Map(members.map((member) => [member.pid, member]));
    this.isUncertain = isUncertain;
    return members.map(memberOf);
  }

  areLeft(): boolean {
    return this.#known.values().some(lives);
  }

  still(members: readonly Member[]): Member[] {
    return members.flatMap((member) => {
      const now = unlessRefused(() => readProcess(member.pid) ?? "gone");
      if (now === undefined) return member;
      const isIt = now !== "gone" && now.startTicks === member.startedAt && !now.isZombie;
      return isIt ? memberOf(now) : [];
    });
  }

  now(): number {
    return bootTicks();
  }

  signal(members: readonly Member[], signal: SignalName): void {
    for (const { pid, startedAt } of members) signalProcess({ pid, startTicks: startedAt }, signal);
  }

  nameOf({ pid }: Member): string {
    return this.#known.get(pid)?.name ?? "";
  }
}

function memberOf({ pid, groupId, startTicks }: Process): Member {
  return { pid, groupId, key: `${pid} ${startTicks}`, startedAt: startTicks };
}

/**
 * @param uid Whose processes are looked at; `undefined`: everybody's. The environment of any other is left
 * alone.
 */
async function findMarks(
  processes: readonly Process[],
  uid: number | undefined,
  marks: Marks,
): Promise<{ marked: Map<number, RunToken | undefined>; isUncertain: boolean }> {
  const marked = new Map<number, RunToken | undefined>();
  let isUncertain = false;
  for (const [user, theirs] of Map.groupBy(processes, ({ pid }) => userOf(pid, uid))) {
    if (user === undefined) continue;
    const known = await marks.of(theirs, user);
    for (const [pid, mark] of known) marked.set(pid, mark);
    if (known.size < theirs.length) isUncertain = true;
  }
  return { marked, isUncertain };
}

/** Whose a process is: `wanted` if it is theirs in any way, nobody's otherwise, or if it is gone. */
function userOf(pid: number, wanted: number | undefined): number | undefined {
  const uids = readUids(pid);
  if (wanted === undefined) return uids?.effective;
  return uids?.real === wanted || uids?.effective === wanted ? wanted : undefined;
}

/** {@link selectMembers} asks this about the processes of a list, after the list was made. */
export interface Evidence {
  leader: ProcessIdentity | undefined;
  hasGroup: boolean;
  wasMember(process: Process): boolean;
  hasMark(process: Process): boolean;
  lives(process: Process): boolean;
}

/**
 * Picks the processes of a run that has no cgroup: those that carry its mark, those in the leader's group and
 * session, and what descends from any of them.
 *
 * That a number still means the process of the list is checked when it is signalled. What matters here is
 * that it meant the same when the list was made and when the evidence was asked for.
 */
export function selectMembers(processes: readonly Process[], evidence: Evidence): Process[] {
  const { leader, hasGroup, wasMember, hasMark, lives } = evidence;
  const candidates = candidatesOf(processes, leader);
  const isLeader = ({ pid, startTicks }: Process) => pid === leader?.pid && startTicks === leader.startTicks;
  const isUnderLeader = ({ groupId, sessionId }: Process) =>
    groupId === leader?.pid || sessionId === leader?.pid;
  const known = candidates.filter((one) => isLeader(one) || wasMember(one) || hasMark(one));
  const members = new Map(known.map((member) => [member.pid, member]));
  // The kernel gives the leader's number to no other process while its group or its session has a member.
  if (hasGroup || known.some(isUnderLeader)) {
    for (const member of candidates.filter(isUnderLeader)) members.set(member.pid, member);
  }
  addDescendants(candidates, members, lives);
  return [...members.values()];
}

/** Nothing of the run is older than its leader. It saves reading most environments. */
function candidatesOf(processes: readonly Process[], leader: ProcessIdentity | undefined): Process[] {
  return processes.filter(({ startTicks }) => startTicks >= (leader?.startTicks ?? 0));
}

/** A parent that lives still is the one that its child named when the list was made. */
function addDescendants(
  candidates: readonly Process[],
  members: Map<number, Process>,
  lives: Evidence["lives"],
) {
  const children = Map.groupBy(candidates, ({ parentPid }) => parentPid);
  const parents = [...members.values()];
  for (let parent = parents.pop(); parent; parent = parents.pop()) {
    const found = children.get(parent.pid)?.filter(({ pid }) => !members.has(pid)) ?? [];
    if (found.length === 0 || !lives(parent)) continue;
    for (const child of found) members.set(child.pid, child);
    parents.push(...found);
  }
}
