import type { Attempt, Leftover, RunToken, RunTraces } from "../job/attempt.ts";
import { excessOf, priorityOf, settingsOf } from "../job/caps.ts";
import { type Config, DEFAULT_CONFIG } from "../job/config.ts";
import {
  describeNeverMet,
  hasReferences,
  nameTheSame,
  type References,
  referencesAlone,
} from "../job/dependencies.ts";
import type { Ending } from "../job/ending.ts";
import { type Asks, type Header, NO_ASKS } from "../job/header.ts";
import { backupOf, type FileNo, isDraft, type JobId, type JobNo } from "../job/id.ts";
import type { Job, Ownership, Pending } from "../job/job.ts";
import { concat, type LogEnd, logEnd, logHeader, NEWLINE, survivorsLine } from "../job/log_text.ts";
import { replacedBy } from "../job/locks.ts";
import { changesOfMove, type Move, moveBetween } from "../job/moves.ts";
import { randomStart, shortId } from "../job/new_id.ts";
import { type Bytes, Pieces } from "../job/pieces.ts";
import { faultOfUse, MAX_USES, NO_USE } from "../job/pools.ts";
import { changesOfRewrite } from "../job/rewrite.ts";
import { settle } from "../job/settle.ts";
import { describeUsedUp, isUsedUp, type Share, shareOf, type Submitted, type Usage } from "../job/shares.ts";
import type { State } from "../job/state.ts";
import { judge } from "../job/submission.ts";
import { asksOfRetry, changesOfSubmission } from "../job/submitted.ts";
import { changesOfTimes, type Times } from "../job/times.ts";
import { foreignWriter, type Writers } from "../job/writers.ts";
import {
  type Claim,
  type Displacing,
  type Doomed,
  type Durability,
  type Expected,
  type JobChanges,
  type Listed,
  type LogPosition,
  type Over,
  type Store,
  StoreError,
  UnsyncedError,
} from "../store/store.ts";
import { Counter } from "./counter.ts";
import { bind, type Bound, type Known, type Waited } from "./dependencies.ts";
import { Listeners, type QueueEvent, type QueueListener } from "./events.ts";
import { Placing } from "./placing.ts";
import { SetAside } from "./set_aside.ts";

export { type Bound, type Known, type Waited } from "./dependencies.ts";
export {
  CircleError,
  type Claim,
  CLAIM_BYTES,
  type Listed,
  StoreError,
  UnsyncedError,
} from "../store/store.ts";

/** Why the queue did not do what it was asked; an expected answer, not a fault. */
export type Refusal =
  /** There is no such job (any more). */
  | { kind: "missing" }
  /** Another job has the id. */
  | { kind: "taken" }
  /** Not while the job runs. */
  | { kind: "busy" }
  /** Never. */
  | { kind: "forbidden" }
  /** The owner's share is used up; `reason` says which. */
  | { kind: "share"; reason: string }
  /** The job would wait for itself. */
  | { kind: "circle" };

export type Result<T> = { ok: true; value: T } | { ok: false; refusal: Refusal };

/** Why a job can't ask for what it does; `reason` says what would be right. */
export interface AskingFault {
  /** Of jobs of that owner; of any; or of so many. */
  kind: "not-allowed" | "impossible" | "too-many";
  reason: string;
}

/** A job as it is under its id now, and the one that had that id. */
export interface Moved {
  job: Job;
  replaced: Job | undefined;
}

const PLAIN_END = { droppedBytes: 0, tail: new Uint8Array(), survivors: [] };
const ROOT = 0;
/** So many jobs that are too late are ended by one commit. */
const LATE_AT_ONCE = 100;
const TOO_LATE: Ending = { kind: "not-run", reason: "too late" };
/** So many dependants are told by one commit, about: some ms. */
const TOLD_AT_ONCE = 1_000;
const NOTHING = new Uint8Array();

/** The queue: the jobs, their states and moves. All times are epoch ms. */
export class Queue {
  readonly #store: Store;
  readonly #ownUid: number;
  readonly #listeners: Listeners;
  readonly #placing: Placing;
  readonly #newIds: Counter;
  readonly #aside: SetAside;
  /** Where the logs end of the runs that this process started: it alone writes them. */
  readonly #logEnds = new Map<RunToken, LogPosition>();
  /** Changes of which it is not known yet what they came to: who asks for a job may see them, and nobody is told. */
  readonly #untold = new Set<Promise<unknown>>();
  /** What is still being looked for of what an owner's jobs are to wait for: one at a time, since it can be much. */
  readonly #binding = new Map<number, Promise<unknown>>();
  /** The settings as they were last read; `undefined`: not since they have been written. */
  #known: { stored: string; settings: Partial<Config> } | undefined;

  /** @param ownUid Whose the daemon is: jobs of that user, as root's, are held to no cap. */
  constructor(store: Store, ownUid: number) {
    this.#store = store;
    this.#ownUid = ownUid;
    this.#newIds = new Counter((count) => store.reserve("new-id", count, randomStart()));
    this.#listeners = new Listeners(() => store.now());
    this.#aside = new SetAside(() => store.now());
    this.#placing = new Placing(store, (job, config) => this.#priorityOf(job.asks, job, config));
    store.watch((event) => {
      if (event.kind === "configured") this.#known = undefined;
      this.#listeners.tell(event);
    });
  }

  /** Hears of all that happens to the queue, in the order in which it does. */
  subscribe(listener: QueueListener) {
    this.#listeners.add(listener);
  }

  // What is read, as `Store` has it.

  now(): number {
    return this.#store.now();
  }

  /** As of `Store`. */
  accountOf(uid: number): number {
    return this.#store.accountOf(uid);
  }

  byId(id: string): Promise<Job | undefined> {
    return this.#store.byId(id);
  }

  byNo(number: JobNo): Promise<Job | undefined> {
    return this.#store.byNo(number);
  }

  /** Resolves once all is told, or refused, that was asked for by now. */
  async allTold(): Promise<void> {
    await Promise.allSettled(this.#untold);
  }

  byFile(file: FileNo): Promise<Job | undefined> {
    return this.#store.byFile(file);
  }

  /** When the set of jobs in a state last changed. */
  changedAt(state: State): number {
    return this.#listeners.changedAt(state);
  }

  list(state: State, after: number, limit: number): Promise<Listed[]> {
    return this.#store.list(state, after, limit);
  }

  listJobs(state: State, after: number, limit: number): Promise<{ position: number; job: Job }[]> {
    return this.#store.listJobs(state, after, limit);
  }

  count(state: State): Promise<number> {
    return this.#store.count(state);
  }

  /** The command as last written, of the job that is this file. */
  async command(file: FileNo): Promise<Pieces | undefined> {
    for (let job = await this.byFile(file); job;) {
      const command = await this.#store.readCommand(job.number, "written");
      const after = await this.byFile(file);
      if (after?.number === job.number) return command;
      job = after;
    }
    return undefined;
  }

  attempt(number: JobNo, ordinal: number): Promise<Attempt | undefined> {
    return this.#store.attempt(number, ordinal);
  }

  readLog(number: JobNo, ordinal: number, offset: number, size: number): Promise<Uint8Array> {
    return this.#store.readLog(number, ordinal, offset, size);
  }

  retainLog(number: JobNo, ordinal: number, reader: number): AsyncDisposable {
    return this.#store.retainLog(number, ordinal, reader);
  }

  /**
   * Adds an empty job, held until `release`; it is on disk at the latest with what is saved of it. Where one of that id
   * was set aside just before by who makes it, it is that one again.
   */
  async create(id: JobId, owner: Ownership): Promise<Result<Pending>> {
    const share = this.mayHaveShares ? shareOf(await this.#settings()) : undefined;
    const job = await this.#store.create({ id, ...owner }, share);
    if (!job) {
      const reason = share && !await this.#store.byId(id) &&
        await this.#usedUp(share, owner.uid, "a-new-job");
      return reason ? { ok: false, refusal: { kind: "share", reason } } : refuse("taken");
    }
    this.#listeners.tell({ kind: "created", job });
    const aside = this.#aside.take(id, owner.uid);
    return { ok: true, value: aside ? await this.#continue(aside, job) : job };
  }

  // A file in pending/ is a job's as long as no other is renamed onto that: what is for the file is not for the
  // other, and goes with the file where that is renamed.

  /** Keeps a pending job from starting until `release`. @returns `undefined` if it is not pending any more. */
  hold(file: FileNo): Promise<Job | undefined> {
    return this.#store.updateFile(file, () => ({ held: true }), "relaxed");
  }

  /**
   * Lets the job go that was created or held, as it was last closed.
   * @param how `refused`: that close was refused, though it is stored; the job waits for a word that it may start.
   */
  async release(file: FileNo, how: "closed" | "refused" = "closed"): Promise<void> {
    const content = { is: "as-closed" } as const;
    const changes = { held: false, content, ...how === "refused" ? { turn: null } : {} };
    const stored = this.#store.updateFile(file, () => changes, "relaxed");
    this.#listeners.tell({ kind: "released", file }); // Before it is stored: the claim can share its commit.
    await stored;
  }

  /**
   * Saves a command that is still being written: on disk, but not yet what would run.
   * @param writtenAt Epoch ms of its last write; `undefined`: as stored.
   * @param durability `relaxed`: on disk with what is saved next.
   */
  saveDraft(
    file: FileNo,
    command: Bytes,
    { uids }: Writers,
    writtenAt: number | undefined,
    durability: Durability = "durable",
  ): Promise<Job | undefined> {
    return this.#store.updateFile(file, (job) => ({
      content: { is: "draft", bytes: command },
      foreignWriter: foreignWriter(job, { uids, of: "part" }), // After a crash, the one before may count again.
      writtenAt: writtenAt ?? job.writtenAt,
      changedAt: this.now(),
    }), durability);
  }

  /**
   * Saves a command as somebody closed it: what would run. With its first content, the job joins the queue.
   * That it is empty, as a shell's `>` has it first, need not be on disk before the answer.
   * @param command `as-saved`: what `saveDraft` has last brought.
   * @param writtenAt Epoch ms of its last write; `undefined`: as stored.
   * @param header Of a command that is no draft, and has one. `dependencies`: what it waits for, if it is not
   * the same as before.
   */
  async saveClosed(
    file: FileNo,
    command: Bytes | "as-saved",
    writers: Writers,
    writtenAt: number | undefined,
    header?: Header & Partial<Waited>,
  ): Promise<Job | undefined> {
    const config = header ? await this.config() : DEFAULT_CONFIG;
    const isEmptied = command !== "as-saved" && command.length === 0;
    const before = isEmptied ? await this.#store.byFile(file) : undefined;
    // With a turn, it may be a draft alone that is empty, of a command that would run still.
    const wasEmpty = before?.state === "pending" && before.commandBytes === 0 && before.turn === null;
    const closed = this.#store.updateFile(file, (before) => {
      const job = { ...before, foreignWriter: foreignWriter(before, writers) };
      const hasNothing = command === "as-saved" ? job.commandBytes === 0 : isEmptied;
      return {
        content: { is: "closed", bytes: command },
        foreignWriter: job.foreignWriter,
        writtenAt: writtenAt ?? job.writtenAt,
        changedAt: this.now(),
        isEmpty: header?.isAlone ?? hasNothing,
        ...hasNothing || isDraft(job.id) ? {} : { turn: "first" },
        // A shell's `>` empties the file first: what it waited for is what the same names stay.
        ...isDraft(job.id)
          ? {}
          : this.#submitted(job, header?.asks ?? (hasNothing ? referencesAlone(job.asks) : NO_ASKS), config),
        ...isDraft(job.id) || hasNothing ? {} : dependenciesOfClose(job, header),
      };
    }, isEmptied && wasEmpty ? "prompt" : "durable");
    const job = await this.#told(closed, changed);
    if (job) await this.#replaceOlder(job);
    return job;
  }

  /**
   * Moves a job to a state, under an id. One that comes to pending is held until `release`, and
   * so are those behind it. One that is renamed onto another in pending rewrites that, and is gone.
   * @param mayReplace Whether that other job of the id may be replaced, if the move is within one directory.
   * @param waited What it is to wait for, if that submits it.
   * @param by The user who moves it: see set_aside.ts.
   */
  async move(
    job: Job,
    to: State,
    id: JobId,
    mayReplace: (other: Job) => boolean,
    waited?: Waited,
    by = job.uid,
  ): Promise<Result<Moved>> {
    const move = moveBetween(job.state, to);
    if (move === "busy" || move === "forbidden") return refuse(move);
    if (move !== "rename" && job.state === "pending" && isDraft(job.id)) return refuse("forbidden");
    const over = await this.#overByHand(move, job);
    const config = await this.config();
    const aside = to === "pending" ? this.#aside.take(id, by) : undefined;
    const moved = await this.#rename(
      job,
      id,
      (other) =>
        move !== "rename" || other.state !== job.state || !mayReplace(other)
          ? "stays"
          : other.state === "pending"
          ? "is-rewritten"
          : "goes",
      (now, replaced, content) => {
        if (now.state === "pending" && replaced?.state === "pending") {
          return this.#rewritten(replaced, now, content, config, waited);
        }
        const former = aside?.file === now.file ? aside.turn : null;
        const changes = changesOfMove(move, now, id, this.now(), former);
        return this.#withAsks(now, changes, content, config, waited);
      },
      over,
    );
    if (moved.ok) {
      if (to === "pending") this.#aside.renamed(job, moved.value.job, by);
      await this.#replaceOlder(moved.value.job);
    }
    return moved;
  }

  /**
   * Gives a job that has just left pending the id that it was to get there, wherever it is.
   * @param mayReplace Whether that job of the id, which waits in pending, may be replaced.
   */
  async renameLate(job: Job, id: JobId, mayReplace: (other: Job) => boolean): Promise<Result<Moved>> {
    for (let current: Job | undefined = job; current; current = await this.#store.byNo(job.number)) {
      const renamed = await this.#rename(
        current,
        id,
        (other) => other.state === "pending" && mayReplace(other) ? "goes" : "stays",
        () => ({ changedAt: this.now() }),
      );
      if (renamed.ok || renamed.refusal.kind === "taken") return renamed;
      // else it has just ended
    }
    return refuse("missing");
  }

  /** Removes a job; what runs of it is ended. */
  async remove(job: Job): Promise<Result<undefined>> {
    // A job that comes back would run again: that must not happen. An old log that comes back is removed again.
    const durability = job.state === "pending" || job.state === "active" ? "durable" : "relaxed";
    const removing = this.#store.remove(job.number, expectedOf(job), durability);
    const isRemoved = await this.#told(removing, (is) => is ? { kind: "removed", job } : undefined);
    return isRemoved ? { ok: true, value: undefined } : refuse("missing");
  }

  /**
   * Owner and mode; the write bits of a job that is not pending stay as they are, for its next time there.
   * @param shown `unclosed`: its text, of which whoever gives it away has seen that, may be taken back to what was
   * closed last. Who owned it till now is somebody else who has written that.
   */
  async setOwnership(
    job: Job,
    { uid, gid, mode }: Partial<Ownership>,
    shown: "closed" | "unclosed" = "closed",
  ): Promise<Job | undefined> {
    const config = await this.config();
    const changing = this.#update(job, (before) => {
      const writers = { uids: new Set(shown === "unclosed" ? [before.uid] : []), of: "part" } as const;
      const job = { ...before, uid: uid ?? before.uid };
      job.foreignWriter = foreignWriter(job, writers);
      return {
        uid: job.uid,
        foreignWriter: job.foreignWriter,
        gid: gid ?? job.gid,
        mode: mode === undefined
          ? job.mode
          : job.state === "pending"
          ? mode
          : mode & ~WRITE_BITS | job.mode & WRITE_BITS,
        ...job.asks.priority === undefined ? {} : { priority: this.#priorityOf(job.asks, job, config) },
        changedAt: this.now(),
      };
    }, "durable");
    return await this.#told(changing, changed);
  }

  /**
   * The times of a file. A pending job's modification time is when it may start.
   * @param waited What it is to wait for, if that submits it.
   */
  async setTimes(job: Job, times: Times, waited?: Waited): Promise<Job | undefined> {
    const config = await this.config();
    const changes = (job: Job, content: () => Pieces) => {
      const changes: JobChanges = changesOfTimes(job, times, this.now());
      const { visibleAt } = changes; // It overrides a start that the header asks for.
      return {
        ...this.#withAsks(job, changes, content, config, waited),
        ...visibleAt === undefined ? {} : { visibleAt },
      };
    };
    const changing = await this.#told(this.#update(job, changes, "durable"), changed);
    if (changing) await this.#replaceOlder(changing);
    return changing;
  }

  /**
   * Takes up to `limit` jobs to run, in order of submission. Two callers never get the same job.
   * @param room How many more jobs of a user may start; `undefined`: any number.
   */
  async claim(limit: number, room?: (uid: number) => number): Promise<Claim[]> {
    const runs = Array.from({ length: limit }, () => crypto.randomUUID());
    const { pools } = await this.config();
    const claims = await this.#store.claim(runs, logHeader, room, pools);
    for (const { job, run } of claims) {
      this.#logEnds.set(run, { bytes: job.log.bytes, lastByte: NEWLINE }); // It begins with a line.
      this.#listeners.tell({ kind: "started", job, run });
    }
    return claims;
  }

  /** To be awaited before a claim: no job is placed by a cap on priorities that is not the settings' any more. */
  placed(): Promise<void> {
    return this.#placing.follow(() => this.config());
  }

  /** When the next job that waits may start. */
  nextVisibleAt(): Promise<number | undefined> {
    return this.#store.nextVisibleAt();
  }

  /** When the next job is too late, that has not started. */
  nextDeadlineAt(): Promise<number | undefined> {
    return this.#store.nextDeadlineAt();
  }

  /** Ends the jobs that were to have started by now: they don't run. */
  async endLate(): Promise<void> {
    const late = await this.#store.late(LATE_AT_ONCE);
    await Promise.all(late.map((number) => this.#endWithoutRun(number, "failed", TOO_LATE)));
  }

  /** Finds the jobs that a job is to wait for. @param known What was found before; what is found is added. */
  async bind(job: Job, asks: References, known: Known): Promise<Bound> {
    const before = this.#binding.get(job.uid);
    const bound = (before ?? Promise.resolve()).then(() => bind(this.#store, job, asks, known));
    const over = bound.catch(() => {});
    this.#binding.set(job.uid, over);
    try {
      return await bound;
    } finally {
      if (this.#binding.get(job.uid) === over) this.#binding.delete(job.uid);
    }
  }

  /** Whether dependants are to be told what has become of what they wait for. */
  get hasDue(): boolean {
    return this.#store.hasDue;
  }

  /** Tells some of the dependants what has become of the jobs that they wait for; who waits in vain does not run. */
  async tellDependants(): Promise<void> {
    const { failDependants } = await this.config();
    const doomed = await this.#store.tellDependants(TOLD_AT_ONCE, failDependants);
    await Promise.all(doomed.map((one) => this.#endDoomed(one)));
  }

  /**
   * Sets right the retries that wait, where the clock shows an earlier time than when their last attempt ended: it was
   * set back, and they wait from now.
   */
  adjustToClock(): Promise<void> {
    return this.#store.waitFromNow();
  }

  identify(run: RunToken, traces: RunTraces): Promise<void> {
    return this.#store.runBook.identify(run, traces);
  }

  async appendLog(run: RunToken, bytes: Uint8Array): Promise<void> {
    const end = this.#logEnds.get(run);
    if (end && await this.#store.appendLog(run, end.bytes, bytes)) this.#logged(run, bytes);
  }

  /**
   * Settles the run's job by how it ended, all of its output logged before. If processes of it are left, no
   * job of its id starts until `forget`, and the log says so, also that of a job that somebody took from the
   * run.
   * @returns The job, unless somebody took it from the run.
   */
  async ended(run: RunToken, end: LogEnd): Promise<Job | undefined> {
    const config = await this.config();
    const lastByte = await this.#lastByte(run);
    const { ending, survivors } = end;
    const left = survivors.length > 0 ? survivorsLine(survivors, lastByte) : undefined;
    const settled = this.#store.settle(run, (job) => {
      const now = this.now();
      return {
        loggedAt: now,
        changedAt: now,
        over: { ending, log: "more", bytes: logEnd(end, lastByte) },
        ...settle(job.attempts, ending, this.settingsOf(job, config), job.asks, now),
      };
    }, left);
    this.#listeners.tell({ kind: "settling", run });
    const job = await settled;
    this.#logEnds.delete(run);
    this.#listeners.tell({ kind: "ended", job, run, ending });
    return job;
  }

  /**
   * Puts the run's job back as if the attempt had not been made: it was stopped, and did not end; or it did
   * not begin.
   * @param survivors Processes of it that are left, as in `ended`; "unknown": there may be some.
   */
  async requeue(run: RunToken, survivors: LogEnd["survivors"] | "unknown" = []): Promise<Job | undefined> {
    const left = survivors === "unknown"
      ? NOTHING
      : survivors.length > 0
      ? survivorsLine(survivors, await this.#lastByte(run))
      : undefined;
    const settled = this.#store.settle(run, (job) => ({
      state: "pending",
      attempts: job.attempts - 1,
      deadlineAt: job.attempts === 1 ? job.asks.deadlineAt ?? null : null,
      changedAt: this.now(),
    }), left);
    this.#listeners.tell({ kind: "settling", run });
    const job = await settled;
    this.#logEnds.delete(run);
    this.#listeners.tell({ kind: "put-back", job, run });
    return job;
  }

  /** The last process of a run is gone, that was left when it ended. */
  async forget(run: RunToken): Promise<void> {
    await this.#store.runBook.forget(run);
    this.#listeners.tell({ kind: "gone", run });
  }

  /** The runs that may still have processes: after a crash, those of the daemon before this. */
  runs(): Promise<Leftover[]> {
    return this.#store.runBook.all();
  }

  async config(): Promise<Config> {
    return { ...DEFAULT_CONFIG, ...await this.#settings() };
  }

  /** The settings of a job's attempt: what it asks for counts, as far as its owner may have that. */
  settingsOf(job: Job, config: Config): Config {
    return job.asks === NO_ASKS ? config : settingsOf(config, job.asks, this.#capsOf(job));
  }

  /**
   * Why a job can't ask for that; `undefined`: it can.
   * @param by Whose it is, and who else has written to it.
   */
  async faultOfAsks(asks: Asks, by: Pick<Job, "uid" | "foreignWriter">): Promise<AskingFault | undefined> {
    const config = await this.config();
    const undeclared = faultOfUse(asks.use ?? NO_USE, config.pools);
    if (undeclared !== undefined) return { kind: "impossible", reason: undeclared };
    const excess = this.#capsOf(by) === "none" ? undefined : excessOf(asks, config);
    if (excess !== undefined) return { kind: "not-allowed", reason: excess };
    if (await this.hasRoomForUse(asks, by.uid)) return undefined;
    return { kind: "too-many", reason: `use: the user's jobs have ${MAX_USES} different ones already` };
  }

  /** Whether one more of that user's jobs can wait for what this one wants of pools. */
  async hasRoomForUse({ use = NO_USE }: Asks, uid: number): Promise<boolean> {
    return use.length === 0 || await this.#store.usesOf(uid, use) <= MAX_USES;
  }

  /**
   * Why a job may not join the queue now, though nothing is wrong with it, in words: its owner's share is used up.
   * Who has joined by now, and who takes the place of one that has, may.
   * @param id That it is to have.
   */
  async excessOfShare({ number, uid }: Job, id: string): Promise<string | undefined> {
    const share = shareOf(await this.#settings());
    if (!share) return undefined;
    const isInLine = (other: Job | undefined) =>
      other?.state === "pending" && other.turn !== null && other.uid === uid;
    if (isInLine(await this.#store.byNo(number)) || isInLine(await this.#store.byId(id))) return undefined;
    return await this.#usedUp(share, uid, "a-draft");
  }

  /** Whether it has to be asked what is left of somebody's share: a plain submission is not to wait for that. */
  get mayHaveShares(): boolean {
    return this.#known === undefined || shareOf(this.#known.settings) !== undefined;
  }

  async configure(settings: Partial<Config>): Promise<void> {
    const written = { ...await this.#settings(), ...settings };
    this.#known = undefined;
    try {
      await this.#told(
        this.#store.writeSetting("config", JSON.stringify(written)),
        () => ({ kind: "configured" }),
      );
    } finally {
      this.#known = undefined;
      this.#store.forgetUsage(); // Who submits next has counted what the settings bound by now.
    }
    if (settings.failDependants === undefined) return;
    this.#store.reviewDependants();
    this.#listeners.tell({ kind: "configured" });
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
      if (!await this.#store.byId(id)) return id;
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
    if (this.#known?.stored !== stored) this.#known = { stored, settings: JSON.parse(stored) };
    return this.#known.settings;
  }

  /** What a move by hand makes of an attempt. */
  async #overByHand(move: Move, job: Job): Promise<Over | undefined> {
    if (job.state === "active" && (move === "abort" || move === "restart")) {
      const ending = { kind: "signaled", signal: "SIGKILL" } as const;
      const bytes = logEnd({ ending, ...PLAIN_END }, await this.#lastByte(job.run));
      return { ending, log: "more", bytes };
    }
    return move === "withdraw" ? await this.#overWithoutRun(job, { kind: "withdrawn" }) : undefined;
  }

  async #overWithoutRun(job: Job, ending: Ending): Promise<Over> {
    const end: LogEnd = { ending, ...PLAIN_END };
    if (job.attempts > 0 && await this.#store.attempt(job.number, job.ordinal)) {
      return { ending, log: "more", bytes: logEnd(end, NEWLINE) };
    }
    // It has not run since it came to pending: a log that it has is of another time, and maybe of another command.
    const command = await this.#store.readCommand(job.number, "closed") ?? Pieces.EMPTY;
    return { ending, log: "new", bytes: concat(logHeader(command, job.asks), logEnd(end, NEWLINE)) };
  }

  /** A job that coalesces has come to its place: those before it for the same lock, which could as well, don't run. */
  async #replaceOlder(job: Job): Promise<void> {
    if (!job.asks.lock?.coalesce || job.state !== "pending" || job.turn === null) return;
    try {
      const older = await this.#store.replacedBy(job.number);
      const ending = { kind: "not-run", reason: replacedBy(job.id) } as const;
      await Promise.all(older.map((number) => this.#endWithoutRun(number, "failed", ending)));
    } catch (error) {
      if (!(error instanceof StoreError)) throw error; // The job itself is stored: those before it run as well.
    }
  }

  async #endDoomed({ number, to, fate, ...dependency }: Doomed): Promise<void> {
    const reason = describeNeverMet(dependency, fate);
    const isForParent = to === "failed" ? { isForParent: true } as const : {};
    await this.#endWithoutRun(number, to, { kind: "not-run", reason, ...isForParent });
  }

  /** A job is not to run, if it waits still. */
  async #endWithoutRun(number: JobNo, to: "complete" | "failed", ending: Ending): Promise<void> {
    const job = await this.#store.byNo(number);
    if (job?.state !== "pending") return;
    const over = await this.#overWithoutRun(job, ending);
    const changes = (now: Job) => ({
      ...changesOfMove("withdraw", now, now.id, this.now()),
      state: to,
      deadlineAt: null,
    });
    await this.#rename(job, job.id, () => "stays", changes, over);
  }

  /** What a submission makes of a job that waits, besides its content. */
  #submitted(job: Job, asks: Asks, config: Config): JobChanges {
    if (job.state !== "pending") return {};
    const isPlaced = (asks.priority ?? job.asks.priority) !== undefined;
    return {
      ...changesOfSubmission(job, asks, this.now()),
      ...isPlaced ? { priority: this.#priorityOf(asks, job, config) } : {},
    };
  }

  /**
   * Changes of a job that somebody moves or touches, with what comes of its header where that submits it or has
   * it tried again: the content says so. What is not sound, since it was never closed, waits on.
   */
  #withAsks(
    job: Job,
    changes: JobChanges,
    content: () => Pieces,
    config: Config,
    waited: Waited | undefined,
  ): JobChanges {
    const isRetried = changes.state === "pending";
    const isSubmitted = job.state === "pending" && job.turn === null && changes.turn != null;
    if (!isRetried && !isSubmitted) {
      if (changes.state !== undefined) return { ...changes, deadlineAt: null };
      if (changes.turn === null && hasReferences(job.asks)) return { ...changes, dependencies: [] }; // A draft.
      return typeof changes.turn === "number"
        ? { ...changes, priority: this.#priorityOf(job.asks, job, config) }
        : changes;
    }
    const submission = job.asks.old ? undefined : judge(content(), "whole", this.now());
    if (isSubmitted && submission?.kind === "refused") return { ...changes, turn: null };
    const header = submission?.kind === "sound" ? submission.header : undefined;
    const asks = header?.asks ?? (job.asks.old ? job.asks : NO_ASKS);
    const isEmpty = header?.isAlone ?? job.commandBytes === 0;
    const dependencies = isRetried ? nameTheSame(asks, job.asks) && "again" : dependenciesOf(asks, waited);
    if (!dependencies) return { ...changes, turn: null }; // It waits for a word, by which its parents are found.
    const isDependant = hasReferences(asks) || hasReferences(job.asks);
    if (isDependant) changes = { ...changes, dependencies };
    const priority = this.#priorityOf(asks, job, config);
    if (isRetried) return { ...changes, isEmpty, asks: asksOfRetry(asks), deadlineAt: null, priority };
    const { visibleAt = null, deadlineAt = null } = job.state === "pending" ? { ...job, ...changes } : {};
    const waiting = { asks: job.asks, attempts: job.attempts, visibleAt, deadlineAt };
    return { ...changes, isEmpty, ...changesOfSubmission(waiting, asks, this.now()), priority };
  }

  async #usedUp(share: Share, uid: number, submitted: Submitted): Promise<string | undefined> {
    for (const what of Object.keys(share) as (keyof Usage)[]) {
      const used = await this.#store.usageOf(uid, what);
      if (isUsedUp(share, what, used, submitted)) return describeUsedUp(what, share);
    }
    return undefined;
  }

  /** What a job that waits becomes, onto which another is renamed. */
  #rewritten(
    job: Pending,
    by: Pending,
    content: () => Pieces,
    config: Config,
    waited: Waited | undefined,
  ): JobChanges {
    const read = () => {
      if (by.asks.old) return { asks: by.asks, isEmpty: false };
      const submission = judge(content(), "whole", this.now());
      if (submission.kind === "refused") return "unsound";
      const { header } = submission;
      return { asks: header?.asks ?? NO_ASKS, isEmpty: header?.isAlone ?? false };
    };
    const rewritten = changesOfRewrite(job, by, read, this.now());
    const { asks } = rewritten;
    const changes: JobChanges = { ...rewritten, priority: this.#priorityOf(asks, by, config) };
    if (isDraft(job.id)) return hasReferences(asks) ? { ...changes, dependencies: [] } : changes;
    if (by.turn !== null || by.commandBytes === 0) return changes; // It waits for what it has waited for.
    const dependencies = dependenciesOf(asks, waited);
    if (!dependencies) return { ...changes, turn: null }; // It waits for a word, by which its parents are found.
    return hasReferences(asks) || hasReferences(job.asks) ? { ...changes, dependencies } : changes;
  }

  /** A job that was set aside goes on with the file that was just made under its id, and that one as its backup. */
  async #continue(aside: Pending, made: Pending): Promise<Pending> {
    const config = await this.config();
    const taken = await this.#rename(
      made,
      backupOf(aside.id),
      (other) => other.state === "pending" && other.file === aside.file ? "is-exchanged" : "stays",
      (made, other, content) => {
        if (made.state !== "pending" || other?.state !== "pending") return {};
        return this.#rewritten(
          { ...other, id: aside.id, turn: aside.turn },
          made,
          content,
          config,
          undefined,
        );
      },
    );
    return taken.ok && taken.value.job.state === "pending" ? taken.value.job : made;
  }

  #priorityOf(asks: Asks, by: Pick<Job, "uid" | "foreignWriter">, config: Config): number {
    return priorityOf(asks, config, this.#capsOf(by));
  }

  /** What somebody else wrote to a job of root is not what root asks for. */
  #capsOf({ uid, foreignWriter }: Pick<Job, "uid" | "foreignWriter">): "held-to" | "none" {
    return [uid, foreignWriter ?? uid].every((uid) => uid === ROOT || uid === this.#ownUid)
      ? "none"
      : "held-to";
  }

  /** Bytes were added at the end of a run's log. */
  #logged(run: RunToken, added: Uint8Array) {
    const end = this.#logEnds.get(run);
    if (!end) return;
    this.#logEnds.set(run, { bytes: end.bytes + added.length, lastByte: added.at(-1) ?? end.lastByte });
  }

  async #lastByte(run: RunToken): Promise<number> {
    const end = this.#logEnds.get(run) ?? await this.#store.endOfLog(run);
    return end?.lastByte ?? NEWLINE;
  }

  /** As `rename` of the store. @param over What becomes of an attempt with it. */
  async #rename(
    before: Job,
    id: string,
    displacing: (other: Job) => Displacing,
    changes: (job: Job, other: Job | undefined, content: () => Pieces) => JobChanges,
    over?: Over,
  ): Promise<Result<Moved>> {
    const all = (job: Job, replaced: Job | undefined, content: () => Pieces) => ({
      ...changes(job, replaced, content),
      ...over ? { over } : {},
    });
    const renaming = this.#store.rename(before.number, expectedOf(before), id, displacing, all);
    const renamed = await this.#told(renaming, (renamed) => {
      if (renamed.kind === "rewritten" || renamed.kind === "exchanged") return renamed;
      if (renamed.kind !== "renamed") return undefined;
      if (over && before.state === "active") this.#logged(before.run, over.bytes);
      return { ...renamed, kind: "moved", before, ending: over?.ending };
    });
    switch (renamed.kind) {
      case "renamed":
        return { ok: true, value: renamed };
      case "rewritten":
        return { ok: true, value: { job: renamed.job, replaced: renamed.before } };
      case "exchanged":
        return { ok: true, value: { job: renamed.job, replaced: renamed.aside } };
      default:
        return refuse(renamed.kind);
    }
  }

  /**
   * Tells of a change, also of one that is made and may not be on disk, of which whoever asked for it hears.
   * @param event What has happened; `undefined`: nothing.
   */
  async #told<Made>(change: Promise<Made>, event: (made: Made) => QueueEvent | undefined): Promise<Made> {
    const telling = this.#tell(change, event);
    this.#untold.add(telling);
    try {
      return await telling;
    } finally {
      this.#untold.delete(telling);
    }
  }

  async #tell<Made>(change: Promise<Made>, event: (made: Made) => QueueEvent | undefined): Promise<Made> {
    const tell = (made: Made) => {
      const happened = event(made);
      if (happened) this.#listeners.tell(happened);
    };
    try {
      const made = await change;
      tell(made);
      return made;
    } catch (error) {
      if (error instanceof UnsyncedError) tell(error.made as Made);
      throw error;
    }
  }

  #update(
    job: Job,
    changes: (job: Job, content: () => Pieces) => JobChanges,
    durability: Durability,
  ): Promise<Job | undefined> {
    const { state, file } = job;
    return this.#store.update(job.number, { state, file }, changes, durability);
  }
}

/** What a job waits for that is closed. */
function dependenciesOfClose(job: Job, header: (Header & Partial<Waited>) | undefined): JobChanges {
  if (header?.dependencies) return { dependencies: header.dependencies };
  return !hasReferences(header?.asks ?? NO_ASKS) && hasReferences(job.asks) ? { dependencies: [] } : {};
}

/** What a job waits for that asks for this; `undefined`: that has not been looked for. */
function dependenciesOf(asks: Asks, waited: Waited | undefined): Waited["dependencies"] | undefined {
  if (!hasReferences(asks)) return [];
  return waited && nameTheSame(waited.asks, asks) ? waited.dependencies : undefined;
}

/** One that no other queue has. */
export function newIdentity(): string {
  return `q${crypto.randomUUID().replaceAll("-", "").slice(0, 16)}`;
}

const WRITE_BITS = 0o222;

function changed(job: Job | undefined): QueueEvent | undefined {
  return job && { kind: "changed", job };
}

/** What a job must still be for a change that was asked of it as it is. */
function expectedOf(job: Job): Expected {
  const { state, file } = job;
  return job.state === "active" ? { state, file, run: job.run } : { state, file };
}

function refuse(kind: Exclude<Refusal["kind"], "share">): { ok: false; refusal: Refusal } {
  return { ok: false, refusal: { kind } };
}
