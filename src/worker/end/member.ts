import type { SignalName } from "../../sys/processes/pidfd.ts";

/** A process of a run, as a look has found it. */
export interface Member {
  pid: number;
  /** Its process group; 0: nobody says. */
  groupId: number;
  /** Tells it from the other members that a run has had. */
  key: string;
  /** On the scale of `Members.now()`. */
  startedAt: number;
}

/** The processes of a run. Who can't be looked at, for want of descriptors or memory, counts as there. */
export interface Members {
  /** Those that live now. */
  find(): Promise<Member[]>;
  /** Whether the last look was at processes that may be of the run, and that nobody could tell of. */
  readonly isUncertain: boolean;
  /** Whether some of those live that are known: much less work than `find`, and maybe blind to new ones. */
  areLeft(): boolean;
  /** Those of `members` that live still, as they are now. */
  still(members: readonly Member[]): Member[];
  /** Processes that started before this call have a `startedAt` below it. */
  now(): number;
  /**
   * Signals exactly these, and no other process that got the number of one. What is gone, or not ours to
   * signal, is left out. Where a process can't be held, there is a moment between the look and the signal.
   */
  signal(members: readonly Member[], signal: SignalName): void;
  /** A member's name for itself; empty if nobody can tell. */
  nameOf(member: Member): string;
}
