/**
 * What survives: the jobs, their logs, the runs that may still have processes, and a few settings.
 *
 * Every call is atomic by itself, and those that depend on a state name the state they expect: another process
 * may change the queue between two calls.
 */
import type { Leftover, RunTraces } from "../job/attempt.ts";
import type { State } from "../job/state.ts";

/**
 * When a change is on disk: `durable`, before its promise resolves; `relaxed`, the operating system has it (it
 * survives the end of this process) and the next durable change takes it to disk; `prompt`, the same, and at most 5 ms later.
 */
export type Durability = "durable" | "prompt" | "relaxed";

/**
 * Whether a change may be stored together with what is asked for next: `with-others`, a little later. What is asked for after a
 * change sees it in any case, as soon as the change was asked for.
 */
export type Pace = "at-once" | "with-others";

/** A job as it is stored. Times are epoch ms, with fractions. */
export interface JobRecord {
  /** Chosen by the store, growing, never used for two jobs. */
  number: number;
  /** No two jobs have the same one. */
  id: string;
  state: State;
  /** Length of the command as it was last written, closed or not. */
  commandBytes: number;
  logBytes: number;
  /**
   * What its log is known by: the job's number, or another if somebody had the last log open when this one
   * began.
   */
  logNumber: number;
  /** Attempts made, the current one counted. */
  attempts: number;
  /** The order of submission; `null` for what was never submitted (drafts, files never closed with content). */
  place: number | null;
  /** No claim takes the job before this; `null`: at once. */
  visibleAt: number | null;
  /** No claim takes it: somebody has it open for writing, or it has just come. */
  held: boolean;
  /** The token of the run, while active. */
  run: string | null;
  uid: number;
  gid: number;
  /** Permission bits, 07777. */
  mode: number;
  /** Somebody who wrote part of the command and did not own it then, root excepted; `null`: nobody did. */
  foreignWriter: number | null;
  createdAt: number;
  /** Last write of the command. */
  writtenAt: number;
  /** Last output, or the end of the last attempt. */
  loggedAt: number;
  /** Last change of anything above. */
  changedAt: number;
  /** Set by hand only. */
  accessedAt: number | null;
}

export interface NewJob {
  id: string;
  uid: number;
  gid: number;
  mode: number;
  held: boolean;
  now: number;
}

/** What an update sets; what is absent stays. */
export interface JobChanges {
  id?: string;
  state?: State;
  /** The command as last closed. */
  command?: Uint8Array;
  /** The command as written by somebody who has not closed it yet; `null` with every `command`. */
  unclosed?: Uint8Array | null;
  attempts?: number;
  /** `next`: the end of the queue; `first`: the end, unless it has a place; a number: that place. */
  place?: "next" | "first" | number | null;
  visibleAt?: number | null;
  /** `in-line`: and no claim takes a job behind it either. */
  held?: boolean | "in-line";
  run?: null;
  uid?: number;
  gid?: number;
  mode?: number;
  foreignWriter?: number | null;
  writtenAt?: number;
  loggedAt?: number;
  changedAt?: number;
  accessedAt?: number;
  /** The old log goes, or is kept for those who read it. */
  log?: "new";
  /** Added to the log. */
  appendix?: Uint8Array;
}

/** What the job must be for the change to happen. */
export interface Expected {
  state: State;
  /** For an active job: of this run, and not of a later one. */
  run?: string | null;
}

export interface Claimed {
  job: JobRecord;
  run: string;
  command: Uint8Array;
  /** The job as it was, if the log that it had then is kept for those who read it. */
  keptLog: JobRecord | undefined;
}

/**
 * The logs, by their numbers, that stay readable until `dropLog` when their jobs get another, or are removed.
 */
export interface LogsInUse {
  has(logNumber: number): boolean;
}

export type Renamed =
  | {
    kind: "renamed";
    job: JobRecord;
    replaced: JobRecord | undefined;
    /** As in `Claimed`. */
    keptLog: JobRecord | undefined;
  }
  | { kind: "missing" }
  | { kind: "taken" };

/** Owner and mode of a node that is not a job, once somebody changed them. */
export interface NodeRecord {
  uid: number;
  gid: number;
  mode: number;
}

export interface Store extends AsyncDisposable {
  /**
   * Adds an empty pending job, which is stored with what is asked of it next: if it can't be, that is refused.
   * @returns `undefined` if the id is taken.
   */
  create(job: NewJob): Promise<JobRecord | undefined>;
  find(id: string): Promise<JobRecord | undefined>;
  get(number: number): Promise<JobRecord | undefined>;
  /** The jobs of a state numbered above `after`, by number: whoever pages with the last number sees each once. */
  list(state: State, after: number, limit: number): Promise<{ number: number; id: string }[]>;
  /** As `list`, the whole of each job. */
  listJobs(state: State, after: number, limit: number): Promise<JobRecord[]>;
  count(state: State): Promise<number>;

  /** The command as it was last closed, or as it was last written, closed or not. */
  readCommand(number: number, version: "written" | "closed"): Promise<Uint8Array | undefined>;
  /** @returns The job after the change, or `undefined` if there is none as expected; then nothing changed. */
  update(
    number: number,
    expected: Expected,
    changes: (job: JobRecord) => JobChanges,
    durability: Durability,
    pace?: Pace,
  ): Promise<JobRecord | undefined>;
  /**
   * Gives a job a new id, and the changes with it.
   * @param mayReplace Whether the job that has the id may be removed; if not, the id is `taken`.
   * @param changes What else changes, given the job that it replaces.
   */
  rename(
    number: number,
    expected: Expected,
    id: string,
    mayReplace: (other: JobRecord) => boolean,
    changes: (job: JobRecord, replaced: JobRecord | undefined) => JobChanges,
    logsInUse: LogsInUse,
  ): Promise<Renamed>;
  /** Removes the job; `keep`: its log stays readable until `dropLog`. @returns Whether it was there. */
  remove(
    number: number,
    expected: Expected,
    log: "drop" | "keep",
    durability: Durability,
  ): Promise<boolean>;

  /** Bytes of a log from `offset`; fewer than `size` only at its end. */
  readLog(logNumber: number, offset: number, size: number): Promise<Uint8Array>;
  /** Adds to the log of the job that this run is of; nothing if the job has moved on. */
  appendLog(run: string, bytes: Uint8Array, now: number): Promise<void>;
  /** Removes a log that was kept. */
  dropLog(logNumber: number): Promise<void>;

  /**
   * Takes up to `runs.length` jobs, submitted first, among those visible at `now`, closed and not empty, of
   * which (and of whose id) no run is left; of a user of whom too many runs are left, none. Makes them
   * active, counts the attempt, and begins a new log with `header`. Two callers never get the same job.
   * @param admits Asked of each that could be taken, and only then, whether it is; `undefined`: each is.
   */
  claim(
    now: number,
    runs: readonly string[],
    header: (command: Uint8Array) => Uint8Array,
    logsInUse?: LogsInUse,
    admits?: (job: JobRecord) => boolean,
  ): Promise<Claimed[]>;
  /** When the next job that waits becomes visible. */
  nextVisibleAt(): Promise<number | undefined>;
  /** Moves the times of retries whose last attempt ended after `now` to as if it had ended now. */
  waitFromNow(now: number): Promise<void>;
  /** Remembers what a run's processes are known by; stored at most 5 ms later. */
  identify(run: string, traces: RunTraces): Promise<void>;
  /**
   * Forgets the run, whose processes are gone, and, if its job still is of that run, applies what `settle`
   * makes of the job. @returns The job after the change, if it was.
   * @param left Given if processes of it are left: the run is not forgotten, and this is applied to a job
   * that has moved on.
   */
  settle(
    run: string,
    settle: (job: JobRecord) => JobChanges,
    left?: (job: JobRecord) => JobChanges,
  ): Promise<JobRecord | undefined>;
  /** The job that a run is of, if it still is. */
  jobOf(run: string): Promise<JobRecord | undefined>;
  /** The job that a run is or was of, if that is not removed. */
  formerJobOf(run: string): Promise<JobRecord | undefined>;
  /** The runs that `settle` has not forgotten. */
  runs(): Promise<Leftover[]>;

  /** Takes the next `count` numbers of a counter, which begins at `start`. @returns The first. */
  reserve(counter: string, count: number, start: number): Promise<number>;
  readSetting(name: string): Promise<string | undefined>;
  writeSetting(name: string, value: string): Promise<void>;
  readNode(name: string): Promise<NodeRecord | undefined>;
  writeNode(name: string, node: NodeRecord): Promise<void>;
}

/** Why the store could not do what it was asked; nothing was changed. */
export class StoreError extends Error {
  override readonly name = "StoreError";
  constructor(
    readonly kind: "full" | "read-only" | "io" | "corrupt" | "not-filed" | "newer" | "unavailable",
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
