import type { JobNo } from "./id.ts";
import type { Ending } from "./ending.ts";

/** A random token that marks one attempt of a job: `FILED_RUN` in the environment of all its processes. */
export type RunToken = string & { readonly __brand?: "RunToken" };

/** A process that can't be mistaken for another with the same pid. */
export interface ProcessIdentity {
  pid: number;
  /** Clock ticks since boot, field 22 of /proc/PID/stat, proc(5). */
  startTicks: number;
  /** /proc/sys/kernel/random/boot_id. */
  bootId: string;
}

/** What the processes of a run are known by. */
export interface RunTraces {
  /** The leader of their process group. */
  leader: ProcessIdentity;
  /** The cgroup made for the run, an absolute path. */
  cgroup: string | undefined;
  /** Whom they run as; `undefined`: nobody knows any more. */
  uid: number | undefined;
}

/** A run that a daemon before this one started, and that may still have processes. */
export interface Leftover extends Omit<RunTraces, "leader"> {
  run: RunToken;
  /** The id that its job had. */
  id: string;
  /** `undefined`: it did not come to have processes, or nothing could be stored of them. */
  leader: ProcessIdentity | undefined;
}

/** One execution of a job, and what came of it. Times are epoch ms. */
export interface Attempt {
  job: JobNo;
  /** Counted from 1 over the job's life. */
  ordinal: number;
  startedAt: number;
  logBytes: number;
  /** `undefined`: it is under way. */
  over: { at: number; ending: Ending } | undefined;
}

/** One more than the last ordinal: they are the low bits of an attempt's key. */
const ORDINALS = 2 ** 20;

/** An attempt's key: one number, below 2^53, for what is kept of it and for its log. */
export function attemptKey(job: JobNo, ordinal: number): number {
  return job * ORDINALS + ordinal;
}

export function jobOfAttempt(key: number): JobNo {
  return Math.floor(key / ORDINALS);
}

/** The ordinal that follows. After a million attempts they begin again: by then, what is kept of the first is gone. */
export function nextOrdinal(ordinal: number): number {
  return ordinal % (ORDINALS - 1) + 1;
}
