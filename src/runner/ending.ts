import { ErrnoError } from "../sys/errno.ts";
import type { Pidfd, SignalName } from "../sys/pidfd.ts";
import { killCgroup } from "./cgroup.ts";
import type { Members } from "./members.ts";
import type { Survivor } from "./messages.ts";
import { type Process, signalProcess } from "./processes.ts";
import { atMost, delay } from "./waiting.ts";

/** After the first SIGKILL; what is left then waits in the kernel for something that does not come. */
const KILLING_MS = 2_000;
/** Between two looks whether all is gone: doubled from one to the other. */
const FIRST_LOOK_MS = 1;
const LAST_LOOK_MS = 64;
/** Looks that only stop what forks faster than it is found, before the first SIGKILL. */
const STOPPING_LOOKS = 16;

/** What a run's processes are reached by. */
export interface Reach {
  members: Members;
  /** The leader's group. */
  group: { id: number; leader: Pidfd } | undefined;
  cgroup: string | undefined;
}

/** Ends all of a run: SIGTERM, and at a time that can be moved forward SIGKILL. */
export class Termination {
  readonly #reach: Reach;
  #killAt = Infinity;
  #hurried = Promise.withResolvers<void>();

  constructor(reach: Reach, graceMs: number) {
    this.#reach = reach;
    this.hurry(graceMs);
  }

  /** SIGKILL comes after `graceMs` from now, or earlier if that was said before. */
  hurry(graceMs: number): void {
    this.#killAt = Math.min(this.#killAt, performance.now() + graceMs);
    this.#hurried.resolve();
  }

  /** @returns What SIGKILL did not end. */
  async run(): Promise<Survivor[]> {
    if (this.#killAt > performance.now() && await this.#endGently()) return [];
    return await killAll(this.#reach);
  }

  /** @returns Whether all is gone before the time for SIGKILL. */
  async #endGently(): Promise<boolean> {
    const { members } = this.#reach;
    // What is stopped acts on SIGTERM once it continues.
    const found = members.find();
    signalAll(this.#reach, found, "SIGTERM");
    signalAll(this.#reach, found, "SIGCONT");
    for (let look = FIRST_LOOK_MS;; look = Math.min(look * 2, LAST_LOOK_MS)) {
      if (members.remaining().length === 0 && members.find().length === 0) return true;
      const leftMs = this.#killAt - performance.now();
      if (leftMs <= 0) return false;
      this.#hurried = Promise.withResolvers();
      await atMost(Math.min(look, leftMs), this.#hurried.promise);
    }
  }
}

/**
 * Ends all of a run with SIGKILL, and waits until it is gone.
 * @returns What is not gone after 2 s.
 */
export async function killAll(reach: Reach): Promise<Survivor[]> {
  const { members, cgroup } = reach;
  const deadline = performance.now() + KILLING_MS;
  if (cgroup !== undefined) killCgroup(cgroup);
  stopAll(members);
  for (let look = FIRST_LOOK_MS;; look = Math.min(look * 2, LAST_LOOK_MS)) {
    const found = members.find();
    if (found.length === 0) return [];
    if (performance.now() >= deadline) return found.map(({ pid, name }) => ({ pid, name }));
    if (cgroup !== undefined) killCgroup(cgroup);
    signalAll(reach, found, "SIGKILL");
    await delay(look);
  }
}

/** What is stopped does not fork: once nothing new is found, SIGKILL leaves no child behind. */
function stopAll(members: Members) {
  const stopped = new Set<string>();
  const key = ({ pid, startTicks }: Process) => `${pid} ${startTicks}`;
  for (let look = 0; look < STOPPING_LOOKS; look++) {
    const fresh = members.find().filter((process) => !stopped.has(key(process)));
    if (fresh.length === 0) return;
    for (const process of fresh) {
      signalProcess(process, "SIGSTOP");
      stopped.add(key(process));
    }
  }
}

/** The group in one step, so that no fork slips through, and what is not in it one by one. Nothing gets it twice. */
function signalAll({ group }: Reach, processes: readonly Process[], signal: SignalName) {
  const doneId = group && signalGroup(group.leader, signal) ? group.id : undefined;
  for (const process of processes) {
    if (process.groupId !== doneId) signalProcess(process, signal);
  }
}

/** @returns Whether that was possible: not for a group that is gone, nor before Linux 6.9. */
function signalGroup(leader: Pidfd, signal: SignalName): boolean {
  try {
    leader.signalGroup(signal);
    return true;
  } catch (error) {
    if (error instanceof ErrnoError) return false;
    throw error;
  }
}
