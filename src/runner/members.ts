import type { ProcessIdentity, RunToken } from "./messages.ts";
import { listProcesses, lives, type Process, readEnvironment } from "./processes.ts";

/** By what the processes of a run are known. */
export interface Traces {
  run: RunToken;
  /** The shell, of this boot: it began a session and a group of its own. */
  leader: ProcessIdentity | undefined;
  /** Whether the leader's number still is that of its group, and so can't have come to mean anything else. */
  hasGroup(): boolean;
  /** The processes in the run's cgroup. */
  cgroupPids(): number[];
}

/** What {@link selectMembers} asks about the processes of a list, after the list was made. */
export interface Evidence {
  leader: ProcessIdentity | undefined;
  hasGroup: boolean;
  cgroupPids: ReadonlySet<number>;
  wasMember(process: Process): boolean;
  hasMark(process: Process): boolean;
  lives(process: Process): boolean;
}

/** The processes of a run, remembered from one look to the next: a member stays one when its parent is gone. */
export class Members {
  readonly #traces: Traces;
  #known = new Map<number, Process>();

  constructor(traces: Traces) {
    this.#traces = traces;
  }

  /** Those that live now. One look costs some 25 us for each process of the host. */
  find(): Process[] {
    const { run, leader, hasGroup, cgroupPids } = this.#traces;
    const processes = listProcesses().filter(({ pid }) => pid !== Deno.pid);
    const members = selectMembers(processes, {
      leader,
      hasGroup: hasGroup(),
      cgroupPids: new Set(cgroupPids()),
      wasMember: ({ pid, startTicks }) => this.#known.get(pid)?.startTicks === startTicks,
      hasMark: ({ pid }) => hasMark(pid, run),
      lives,
    });
    this.#known = new Map(members.map((member) => [member.pid, member]));
    return members;
  }

  /** Those of the last look that live still: much less work, but blind to new ones. */
  remaining(): Process[] {
    return [...this.#known.values()].filter(lives);
  }
}

/**
 * Picks a run's processes: those in its cgroup, those that carry its mark, those in the leader's group and session, and
 * what descends from any of them.
 *
 * That a number still means the process of the list is checked when it is signalled. What matters here is that it meant
 * the same when the list was made and when the evidence was asked for.
 */
export function selectMembers(processes: readonly Process[], evidence: Evidence): Process[] {
  const { leader } = evidence;
  // Nothing of the run is older than its leader. It saves reading most environments.
  const candidates = processes.filter(({ startTicks }) => startTicks >= (leader?.startTicks ?? 0));
  const members = new Map<number, Process>();
  const add = (process: Process) => members.set(process.pid, process);
  candidates.filter((process) => isKnownItself(process, evidence)).forEach(add);
  if (leader && isLeadersNumber(leader, members, evidence)) {
    candidates.filter((process) => isUnder(leader, process)).forEach(add);
  }
  addDescendants(candidates, members, evidence);
  return [...members.values()];
}

function isKnownItself(process: Process, { leader, cgroupPids, wasMember, hasMark }: Evidence): boolean {
  const isLeader = process.pid === leader?.pid && process.startTicks === leader.startTicks;
  return isLeader || wasMember(process) || cgroupPids.has(process.pid) || hasMark(process);
}

/** The kernel gives the leader's number to no other process while its group or its session has a member. */
function isLeadersNumber(
  leader: ProcessIdentity,
  members: Map<number, Process>,
  { hasGroup }: Evidence,
): boolean {
  return hasGroup || members.values().some((member) => isUnder(leader, member));
}

function isUnder({ pid }: ProcessIdentity, { groupId, sessionId }: Process): boolean {
  return groupId === pid || sessionId === pid;
}

/** A parent that lives still is the one that its child named when the list was made. */
function addDescendants(candidates: readonly Process[], members: Map<number, Process>, { lives }: Evidence) {
  const children = Map.groupBy(candidates, ({ parentPid }) => parentPid);
  const parents = [...members.values()];
  for (let parent = parents.pop(); parent; parent = parents.pop()) {
    const found = children.get(parent.pid)?.filter(({ pid }) => !members.has(pid)) ?? [];
    if (found.length === 0 || !lives(parent)) continue;
    for (const child of found) members.set(child.pid, child);
    parents.push(...found);
  }
}

/** Whether a process began with the environment of a run. */
export function hasMark(pid: number, run: RunToken): boolean {
  return `\0${readEnvironment(pid)}`.includes(`\0FILED_RUN=${run}\0`);
}
