/** A random token that marks one attempt of a job: `FILED_RUN` in the environment of all its processes. */
export type RunToken = string;

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
