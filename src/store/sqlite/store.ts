import type { FileNo, JobNo } from "../../job/id.ts";
import type { DatabaseSync } from "node:sqlite";
import { type Attempt, attemptKey, type RunToken, type RunTraces } from "../../job/attempt.ts";
import type { Dependency } from "../../job/dependencies.ts";
import type { Asks } from "../../job/header.ts";
import type { Active, Job, Ownership, Pending } from "../../job/job.ts";
import type { LockObstacle } from "../../job/locks.ts";
import { mayReserve, obstacles, type Surroundings } from "../../job/obstacles.ts";
import { type Bytes, Pieces } from "../../job/pieces.ts";
import { FreeSlots, NO_USE, type Pools, type Use } from "../../job/pools.ts";
import type { Share, Usage } from "../../job/shares.ts";
import type { State } from "../../job/state.ts";
import { must } from "../../must.ts";
import { readKernelFile } from "../../sys/files/kernel_files.ts";
import {
  type Circle,
  CircleError,
  type Claim,
  CLAIM_BYTES,
  type Displacing,
  type Doomed,
  type Durability,
  type Expected,
  type JobChanges,
  type Listed,
  type LogPosition,
  type NewJob,
  type Renamed,
  type RunBook,
  type Store,
} from "../store.ts";
import { attemptOf } from "./attempts.ts";
import { attemptOfRun, Changes } from "./changes.ts";
import { toStoreError } from "./errors.ts";
import { FreePages } from "./free_pages.ts";
import { type Lock, lockStateFile } from "./lock.ts";
import { isAt } from "./own_files.ts";
import type { RunRow } from "./runs.ts";
import { checkpoint, dropLeftovers, emptyIncomplete, openDatabase } from "./schema.ts";
import { openTables, type Tables } from "./tables.ts";
import { Transactions } from "./transactions.ts";
import { openWalFile } from "./wal_file.ts";
import { writeBack } from "./write_back.ts";

const EMPTY = new Uint8Array();
const PENDING = { state: "pending" } as const;

/** A store in one SQLite file, for one process at a time; other processes may read it (`sqlite3 -readonly`). */
export class SqliteStore implements Store {
  readonly #database: DatabaseSync;
  readonly accountOf: (uid: number) => number;
  readonly #path: string;
  readonly #lock: Lock;
  readonly #now: () => number;
  /** The write-ahead log: it is there for as long as the database is open. */
  readonly #wal: Deno.FsFile;
  readonly #transactions: Transactions;
  readonly #free: FreePages;
  readonly #tables: Tables;
  readonly #changes: Changes;
  /** New jobs that could not be stored, and why. */
  readonly #lost = new Map<JobNo, unknown>();
  #isClosed = false;

  /**
   * Opens the file, and makes it if it is not there.
   * @param now The queue's clock, epoch ms.
   * @param accountOf As of `Store`: always the same for the same id.
   * @throws {StoreError}
   */
  static open(
    path: string,
    now: () => number = Date.now,
    accountOf: (uid: number) => number = (uid) => uid,
  ): SqliteStore {
    using opening = new DisposableStack();
    const lock = opening.use(lockStateFile(path));
    const database = opening.adopt(openDatabase(path), (database) => database.close());
    try {
      const wal = opening.use(openWalFile(database, `${path}-wal`));
      wal.tryLockSync(true); // See lock.ts.
      const store = new SqliteStore(database, wal, { path, lock, now, accountOf });
      store.#transactions.first(() => {
        dropLeftovers(database, store.#tables.contents);
        emptyIncomplete(database, store.#tables.contents);
        store.#tables.slots.freeOthers((job) => store.#tables.runs.has(job));
        store.#tables.jobs.line.restore((step) => store.#transactions.undo(step));
        store.#tables.jobs.forget();
        store.#tables.jobs.locks.settleAll();
        store.#changes.host = hostNumber(database);
      });
      opening.move();
      return store;
    } catch (error) {
      throw toStoreError(error, `Cannot open the state file ${path}`);
    }
  }

  private constructor(
    database: DatabaseSync,
    wal: Deno.FsFile,
    { path, lock, now, accountOf }: {
      path: string;
      lock: Lock;
      now: () => number;
      accountOf: (uid: number) => number;
    },
  ) {
    this.accountOf = accountOf;
    this.#database = database;
    this.#path = path;
    this.#lock = lock;
    this.#now = now;
    this.#wal = wal;
    this.#transactions = new Transactions(database, wal, () => checkpoint(database));
    this.#free = new FreePages(database);
    this.#tables = openTables(database, this.#transactions, accountOf);
    this.#changes = new Changes(this.#tables, this.#transactions, now);
  }

  now(): number {
    return this.#now();
  }

  /** Nobody else writes the file. */
  watch(): void {}

  /** Stores what was asked for by now: one commit, and one sync, for all that comes about the same time. */
  commit(): void {
    this.#transactions.commit();
  }

  create(job: NewJob, share?: Share): Promise<Pending | undefined> {
    const { jobs, usages } = this.#tables;
    if (jobs.rowById(job.id)) return Promise.resolve(undefined);
    if (share && usages.areUsedUp(job.uid, share, "a-new-job")) return Promise.resolve(undefined);
    return this.#transactions.run("deferred", () => {
      const added = this.#tables.jobs.add(this.#tables.counters.next("job"), job, this.#now());
      this.#transactions.undo((failure) => this.#lost.set(added.number, failure));
      return added.state === "pending" ? added : undefined;
    });
  }

  usageOf(uid: number, what: keyof Usage): Promise<number> {
    return Promise.resolve(this.#tables.usages.of(uid, what));
  }

  forgetUsage(): void {
    this.#tables.usages.forget();
  }

  byId(id: string): Promise<Job | undefined> {
    return Promise.resolve(this.#tables.jobs.byId(id));
  }

  byNo(number: JobNo): Promise<Job | undefined> {
    return Promise.resolve(this.#tables.jobs.byNo(number));
  }

  byFile(file: FileNo): Promise<Job | undefined> {
    const number = this.#tables.jobs.numberOfFile(file);
    return Promise.resolve(number === undefined ? undefined : this.#tables.jobs.byNo(number));
  }

  list(state: State, after: number, limit: number): Promise<Listed[]> {
    return Promise.resolve(this.#tables.listing.names(state, after, limit));
  }

  listJobs(state: State, after: number, limit: number): Promise<{ position: number; job: Job }[]> {
    return Promise.resolve(this.#tables.listing.jobs(state, after, limit));
  }

  count(state: State): Promise<number> {
    return Promise.resolve(this.#tables.listing.count(state));
  }

  readCommand(number: JobNo, version: "written" | "closed"): Promise<Pieces | undefined> {
    const isNothing = version === "closed" && this.#changes.isFirstDraft(number);
    return Promise.resolve(isNothing ? Pieces.EMPTY : this.#tables.jobs.command(number, version));
  }

  update(
    number: JobNo,
    expected: Expected,
    changes: (job: Job, content: () => Pieces) => JobChanges,
    durability: Durability,
  ): Promise<Job | undefined> {
    const job = this.#expect(number, expected);
    if (!job) return this.#refuseLost(number);
    const wanted = changes(job, () => this.#written(number));
    const { dependencies } = wanted;
    if (
      dependencies && dependencies !== "again" && this.#tables.edges.circleOf(job, dependencies) !== "none"
    ) {
      return Promise.reject(new CircleError(`Job ${job.id} would wait for itself`));
    }
    const hold = this.#holdAlone(number, wanted);
    if (hold !== undefined) return Promise.resolve(this.#tables.jobs.hold(number, hold));
    return this.#transactions.run(durability, () => this.#changes.apply(job, wanted));
  }

  updateFile(
    file: FileNo,
    changes: (job: Job, content: () => Pieces) => JobChanges,
    durability: Durability,
  ): Promise<Job | undefined> {
    const number = this.#tables.jobs.numberOfFile(file);
    return number === undefined ? this.#refuseLost(file) : this.update(number, PENDING, changes, durability);
  }

  rename(
    number: JobNo,
    expected: Expected,
    id: string,
    displacing: (other: Job) => Displacing,
    changes: (job: Job, other: Job | undefined, content: () => Pieces) => JobChanges,
  ): Promise<Renamed> {
    return this.#transactions.run("durable", () => {
      const job = this.#expect(number, expected);
      if (!job) return { kind: "missing" };
      const holder = this.#tables.jobs.byId(id);
      const replaced = holder?.number === number ? undefined : holder;
      const content = () => this.#written(number);
      const what = replaced && displacing(replaced);
      if (what === "stays") return { kind: "taken" };
      const wanted = changes(job, replaced, content);
      if (replaced && (what === "is-rewritten" || what === "is-exchanged")) {
        if (this.#tables.edges.circleOfRewrite(replaced, job, wanted) !== "none") return { kind: "circle" };
        if (what === "is-exchanged") {
          return { kind: "exchanged", ...this.#changes.exchange(replaced, job, wanted) };
        }
        const rewritten = this.#changes.rewrite(replaced, job, wanted);
        return { kind: "rewritten", job: rewritten, before: replaced, by: job };
      }
      if (this.#wouldWaitForItself(job, id, wanted)) return { kind: "circle" };
      if (replaced) this.#changes.remove(replaced);
      const renamed = this.#changes.apply(job, wanted, { id });
      const run = this.#tables.runs.of(number);
      if (run && run.id !== id) this.#tables.runs.change(run, { id });
      return { kind: "renamed", job: renamed, replaced };
    });
  }

  dependencies(number: JobNo): Promise<Dependency[]> {
    return Promise.resolve(this.#tables.edges.of(number));
  }

  circleOf(job: { number: JobNo; id: string }, dependencies: readonly Dependency[]): Promise<Circle> {
    return Promise.resolve(this.#tables.edges.circleOf(job, dependencies));
  }

  idsFrom(from: string, limit: number): Promise<{ id: string; number: JobNo }[]> {
    return Promise.resolve(this.#tables.listing.idsFrom(from, limit));
  }

  get hasDue(): boolean {
    return this.#tables.edges.areDue;
  }

  reviewDependants(): void {
    this.#tables.edges.review();
  }

  tellDependants(limit: number, failDependants: boolean): Promise<Doomed[]> {
    return this.#transactions.run("prompt", () => this.#tables.edges.release(limit, failDependants));
  }

  remove(number: JobNo, expected: Expected, durability: Durability): Promise<boolean> {
    return this.#transactions.run(durability, () => {
      const job = this.#expect(number, expected);
      if (job) this.#changes.remove(job);
      return job !== undefined;
    });
  }

  attempt(number: JobNo, ordinal: number): Promise<Attempt | undefined> {
    const run = this.#runOf(number, ordinal);
    if (run) return Promise.resolve(attemptOfRun(run));
    const key = attemptKey(number, ordinal);
    const { attempts, retained } = this.#tables;
    const row = attempts.get(key);
    return Promise.resolve(row ? attemptOf(row) : retained.get(key)?.attempt);
  }

  readLog(number: JobNo, ordinal: number, offset: number, size: number): Promise<Uint8Array> {
    const key = attemptKey(number, ordinal);
    const { attempts, retained, logs } = this.#tables;
    const log = this.#runOf(number, ordinal) ?? attempts.get(key) ?? retained.get(key);
    return Promise.resolve(log ? logs.read(log, offset, size) : EMPTY);
  }

  retainLog(number: JobNo, ordinal: number, reader?: number): AsyncDisposable {
    const account = reader === undefined ? undefined : this.accountOf(reader);
    return this.#tables.retained.retain(attemptKey(number, ordinal), account);
  }

  appendLog(run: RunToken, position: number, bytes: Uint8Array): Promise<boolean> {
    return this.#transactions.run("relaxed", () => {
      const row = this.#tables.runs.byToken(run);
      if (!row || row.isAbandoned) return false;
      if (position > row.bytes) throw new Error("Not so: the owner of a log knows where it ends");
      const added = bytes.subarray(row.bytes - position); // What came before, an earlier try has brought.
      this.#tables.runs.change(row, { ...this.#tables.logs.extend(row, added), loggedAt: this.#now() });
      return true;
    });
  }

  endOfLog(run: RunToken): Promise<LogPosition | undefined> {
    const row = this.#tables.runs.byToken(run);
    const log = row?.isAbandoned ? this.#tables.attempts.get(attemptKey(row.number, row.ordinal)) : row;
    const [lastByte] = log ? this.#tables.logs.read(log, log.bytes - 1, 1) : [];
    return Promise.resolve(log && { bytes: log.bytes, lastByte });
  }

  claim(
    runs: readonly RunToken[],
    header: (command: Bytes, asks: Asks) => Uint8Array,
    room: (uid: number) => number = () => Infinity,
    pools: Pools = {},
  ): Promise<Claim[]> {
    const now = this.#now();
    const isSomeDue = (this.#tables.waiting.next() ?? Infinity) <= now;
    // Asked at each wake-up: where there is nothing, nothing is written, and no disk waited for.
    const isFinal = !isSomeDue && this.#transactions.isReady;
    const found = isFinal ? this.#findReady(runs.length, room, pools, now) : undefined;
    if (found?.length === 0) return Promise.resolve([]);
    return this.#transactions.run("prompt", () => {
      if (isSomeDue) this.#tables.waiting.makeVisible(now);
      const ready = found ?? this.#findReady(runs.length, room, pools, now);
      const claims: Claim[] = [];
      let bytes = 0;
      for (const number of ready) {
        const run = must(runs[claims.length], "no more are found than asked for");
        const claim = this.#changes.start(number, run, header, now);
        claims.push(claim);
        bytes += claim.command.length;
        if (bytes >= CLAIM_BYTES) break;
      }
      return claims;
    });
  }

  usesOf(uid: number, use: Use): Promise<number> {
    return Promise.resolve(this.#tables.jobs.line.usesOf(uid, use));
  }

  replacedBy(number: JobNo): Promise<JobNo[]> {
    const row = this.#tables.jobs.row(number);
    if (!row || row.state !== "pending" || row.lock === null || row.turn === null) return Promise.resolve([]);
    const { uid, lock, turn } = row;
    return Promise.resolve(this.#tables.jobs.locks.replacedBy({ uid, lock, number, turn }));
  }

  settle(
    run: RunToken,
    settle: (job: Active) => JobChanges,
    left?: Uint8Array,
  ): Promise<Job | undefined> {
    return this.#transactions.run("prompt", () => {
      const row = this.#tables.runs.byToken(run);
      if (!row) return undefined;
      const job = row.isAbandoned ? undefined : this.#tables.jobs.byNo(row.number);
      const processes = left === undefined ? "gone" : "left";
      const settled = job?.state === "active"
        ? this.#changes.apply(job, settle(job), { processes })
        : undefined;
      if (left !== undefined && !settled) this.#changes.addToPast(row, left);
      if (left === undefined) this.#forget(run);
      return settled;
    });
  }

  readonly runBook: RunBook = {
    identify: (run: RunToken, traces: RunTraces) =>
      this.#transactions.run("relaxed", () => {
        const row = this.#tables.runs.byToken(run);
        if (row) this.#tables.runs.identify(row, traces);
      }),
    all: () =>
      Promise.resolve(
        this.#tables.runs.all().map(({ run, id, leader, cgroup, uid }) => ({ run, id, leader, cgroup, uid })),
      ),
    forget: (run: RunToken) => this.#transactions.run("prompt", () => this.#forget(run)),
  };

  nextVisibleAt(): Promise<number | undefined> {
    return Promise.resolve(this.#tables.waiting.next());
  }

  nextDeadlineAt(): Promise<number | undefined> {
    return Promise.resolve(this.#tables.waiting.nextDeadline());
  }

  withPriority(after: JobNo, limit: number): Promise<JobNo[]> {
    return Promise.resolve(this.#tables.listing.withPriority(after, limit));
  }

  late(limit: number): Promise<JobNo[]> {
    return Promise.resolve(this.#tables.waiting.late(this.#now(), limit));
  }

  waitFromNow(): Promise<void> {
    return this.#transactions.run("relaxed", () => this.#tables.waiting.waitFrom(this.#now()));
  }

  reserve(counter: string, count: number, start: number): Promise<number> {
    return this.#transactions.run("durable", () => this.#tables.counters.reserve(counter, count, start));
  }

  readSetting(name: string): Promise<string | undefined> {
    return Promise.resolve(this.#tables.settings.read(name)?.value as string | undefined);
  }

  writeSetting(name: string, value: string): Promise<void> {
    return this.#tables.settings.write(name, { value });
  }

  readNode(name: string): Promise<Ownership | undefined> {
    return Promise.resolve(this.#tables.nodes.read(name) as Ownership | undefined);
  }

  writeNode(name: string, { uid, gid, mode }: Ownership): Promise<void> {
    return this.#tables.nodes.write(name, { uid, gid, mode });
  }

  /** Whether the state file is still where it was opened. */
  isInPlace(): boolean {
    return isAt(this.#path, this.#lock.facts);
  }

  /**
   * Writes all that is stored to the path of the state file, once that is no longer there; beside it, if
   * another one is.
   * @returns Where it is now.
   * @throws If it can't be written.
   */
  async writeBack(): Promise<string> {
    await this.#transactions.finish();
    return writeBack(this.#database, this.#lock.fd, this.#path);
  }

  /**
   * Gives some of the room back that is free in the file: a step of some ms.
   * @returns Whether there is more. A file of filed 0.1.0 stays as large as it is.
   */
  async shrink(): Promise<boolean> {
    if (this.#isClosed || !this.#free.areMany) return false;
    await this.#transactions.run("relaxed", () => this.#free.giveBackSome());
    if (this.#isClosed || this.#free.areMany) return !this.#isClosed;
    this.#free.truncateFile();
    return false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#transactions.finish();
    this.#database.close(); // What is beside a file that was moved or replaced, SQLite leaves alone.
    this.#wal.close();
    this.#lock[Symbol.dispose]();
  }

  #written(number: JobNo): Pieces {
    return must(this.#tables.jobs.command(number, "written"), "a job has a command");
  }

  /** Of a job that was answered for, and then could not be stored, its maker hears once. */
  #refuseLost(number: number): Promise<undefined> {
    const failure = this.#lost.get(number);
    this.#lost.delete(number);
    return failure === undefined ? Promise.resolve(undefined) : Promise.reject(failure);
  }

  /** The job, if it is as expected. */
  #expect(number: JobNo, expected: Expected): Job | undefined {
    const job = this.#tables.jobs.byNo(number);
    if (job?.state !== expected.state) return undefined;
    if (expected.file !== undefined && job.file !== expected.file) return undefined;
    const isOfAnother = expected.run !== undefined && job.state === "active" && job.run !== expected.run;
    return isOfAnother ? undefined : job;
  }

  /** Whether a job is to be held, if that is all that the changes come to: of that, nothing is stored. */
  #holdAlone(number: JobNo, { held, content, ...others }: JobChanges): boolean | undefined {
    if (typeof held !== "boolean" || Object.keys(others).length > 0) return undefined;
    const isOfHold = content === undefined || content.is === "as-closed" && !this.#hasDraft(number);
    return isOfHold ? held : undefined;
  }

  #wouldWaitForItself(job: Job, id: string, { dependencies }: JobChanges): boolean {
    const { edges } = this.#tables;
    const circle = dependencies && dependencies !== "again"
      ? edges.circleOf({ number: job.number, id }, dependencies)
      : edges.circleOfRename(job, id);
    return circle !== "none";
  }

  #forget(run: RunToken) {
    const row = this.#tables.runs.byToken(run);
    if (row) this.#tables.runs.remove(row);
  }

  #hasDraft(number: JobNo): boolean {
    return this.#changes.isFirstDraft(number) || this.#tables.jobs.row(number)?.unclosedBytes != null;
  }

  /** The run that is this attempt, if it is under way. */
  #runOf(number: JobNo, ordinal: number): RunRow | undefined {
    const run = this.#tables.runs.of(number);
    return run?.ordinal === ordinal ? run : undefined;
  }

  /** The first jobs in the queue that can start. */
  #findReady(limit: number, room: (uid: number) => number, pools: Pools, now: number): number[] {
    const { jobs, runs, slots } = this.#tables;
    const { heldUp } = jobs.holds;
    const free = new FreeSlots(pools, (pool) => slots.used(pool));
    const around: Surroundings = {
      ...{ heldUp, room, now },
      hasLeftover: (job) => runs.areLeftOf(job),
      lock: (job) => this.#lockObstacle(job),
      pools: (job) => free.obstacles(job.asks.use ?? NO_USE),
    };
    return jobs.line.find(limit, heldUp, room, free, ({ number }) => {
      const job = must(jobs.byNo(number), "a job in line has a row");
      if (job.state !== "pending") return false;
      const found = obstacles(job, around);
      if (job.asks.use && mayReserve(found)) {
        if (found.length === 0) free.take(job.asks.use);
        else free.reserve(job.asks.use);
      }
      return found.length === 0;
    });
  }

  #lockObstacle({ number, uid, asks: { lock } }: Pending): LockObstacle | undefined {
    if (!lock) return undefined;
    const by = this.#tables.slots.holder(uid, lock.name);
    if (by !== undefined) return { kind: "lock", name: lock.name, because: "held", by };
    const isBehind = this.#tables.jobs.row(number)?.behind === 1;
    return isBehind ? { kind: "lock", name: lock.name, because: "behind" } : undefined;
  }
}

/** The number of the host that filed runs on; a new one if there is none of its name. */
function hostNumber(database: DatabaseSync): number {
  const name = readKernelFile("/proc/sys/kernel/hostname").trim();
  const known = database.prepare("SELECT host FROM hosts WHERE name = ?").get(name);
  const row = known ?? database.prepare("INSERT INTO hosts (name) VALUES (?) RETURNING host").get(name);
  return row?.host as number;
}
