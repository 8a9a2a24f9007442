import {
  type Durability,
  type JobChanges,
  type JobRecord,
  type LogsInUse,
  type NodeRecord,
  type Pace,
  type Store,
  StoreError,
} from "../store/store.ts";
import { type Config, DEFAULT_CONFIG } from "../job/config.ts";
import { Counter } from "./counter.ts";
import type { Leftover, RunToken, RunTraces } from "../job/attempt.ts";
import { backupOf, isDraft, type JobId } from "../job/id.ts";
import { settle } from "../job/settle.ts";
import { concat, type LogEnd, logEnd, logHeader, survivorsLine } from "../job/log_text.ts";
import { changesOfMove, type Move, moveBetween, startOfNew } from "../job/moves.ts";
import { randomStart, shortId } from "../job/new_id.ts";
import type { State } from "../job/state.ts";
import { changesOfTimes, type Times } from "../job/times.ts";
import { type QueueWatcher, Watchers } from "./events.ts";
import { foreignWriter, type Writers } from "../job/writers.ts";

export { StoreError } from "../store/store.ts";
export type Job = JobRecord;

/** Why the queue did not do what it was asked; an expected answer, not a fault. */
export type Refusal =
  /** There is no such job (any more). */
  | { kind: "missing" }
  /** Another job has the id. */
  | { kind: "taken" }
  /** Not while the job runs. */
  | { kind: "busy" }
  /** Never. */
  | { kind: "forbidden" };

export type Result<T> = { ok: true; value: T } | { ok: false; refusal: Refusal };

/** Owner and permission bits. */
export type Ownership = NodeRecord;

/** A job just taken to be run. */
export interface Claim {
  job: Job;
  run: RunToken;
  command: Uint8Array;
}

/** A job that was moved, and the one that it replaced. */
export interface Moved {
  job: Job;
  replaced: Job | undefined;
}

/** Who reads logs, by their numbers: those stay readable until `dropLog`. */
export interface LogReaders extends LogsInUse {
  /** A log that was in use is none of its job's any more. @param job As it was. */
  replaced(job: Job): void;
}

const PLAIN_END = { droppedBytes: 0, tail: new Uint8Array(), survivors: [] };

/** The queue: the jobs, their states and moves. All times are epoch ms. */
export class Queue {
  readonly #store: Store;
  readonly #now: () => number;
  readonly #watchers: Watchers;
  readonly #newIds: Counter;
  #logReaders: LogReaders = { has: () => false, replaced() {} };
  /** The settings as they were last read. */
  #known: { stored: string; settings: Partial<Config> } = { stored: "{}", settings: {} };

  constructor(store: Store, now: () => number = Date.now) {
    this.#store = store;
    this.#now = now;
    this.#newIds = new Counter(store, "new-id", randomStart());
    this.#watchers = new Watchers(now);
  }

  watch(watcher: Partial<QueueWatcher>) {
    this.#watchers.add(watcher);
  }

  find(id: string): Promise<Job | undefined> {
    return this.#store.find(id);
  }

  get(number: number): Promise<Job | undefined> {
    return this.#store.get(number);
  }

  /** When the set of jobs in a state last changed. */
  changedAt(state: State): number {
    return this.#watchers.changedAt(state);
  }

  /** The jobs of a state numbered above `after`, by number. */
  list(state: State, after: number, limit: number): Promise<{ number: number; id: string }[]> {
    return this.#store.list(state, after, limit);
  }

  /** As `list`, the whole of each job. */
  listJobs(state: State, after: number, limit: number): Promise<Job[]> {
    return this.#store.listJobs(state, after, limit);
  }

  count(state: State): Promise<number> {
    return this.#store.count(state);
  }

  /** The command as last written. */
  command(number: number): Promise<Uint8Array | undefined> {
    return this.#store.readCommand(number, "written");
  }

  /** @param logNumber The job's, as it was when somebody began to read. */
  readLog(logNumber: number, offset: number, size: number): Promise<Uint8Array> {
    return this.#store.readLog(logNumber, offset, size);
  }

  keepLogsFor(readers: LogReaders) {
    this.#logReaders = readers;
  }

  /** Adds an empty job, held until `release`; it is on disk at the latest with `close`. */
  async create(id: JobId, owner: Ownership): Promise<Result<Job>> {
    const now = this.#now();
    const job = await this.#store.create({ id, ...owner, held: true, now });
    if (!job) return refuse("taken");
    this.#watchers.changed("pending");
    const visibleAt = startOfNew(await this.#store.find(backupOf(id)), now);
    if (visibleAt === null) return { ok: true, value: job };
    const later = await this.#update(job.number, "pending", () => ({ visibleAt }), "relaxed");
    return later ? { ok: true, value: later } : refuse("missing");
  }

  /** Keeps a pending job from starting until `release`. @returns `undefined` if it is not pending any more. */
  hold(number: number): Promise<Job | undefined> {
    return this.#update(number, "pending", () => ({ held: true }), "relaxed");
  }

  /** Lets the job go that was created or held, as it was last closed. */
  async release(number: number): Promise<void> {
    const changes = { held: false, unclosed: null };
    const stored = this.#update(number, "pending", () => changes, "relaxed", "with-others");
    this.#watchers.runnable(); // Before it is stored: the claim can share its commit.
    await stored;
  }

  /**
   * Stores a command that is still being written: on disk, but not yet what would run.
   * @param writtenAt Epoch ms of its last write; `undefined`: as stored.
   */
  writeThrough(
    number: number,
    command: Uint8Array,
    { uids }: Writers,
    writtenAt: number | undefined,
  ): Promise<Job | undefined> {
    return this.#update(number, "pending", (job) => ({
      unclosed: command,
      foreignWriter: foreignWriter(job, { uids, of: "part" }), // After a crash, the one before may count again.
      writtenAt: writtenAt ?? job.writtenAt,
      changedAt: this.#now(),
    }), "durable");
  }

  /**
   * Stores a command as somebody closed it: what would run. With its first content, the job joins the queue.
   * @param writtenAt Epoch ms of its last write; `undefined`: as stored.
   */
  async close(
    number: number,
    command: Uint8Array,
    writers: Writers,
    writtenAt: number | undefined,
  ): Promise<Job | undefined> {
    const closed = await this.#update(number, "pending", (job) => ({
      command,
      unclosed: null,
      foreignWriter: foreignWriter(job, writers),
      writtenAt: writtenAt ?? job.writtenAt,
      changedAt: this.#now(),
      ...command.length > 0 && !isDraft(job.id) ? { place: "first" } : {},
    }), "durable");
    if (closed && !closed.held) this.#watchers.runnable();
    return closed;
  }

  /**
   * Moves a job to a state, under an id. One that comes to pending is held until `release`, and
   * so are those behind it.
   * @param mayReplace Whether that other job of the id may be replaced, if the move is within one directory.
   */
  async move(
    job: Job,
    to: State,
    id: JobId,
    mayReplace: (other: Job) => boolean,
  ): Promise<Result<Moved>> {
    const move = moveBetween(job.state, to);
    if (move === "busy" || move === "forbidden") return refuse(move);
    if (move !== "rename" && job.state === "pending" && isDraft(job.id)) return refuse("forbidden");
    const log = await this.#logOfMove(move, job);
    const renamed = await this.#store.rename(
      job.number,
      { state: job.state, run: job.run },
      id,
      (other) => move === "rename" && other.state === job.state && mayReplace(other),
      (now, replaced) => ({
        ...changesOfMove(move, now, id, replaced, this.#now()),
        ...log,
      }),
      this.#logReaders,
    );
    if (renamed.kind === "missing") return refuse("missing");
    if (renamed.kind === "taken") return refuse("taken");
    if (renamed.keptLog) this.#logReaders.replaced(renamed.keptLog);
    this.#watchers.changed(job.state, to);
    if (move === "restart" || move === "abort") this.#watchers.abandoned(job.run);
    this.#watchers.runnable();
    return { ok: true, value: renamed };
  }

  /**
   * Gives a job that has just left pending the id that it was to get there, wherever it is.
   * @param mayReplace Whether that job of the id, which waits in pending, may be replaced.
   */
  async renameLate(job: Job, id: JobId, mayReplace: (other: Job) => boolean): Promise<Result<Moved>> {
    for (let current: Job | undefined = job; current; current = await this.#store.get(job.number)) {
      const { state, run } = current;
      const renamed = await this.#store.rename(
        job.number,
        { state, run },
        id,
        (other) => other.state === "pending" && mayReplace(other),
        () => ({ changedAt: this.#now() }),
        this.#logReaders,
      );
      if (renamed.kind === "taken") return refuse("taken");
      if (renamed.kind === "missing") continue; // It has just ended.
      this.#watchers.changed(state, "pending");
      return { ok: true, value: renamed };
    }
    return refuse("missing");
  }

  /** Removes a job; what runs of it is ended. @param log Whether it stays readable until `dropLog`. */
  async remove(job: Job, log: "drop" | "keep"): Promise<Result<undefined>> {
    // A job that comes back would run again: that must not happen. An old log that comes back is removed again.
    const durability = job.state === "pending" || job.state === "active" ? "durable" : "relaxed";
    const expected = { state: job.state, run: job.run };
    if (!await this.#store.remove(job.number, expected, log, durability)) return refuse("missing");
    this.#watchers.changed(job.state);
    if (job.state === "active") this.#watchers.abandoned(job.run);
    return { ok: true, value: undefined };
  }

  dropLog(logNumber: number): Promise<void> {
    return this.#store.dropLog(logNumber);
  }

  /** Owner and mode; the write bits of a job that is not pending stay as they are, for its next time there. */
  setOwnership(job: Job, { uid, gid, mode }: Partial<Ownership>): Promise<Job | undefined> {
    return this.#update(job.number, job.state, (job) => ({
      uid: uid ?? job.uid,
      gid: gid ?? job.gid,
      mode: mode === undefined
        ? job.mode
        : job.state === "pending"
        ? mode
        : mode & ~WRITE_BITS | job.mode & WRITE_BITS,
      changedAt: this.#now(),
    }), "durable");
  }

  /** The times of a file. A pending job's modification time is when it may start. */
  async setTimes(job: Job, times: Times): Promise<Job | undefined> {
    const changes = changesOfTimes(job, times, this.#now());
    const changed = await this.#update(job.number, job.state, () => changes, "durable");
    this.#watchers.runnable();
    return changed;
  }

  /**
   * Takes up to `limit` jobs to run, in order of submission. Two callers never get the same job.
   * @param admits Asked of each that could be taken, and only then, whether it is; `undefined`: each is.
   */
  async claim(limit: number, admits?: (job: Job) => boolean): Promise<Claim[]> {
    const runs = Array.from({ length: limit }, () => crypto.randomUUID());
    const claims = await this.#store.claim(this.#now(), runs, logHeader, this.#logReaders, admits);
    for (const { keptLog } of claims) {
      if (keptLog) this.#logReaders.replaced(keptLog);
    }
    if (claims.length > 0) this.#watchers.changed("pending", "active");
    return claims;
  }

  /** When the next job that waits may start. */
  nextVisibleAt(): Promise<number | undefined> {
    return this.#store.nextVisibleAt();
  }

  /**
   * Sets right the retries that wait, where the clock shows an earlier time than when their last attempt ended: it was
   * set back, and they wait from now.
   */
  adjustToClock(): Promise<void> {
    return this.#store.waitFromNow(this.#now());
  }

  identify(run: RunToken, traces: RunTraces): Promise<void> {
    return this.#store.identify(run, traces);
  }

  appendLog(run: RunToken, bytes: Uint8Array): Promise<void> {
    return this.#store.appendLog(run, bytes, this.#now());
  }

  /**
   * Settles the run's job by how it ended, all of its output logged before. If processes of it are left, no
   * job of its id starts until `forget`, and the log says so, also that of a job that somebody took from the
   * run.
   * @returns The job, unless somebody took it from the run.
   */
  async ended(run: RunToken, end: LogEnd): Promise<Job | undefined> {
    const config = await this.config();
    const appendix = await this.#endOfLog(await this.#store.jobOf(run), end);
    const left = await this.#changesOfLeft(run, end.survivors);
    const settled = this.#store.settle(run, (job) => {
      const now = this.#now();
      return {
        run: null,
        loggedAt: now,
        changedAt: now,
        appendix,
        ...settle(job.attempts, end.ending, config, now),
      };
    }, left);
    this.#watchers.runnable(); // As in `release`.
    const job = await settled;
    if (job) this.#watchers.changed("active", job.state);
    return job;
  }

  /**
   * Puts the run's job back as if the attempt had not been made: it was stopped, and did not end; or it did
   * not begin.
   * @param survivors Processes of it that are left, as in `ended`; "unknown": there may be some.
   */
  async requeue(run: RunToken, survivors: LogEnd["survivors"] | "unknown" = []): Promise<Job | undefined> {
    const left = survivors === "unknown" ? () => ({}) : await this.#changesOfLeft(run, survivors);
    const job = await this.#store.settle(run, (job) => ({
      state: "pending",
      run: null,
      attempts: job.attempts - 1,
      changedAt: this.#now(),
      ...left?.(job),
    }), left);
    if (job) this.#watchers.changed("active", "pending");
    this.#watchers.runnable();
    return job;
  }

  /** The last process of a run is gone, that was left when it ended. */
  async forget(run: RunToken): Promise<void> {
    await this.#store.settle(run, () => ({}));
    this.#watchers.runnable();
  }

  /** The runs that may still have processes: after a crash, those of the daemon before this. */
  runs(): Promise<Leftover[]> {
    return this.#store.runs();
  }

  async config(): Promise<Config> {
    return { ...DEFAULT_CONFIG, ...await this.#settings() };
  }

  async configure(settings: Partial<Config>): Promise<void> {
    const written = { ...await this.#settings(), ...settings };
    await this.#store.writeSetting("config", JSON.stringify(written));
    this.#watchers.runnable();
  }

  /**
   * What tells this queue from others, for good: `q` and random hexadecimal digits. Copies of its state file
   * have the same. Where there is none yet and none can be stored, it is for this once.
   */
  async identity(): Promise<string> {
    const known = await this.#store.readSetting("identity");
    if (known !== undefined) return known;
    const identity = newIdentity();
    try {
      await this.#store.writeSetting("identity", identity);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
    }
    return identity;
  }

  /** A short id that nobody was given before and no job has. */
  async newId(): Promise<string> {
    for (;;) {
      const id = shortId(await this.#newIds.next());
      if (!await this.#store.find(id)) return id;
    }
  }

  /** Owner and mode of a node that is not a job, if somebody changed them. */
  node(name: string): Promise<Ownership | undefined> {
    return this.#store.readNode(name);
  }

  setNode(name: string, ownership: Ownership): Promise<void> {
    return this.#store.writeNode(name, ownership);
  }

  async #settings(): Promise<Partial<Config>> {
    const stored = await this.#store.readSetting("config") ?? "{}";
    if (this.#known.stored !== stored) this.#known = { stored, settings: JSON.parse(stored) };
    return this.#known.settings;
  }

  /** What a move by hand does to a job's log. */
  async #logOfMove(move: Move, job: Job): Promise<JobChanges> {
    if (move === "abort") {
      return {
        appendix: await this.#endOfLog(job, {
          ending: { kind: "signaled", signal: "SIGKILL" },
          ...PLAIN_END,
        }),
      };
    }
    if (move !== "withdraw") return {};
    const end: LogEnd = { ending: { kind: "withdrawn" }, ...PLAIN_END };
    if (job.attempts > 0) return { appendix: await this.#endOfLog(job, end) };
    // It has not run since it came to pending: a log that it has is of another time, and maybe of another command.
    const command = await this.#store.readCommand(job.number, "closed") ?? new Uint8Array();
    return { log: "new", appendix: concat(logHeader(command), logEnd(end, NEWLINE)) };
  }

  /**
   * What processes that are left change of the job that the run is or was of; `undefined` if there are none.
   */
  async #changesOfLeft(
    run: RunToken,
    survivors: LogEnd["survivors"],
  ): Promise<((job: Job) => JobChanges) | undefined> {
    if (survivors.length === 0) return undefined;
    const job = await this.#store.formerJobOf(run);
    const [lastByte] = job ? await this.#store.readLog(job.logNumber, job.logBytes - 1, 1) : [];
    const appendix = survivorsLine(survivors, lastByte ?? NEWLINE);
    return () => ({ appendix, loggedAt: this.#now(), changedAt: this.#now() });
  }

  /** What is still to come to the log of an attempt. */
  async #endOfLog(job: Job | undefined, end: LogEnd): Promise<Uint8Array> {
    if (!job) return new Uint8Array();
    const [lastByte] = await this.#store.readLog(job.logNumber, job.logBytes - 1, 1);
    return logEnd(end, lastByte ?? NEWLINE);
  }

  #update(
    number: number,
    state: State,
    changes: (job: Job) => JobChanges,
    durability: Durability,
    pace?: Pace,
  ): Promise<Job | undefined> {
    return this.#store.update(number, { state }, changes, durability, pace);
  }
}

/** One that no other queue has. */
export function newIdentity(): string {
  return `q${crypto.randomUUID().replaceAll("-", "").slice(0, 16)}`;
}

const NEWLINE = 10;
const WRITE_BITS = 0o222;

function refuse(kind: Refusal["kind"]): { ok: false; refusal: Refusal } {
  return { ok: false, refusal: { kind } };
}
