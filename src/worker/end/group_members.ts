import { must } from "../../must.ts";
import type { Pidfd, SignalName } from "../../sys/processes/pidfd.ts";
import { processGroup } from "../../sys/processes/process.ts";
import { isReserveWhole } from "../../sys/files/reserve.ts";
import { untilSeen } from "./census.ts";
import { cgroupPids } from "../cgroup/cgroup.ts";
import { readLastPid } from "./last_pid.ts";
import type { Member, Members } from "./member.ts";
import { holdProcess, kill, readName } from "./processes.ts";
import { unlessRefused } from "../unless_refused.ts";

/** Processes that are held at a time while they are signalled: one look at the cgroup is for all of them. */
const HELD = 64;

/**
 * What is in a run's cgroup and below it. What else the host has costs nothing. The shell that we wait for is
 * of the run wherever it was moved: the run is not over before it has ended.
 *
 * Nothing here reads /proc/PID/stat or status. Who does holds the process's memory for that time. If the
 * process ends meanwhile, the reader takes its memory down, and waits for the file systems whose files were
 * mapped: for a server that the job's user may have written.
 */
export class GroupMembers implements Members {
  readonly isUncertain = false;
  readonly #cgroup: string;
  readonly #child: () => number | undefined;

  /**
   * @param cgroup An absolute path.
   * @param child The shell's number, if it is a child of ours and lives.
   */
  constructor(cgroup: string, child: () => number | undefined) {
    this.#cgroup = cgroup;
    this.#child = child;
  }

  find(): Promise<Member[]> {
    return untilSeen(() => [...this.#pids()].flatMap((pid) => memberOf(pid) ?? []));
  }

  areLeft(): boolean {
    return unlessRefused(() => this.#pids().size > 0) ?? true;
  }

  still(members: readonly Member[]): Member[] {
    const pids = unlessRefused(() => this.#pids());
    if (!pids) return [...members];
    return members.flatMap(({ pid }) => pids.has(pid) ? memberOf(pid) ?? [] : []);
  }

  /** A process is started after another if it has the higher number: see `memberOf`. */
  now(): number {
    return readLastPid() + 1;
  }

  signal(members: readonly Member[], signal: SignalName): void {
    const left = members.map(({ pid }) => pid);
    while (left.length > 0) {
      using held = new DisposableStack();
      const pidfds = new Map<number, Pidfd | undefined>();
      do { // As long as what is kept for other looks is untouched.
        const pid = must(left.pop(), "there is one left");
        pidfds.set(pid, held.use(holdProcess(pid)));
      } while (left.length > 0 && pidfds.size < HELD && isReserveWhole());
      const pids = unlessRefused(() => this.#pids());
      for (const [pid, pidfd] of pidfds) if (pids?.has(pid)) kill(pid, pidfd, signal);
    }
  }

  nameOf({ pid }: Member): string {
    return readName(pid);
  }

  /** A zombie is not among them (since Linux 5.2), and what SIGKILL has not ended yet is. */
  #pids(): Set<number> {
    const pids = new Set(cgroupPids(this.#cgroup));
    pids.delete(0); // A process that our PID namespace can't see.
    const child = this.#child();
    return child === undefined ? pids : pids.add(child);
  }
}

/**
 * A number is enough to know a member by: if another of the same run gets it, that one is not told to end,
 * and gets SIGKILL after the grace. It also tells which of two began first, until the numbers begin anew:
 * then one that was started since may be told to end, or one that was just being forked may not.
 */
function memberOf(pid: number): Member | undefined {
  const groupId = processGroup(pid);
  return groupId === undefined ? undefined : { pid, groupId, key: String(pid), startedAt: pid };
}
