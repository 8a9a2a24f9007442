/**
 * What survives: the jobs, their attempts and logs, the runs that may still have processes, and a few settings.
 *
 * Every call is atomic by itself, and those that depend on a state name the state they expect: another process
 * may change the queue between two calls. Closures that are given are pure: they may be called again, with what
 * the job is by then, and depend on nothing else but the clock.
 */
import type { FileNo, JobNo } from "../job/id.ts";
import type { Attempt, Leftover, RunToken, RunTraces } from "../job/attempt.ts";
import type { Ending } from "../job/ending.ts";
import type { Dependency, DependencyKind, Fate } from "../job/dependencies.ts";
import type { Asks } from "../job/header.ts";
import type { Job, Ownership, Pending } from "../job/job.ts";
import type { Bytes, Pieces } from "../job/pieces.ts";
import type { Pools, Slots, Use } from "../job/pools.ts";
import type { Share, Usage } from "../job/shares.ts";
import type { State } from "../job/state.ts";

/**
 * When a change is on disk: `durable`, before its promise resolves; `relaxed`, the operating system has it (it
 * survives the end of this process) and the next durable change takes it to disk; `prompt`, the same, and at
 * most 5 ms later.
 */
export type Durability = "durable" | "prompt" | "relaxed";

export interface NewJob extends Ownership {
  id: string;
}

/** What an update sets; what is absent stays. */
export interface JobChanges {
  state?: State;
  /**
   * `draft`: as somebody writes it who has not closed it yet; `closed`: what would run. `as-saved`: what was
   * saved last. A crash takes a job back to what was closed; what never was has no turn then.
   */
  content?:
    | { is: "draft"; bytes: Bytes }
    | { is: "closed"; bytes: Bytes | "as-saved" }
    | { is: "as-closed" };
  attempts?: number;
  /** `next`: the end of the queue; `first`: the end, unless it has a turn; a number: that turn. */
  turn?: "next" | "first" | number | null;
  visibleAt?: number | null;
  /** It is to be put before or behind others, if it has a turn. */
  priority?: number;
  deadlineAt?: number | null;
  asks?: Asks;
  /** What it waits for, in place of all that it did; `again`: the same, as those jobs are now, if they are there. */
  dependencies?: readonly Dependency[] | "again";
  /** Whether there is nothing to run, though it may have a header. */
  isEmpty?: boolean;
  /** Whether no claim takes it; `in-line`: and none takes a job behind it. It ends with this process. */
  held?: boolean | "in-line";
  uid?: number;
  gid?: number;
  mode?: number;
  foreignWriter?: number | null;
  writtenAt?: number;
  /** Of an ended job's log. */
  loggedAt?: number;
  changedAt?: number;
  accessedAt?: number | null;
  /** What is kept of its attempts goes, logs and all; they count as they did. */
  forgetsAttempts?: boolean;
  /** An attempt is over, or takes none: what its log ends with. */
  over?: Over;
}

export interface Over {
  ending: Ending;
  /** `new`: a log of its own, of what was not run; `more`: the one of the last attempt. */
  log: "more" | "new";
  bytes: Uint8Array;
}

/** What the job must be for the change to happen. */
export interface Expected {
  state: State;
  /** For an active job: of this run, and not of a later one. */
  run?: RunToken;
  /** It is this file still. */
  file?: FileNo;
}

/** A claim that comes to so much takes no other job: the commands of all that it takes are in memory. */
export const CLAIM_BYTES = 8_388_608;

/** A job just taken to be run. */
export interface Claim {
  job: Job & { state: "active" };
  run: RunToken;
  command: Pieces;
  /** What it has of pools, until the last of its processes is gone. */
  slots: Slots;
}

/**
 * What becomes of the job that has the id: the id is taken; it goes; its row stays, with the other's file; or both
 * rows stay, and their files and ids change places.
 */
export type Displacing = "stays" | "goes" | "is-rewritten" | "is-exchanged";

export type Renamed =
  | { kind: "renamed"; job: Job; replaced: Job | undefined }
  /** `job` was `before`, and is the file now that `by` was, which is gone. */
  | { kind: "rewritten"; job: Job; before: Job; by: Job }
  /** `job` has the file and id of the job that was renamed, and `aside`, of its row, those that `job` had. */
  | { kind: "exchanged"; job: Job; aside: Job }
  | { kind: "missing" }
  | { kind: "taken" }
  /** It would wait for itself. */
  | { kind: "circle" };

/** Whether a job waits for itself, by others; `too-long`: it would take long to tell. */
export type Circle = "none" | "circle" | "too-long";

/** A job that waits for what will never be: it is to go there without a run. */
export interface Doomed {
  number: JobNo;
  kind: DependencyKind;
  /** The id that the job had that it waits for, and what has become of that. */
  id: string;
  fate: Fate;
  to: "complete" | "failed";
}

/** A name in a directory. */
export interface Listed {
  /** Where it stands: whoever pages with the last one sees each job once. */
  position: number;
  number: JobNo;
  id: string;
  /** Of the attempt whose log it shows; 0 in pending. */
  ordinal: number;
}

/** Where a log ends. */
export interface LogPosition {
  bytes: number;
  lastByte: number | undefined;
}

/** What others, on other hosts, did to the queue. */
export type StoreEvent =
  /** There are other jobs in these states. */
  | { kind: "elsewhere"; states: readonly State[] }
  | { kind: "configured" };

/** The runs that this host started: what their processes are known by. */
export interface RunBook {
  identify(run: RunToken, traces: RunTraces): Promise<void>;
  all(): Promise<Leftover[]>;
  /** Its last process is gone, that was left when it ended. */
  forget(run: RunToken): Promise<void>;
}

export interface Store extends AsyncDisposable {
  /** Whose account a user id is, for what each user may have: one user may have 65,536 ids. */
  readonly accountOf: (uid: number) => number;

  /** The queue's clock, epoch ms: all times in what is stored are of it. */
  now(): number;
  /** Hears of what others do. A store that only this process writes has no others. */
  watch(listener: (event: StoreEvent) => void): void;

  /**
   * Adds an empty pending job, held. It lasts once something else is stored: if that fails, it is gone.
   * @param share What the owner may have at the most, this job included.
   * @returns `undefined` if the id is taken, or the share is used up.
   */
  create(job: NewJob, share?: Share): Promise<Pending | undefined>;
  /** What a user has, with all ids of the account. It is counted once, and from then on kept up to date. */
  usageOf(uid: number, what: keyof Usage): Promise<number>;
  /** Nobody asks what users have for a while: nothing is kept of it until somebody does. */
  forgetUsage(): void;
  byId(id: string): Promise<Job | undefined>;
  byNo(number: JobNo): Promise<Job | undefined>;
  /** The job that is this file in pending/, or was when it was there. */
  byFile(file: FileNo): Promise<Job | undefined>;
  /** The jobs of a state behind a position, in order. */
  list(state: State, after: number, limit: number): Promise<Listed[]>;
  /** As `list`, the whole of each job. */
  listJobs(state: State, after: number, limit: number): Promise<{ position: number; job: Job }[]>;
  count(state: State): Promise<number>;

  /** The command as it was last closed, or as it was last written, closed or not. */
  readCommand(number: JobNo, version: "written" | "closed"): Promise<Pieces | undefined>;
  /**
   * @param changes `content`: the command as it was last written.
   * @returns The job after the change, or `undefined` if there is none as expected; then nothing changed.
   * @throws {CircleError} If it would wait for itself; then nothing changed.
   */
  update(
    number: JobNo,
    expected: Expected,
    changes: (job: Job, content: () => Pieces) => JobChanges,
    durability: Durability,
  ): Promise<Job | undefined>;
  /** As `update`, of the pending job that is this file then. */
  updateFile(
    file: FileNo,
    changes: (job: Job, content: () => Pieces) => JobChanges,
    durability: Durability,
  ): Promise<Job | undefined>;
  /**
   * Gives a job a new id, and the changes with it. Or, where one that waits `is-rewritten`, has that one take over
   * its file and its text, as far as that is closed, and get the changes; the job goes. Where it `is-exchanged`,
   * that one has its id as well, and the job stays as what the other was, as a draft.
   * @param displacing What becomes of the job that has the id; if it stays, the id is `taken`.
   * @param changes What else changes, given the job that has the id, and its own command as it was last written.
   */
  rename(
    number: JobNo,
    expected: Expected,
    id: string,
    displacing: (other: Job) => Displacing,
    changes: (job: Job, other: Job | undefined, content: () => Pieces) => JobChanges,
  ): Promise<Renamed>;
  /** What a job waits for, and has waited for, as it was last submitted. */
  dependencies(number: JobNo): Promise<Dependency[]>;
  /** Whether a job that waits for these would wait for itself. */
  circleOf(job: { number: JobNo; id: string }, dependencies: readonly Dependency[]): Promise<Circle>;
  /** The ids of jobs from `from` on, that included, in the order of their bytes. */
  idsFrom(from: string, limit: number): Promise<{ id: string; number: JobNo }[]>;
  /** Whether there is something to tell dependants of what they wait for. */
  readonly hasDue: boolean;
  /** All that has become of what dependants wait for is to be told them again. */
  reviewDependants(): void;
  /**
   * Tells about `limit` dependants what has become of a job that they wait for.
   * @returns Those that wait for what will never be. They are told again for as long as they wait.
   */
  tellDependants(limit: number, failDependants: boolean): Promise<Doomed[]>;

  /** @returns Whether it was there. */
  remove(number: JobNo, expected: Expected, durability: Durability): Promise<boolean>;

  /** What is known of an attempt: of the last one, and of those whose logs are retained. */
  attempt(number: JobNo, ordinal: number): Promise<Attempt | undefined>;
  /** Bytes of an attempt's log from `offset`; fewer than `size` only at its end. */
  readLog(number: JobNo, ordinal: number, offset: number, size: number): Promise<Uint8Array>;
  /**
   * The log stays readable for as long as this is not disposed of, whatever becomes of its job.
   * @param reader Whom it is retained for. Who reads a log of one's own has it, also when the job has none.
   */
  retainLog(number: JobNo, ordinal: number, reader?: number): AsyncDisposable;
  /**
   * Adds to the log of the attempt that this run is.
   * @param position Where the log ends, as its owner knows.
   * @returns Whether the run is still its job's; if not, nothing is added.
   */
  appendLog(run: RunToken, position: number, bytes: Uint8Array): Promise<boolean>;
  /** Where the log of a run ends, for who did not write it. */
  endOfLog(run: RunToken): Promise<LogPosition | undefined>;

  /**
   * Takes up to `runs.length` jobs that have no obstacle, in order of their turns; fewer, once their commands come
   * to `CLAIM_BYTES`. Makes them active, counts the attempt, and begins its log with `header`. Two callers never
   * get the same job.
   * @param room How many more jobs of a user may start; asked anew for each. Those taken count for the account.
   * @param pools How many slots each pool has. Runs that have more, since before, keep them.
   */
  claim(
    runs: readonly RunToken[],
    header: (command: Bytes, asks: Asks) => Uint8Array,
    room?: (uid: number) => number,
    pools?: Pools,
  ): Promise<Claim[]>;
  /** How many different `use` the jobs of a user have that wait or run, this one included. */
  usesOf(uid: number, use: Use): Promise<number>;
  /** The jobs that this one, which coalesces, replaces: those before it that its lock's line could do without. */
  replacedBy(number: JobNo): Promise<JobNo[]>;
  /**
   * Forgets the run, whose processes are gone, and, if its job still is of that run, applies what `settle`
   * makes of the job; an attempt that it does not say is `over` has not been made, but for its ordinal.
   * @param left What the log says of processes that are left: the run is not forgotten then, and the line is
   * added also to the log of a job that somebody took from the run.
   * @returns The job after the change, or `undefined`: it moved on.
   */
  settle(
    run: RunToken,
    settle: (job: Job & { state: "active" }) => JobChanges,
    left?: Uint8Array,
  ): Promise<Job | undefined>;
  readonly runBook: RunBook;
  /** When the next job that waits becomes visible. */
  nextVisibleAt(): Promise<number | undefined>;
  /** When the next job is too late that has not started. */
  nextDeadlineAt(): Promise<number | undefined>;
  /** Up to `limit` jobs behind that number, in order, that have not ended and ask for a priority. */
  withPriority(after: JobNo, limit: number): Promise<JobNo[]>;
  /** Up to `limit` jobs whose deadline has passed. */
  late(limit: number): Promise<JobNo[]>;
  /** Has retries whose last attempt ended in the future wait as if it had ended now: the clock was set back. */
  waitFromNow(): Promise<void>;

  /** Takes the next `count` numbers of a counter, which begins at `start`. @returns The first. */
  reserve(counter: string, count: number, start: number): Promise<number>;
  readSetting(name: string): Promise<string | undefined>;
  writeSetting(name: string, value: string): Promise<void>;
  /** Owner and mode of a node that is not a job, once somebody changed them. */
  readNode(name: string): Promise<Ownership | undefined>;
  writeNode(name: string, node: Ownership): Promise<void>;
}

/** Why the store could not do what it was asked; nothing was changed, but by an `UnsyncedError`. */
export class StoreError extends Error {
  override readonly name: string = "StoreError";
  constructor(
    readonly kind: "full" | "read-only" | "io" | "corrupt" | "not-filed" | "newer" | "unavailable",
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** A durable change is made, and could not be taken to disk: a power cut may take it back. */
export class UnsyncedError extends StoreError {
  override readonly name = "UnsyncedError";
  /** @param made What the change returned. */
  constructor(readonly made: unknown, { kind, message }: StoreError) {
    super(kind, message);
  }
}

/** Two jobs would wait for each other, or a job for itself: nothing was changed. */
export class CircleError extends Error {
  override readonly name = "CircleError";
}
