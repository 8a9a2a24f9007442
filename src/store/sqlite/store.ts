import type { State } from "../../job/state.ts";
import type { Leftover, RunTraces } from "../../job/attempt.ts";
import type { DatabaseSync } from "node:sqlite";
import { Batch } from "./commits.ts";
import { COLUMNS, fromRow, type Row } from "./job_columns.ts";
import { JobTable, prepareForArrays, type TableChanges } from "./jobs.ts";
import { FreePages } from "./free_pages.ts";
import { openLogFile } from "./wal_file.ts";
import { type Lock, lockStateFile } from "./lock.ts";
import { Numbers } from "./counters.ts";
import { RunTable } from "./runs.ts";
import { checkpoint, dropLeftovers, openDatabase } from "./schema.ts";
import { toStoreError } from "./errors.ts";
import { SmallTable } from "./settings_table.ts";
import { SqliteLogs } from "./logs.ts";
import { WaitingJobs } from "./due.ts";
import { isAt } from "./own_files.ts";
import { writeBack } from "./write_back.ts";
import type {
  Claimed,
  Durability,
  Expected,
  JobChanges,
  JobRecord,
  LogsInUse,
  NewJob,
  NodeRecord,
  Pace,
  Renamed,
  Store,
} from "../store.ts";

/** So many new jobs, at most, are in memory only. */
const UNWRITTEN_JOBS = 64;

/** A store in one SQLite file, for one process at a time; other processes may read it (`sqlite3 -readonly`). */
export class SqliteStore implements Store {
  readonly #database: DatabaseSync;
  readonly #path: string;
  readonly #lock: Lock;
  /** The write-ahead log: it is there for as long as the database is open. */
  readonly #log: Deno.FsFile;
  readonly #batch: Batch;
  readonly #logs: SqliteLogs;
  readonly #free: FreePages;
  readonly #numbers: Numbers;
  readonly #jobs: JobTable;
  readonly #waiting: WaitingJobs;
  readonly #runs: RunTable;
  readonly #statements: ReturnType<typeof prepareStatements>;
  readonly #settings: SmallTable;
  readonly #nodes: SmallTable;
  /** Jobs that were answered for, and then could not be stored. */
  readonly #lost = new Map<number, unknown>();
  #isClosed = false;

  /** Opens the file, and makes it if it is not there. @throws {StoreError} */
  static open(path: string): SqliteStore {
    using opening = new DisposableStack();
    const lock = opening.use(lockStateFile(path));
    const database = opening.adopt(openDatabase(path), (database) => database.close());
    try {
      const log = opening.use(openLogFile(`${path}-wal`));
      log.tryLockSync(true); // See lock.ts.
      const store = new SqliteStore(database, log, { path, lock });
      store.#batch.first(() => {
        store.#jobs.write(); // Jobs may be new by the time that there is room.
        dropLeftovers(database);
        store.#jobs.forget();
      });
      opening.move();
      return store;
    } catch (error) {
      throw toStoreError(error, `Cannot open the state file ${path}`);
    }
  }

  private constructor(
    database: DatabaseSync,
    log: Deno.FsFile,
    { path, lock }: { path: string; lock: Lock },
  ) {
    this.#database = database;
    this.#path = path;
    this.#lock = lock;
    this.#log = log;
    this.#batch = new Batch(database, {
      syncData: () => this.#log.syncData(),
      syncDataNow: () => this.#log.syncDataSync(),
      checkpoint: () => checkpoint(database),
    });
    this.#logs = new SqliteLogs(database);
    this.#free = new FreePages(database);
    this.#numbers = new Numbers(database, this.#batch);
    this.#jobs = new JobTable(database, (number) => this.#numbers.use(number));
    this.#waiting = new WaitingJobs(database, this.#jobs);
    this.#runs = new RunTable(database);
    this.#statements = prepareStatements(database);
    this.#settings = new SmallTable(database, this.#batch, "settings", ["value"]);
    this.#nodes = new SmallTable(database, this.#batch, "nodes", ["uid", "gid", "mode"]);
    this.#batch.participant = {
      write: () => {
        this.#jobs.write();
        this.#runs.write();
      },
      committed: () => {
        this.#jobs.committed();
        this.#runs.committed();
      },
      rolledBack: (failure) => {
        for (const number of this.#jobs.rolledBack()) this.#lost.set(number, failure);
        this.#runs.rolledBack();
      },
    };
  }

  create(job: NewJob): Promise<JobRecord | undefined> {
    if (this.#jobs.find(job.id)) return Promise.resolve(undefined);
    const added = this.#jobs.add(this.#numbers.nextJob(), job);
    if (this.#batch.isSound && this.#jobs.unwrittenCount <= UNWRITTEN_JOBS) return Promise.resolve(added);
    const stored = this.#batch.run("relaxed", () => added);
    stored.catch(() => this.#lost.delete(added.number)); // Nobody was told of it.
    return stored;
  }

  find(id: string): Promise<JobRecord | undefined> {
    return Promise.resolve(this.#jobs.find(id));
  }

  get(number: number): Promise<JobRecord | undefined> {
    return Promise.resolve(this.#jobs.get(number));
  }

  list(state: State, after: number, limit: number): Promise<{ number: number; id: string }[]> {
    this.#write();
    const rows = this.#statements.list.all(state, after, limit);
    return Promise.resolve(rows as unknown as { number: number; id: string }[]);
  }

  listJobs(state: State, after: number, limit: number): Promise<JobRecord[]> {
    this.#write();
    const rows = this.#statements.listJobs.all(state, after, limit) as unknown as Row[];
    return Promise.resolve(rows.map((row) => fromRow(row, this.#jobs.holds.has(row[0])).job));
  }

  count(state: State): Promise<number> {
    this.#write();
    return Promise.resolve(this.#statements.count.get(state)?.jobs as number);
  }

  readCommand(number: number, version: "written" | "closed"): Promise<Uint8Array | undefined> {
    const command = this.#jobs.command(number);
    return Promise.resolve(version === "written" ? command?.unclosed ?? command?.closed : command?.closed);
  }

  update(
    number: number,
    expected: Expected,
    changes: (job: JobRecord) => JobChanges,
    durability: Durability,
    pace?: Pace,
  ): Promise<JobRecord | undefined> {
    const failure = durability === "durable" ? this.#lost.get(number) : undefined;
    if (failure !== undefined) return Promise.reject(failure);
    const job = this.#expect(number, expected);
    if (!job) return Promise.resolve(undefined);
    const wanted = changes(job);
    const hold = this.#holdAlone(number, wanted);
    if (hold !== undefined) return Promise.resolve(this.#jobs.hold(number, hold));
    return this.#batch.run(durability, () => this.#apply(number, wanted), pace);
  }

  rename(
    number: number,
    expected: Expected,
    id: string,
    mayReplace: (other: JobRecord) => boolean,
    changes: (job: JobRecord, replaced: JobRecord | undefined) => JobChanges,
    logsInUse: LogsInUse,
  ): Promise<Renamed> {
    return this.#batch.run("durable", () => {
      const job = this.#expect(number, expected);
      if (!job) return { kind: "missing" };
      const holder = this.#jobs.find(id);
      const other = holder?.number === number ? undefined : holder;
      if (other) {
        if (!mayReplace(other)) return { kind: "taken" };
        this.#delete(other, logsInUse.has(other.logNumber) ? "keep" : "drop");
      }
      const renamed = this.#apply(number, { ...changes(job, other), id }, logsInUse);
      if (renamed.run !== null) this.#runs.rename(renamed.run, id);
      const keptLog = renamed.logNumber === job.logNumber ? undefined : job;
      return { kind: "renamed", job: renamed, replaced: other, keptLog };
    });
  }

  remove(number: number, expected: Expected, log: "drop" | "keep", durability: Durability): Promise<boolean> {
    return this.#batch.run(durability, () => {
      const job = this.#expect(number, expected);
      if (!job) return false;
      this.#delete(job, log);
      return true;
    });
  }

  readLog(logNumber: number, offset: number, size: number): Promise<Uint8Array> {
    return Promise.resolve(this.#logs.read(logNumber, offset, size));
  }

  appendLog(run: string, bytes: Uint8Array, now: number): Promise<void> {
    return this.#batch.run("relaxed", () => {
      const job = this.#jobOf(run);
      if (job) this.#append(job, bytes, now);
    });
  }

  dropLog(logNumber: number): Promise<void> {
    return this.#batch.run("relaxed", () => {
      this.#logs.drop(logNumber);
      this.#statements.forgetKeptLog.run(logNumber);
    });
  }

  claim(
    now: number,
    runs: readonly string[],
    header: (command: Uint8Array) => Uint8Array,
    logsInUse: LogsInUse = NONE_IN_USE,
    admits?: (job: JobRecord) => boolean,
  ): Promise<Claimed[]> {
    const isSomeDue = (this.#nextVisibleAt() ?? Infinity) <= now;
    // Asked at each wake-up: where there is nothing, nothing is written, and no disk waited for.
    const found = isSomeDue || !this.#batch.isReady ? undefined : this.#findReady(runs.length, admits);
    if (found?.length === 0) return Promise.resolve([]);
    return this.#batch.run("prompt", () => {
      if (isSomeDue) this.#waiting.makeVisible(now);
      const ready = found ?? this.#findReady(runs.length, admits);
      return ready.map((number, index) => this.#start(number, runs[index] as string, header, logsInUse, now));
    });
  }

  nextVisibleAt(): Promise<number | undefined> {
    return Promise.resolve(this.#nextVisibleAt());
  }

  waitFromNow(now: number): Promise<void> {
    return this.#batch.run("relaxed", () => this.#waiting.waitFrom(now));
  }

  identify(run: string, traces: RunTraces): Promise<void> {
    this.#runs.identify(run, traces);
    this.#batch.runSoon();
    return Promise.resolve();
  }

  settle(
    run: string,
    settle: (job: JobRecord) => JobChanges,
    left?: (job: JobRecord) => JobChanges,
  ): Promise<JobRecord | undefined> {
    return this.#batch.run("prompt", () => {
      const job = this.#jobOf(run);
      const former = left && !job ? this.#formerJobOf(run) : undefined;
      if (left) this.#runs.outlives(run);
      else this.#runs.remove(run);
      if (former && left) this.#apply(former.number, left(former));
      return job && this.#apply(job.number, settle(job));
    }, "with-others");
  }

  jobOf(run: string): Promise<JobRecord | undefined> {
    return Promise.resolve(this.#jobOf(run));
  }

  formerJobOf(run: string): Promise<JobRecord | undefined> {
    return Promise.resolve(this.#formerJobOf(run));
  }

  runs(): Promise<Leftover[]> {
    return Promise.resolve(this.#runs.all());
  }

  reserve(counter: string, count: number, start: number): Promise<number> {
    return this.#batch.run("durable", () => this.#numbers.reserve(counter, count, start));
  }

  readSetting(name: string): Promise<string | undefined> {
    return Promise.resolve(this.#settings.read(name)?.value as string | undefined);
  }

  writeSetting(name: string, value: string): Promise<void> {
    return this.#settings.write(name, { value });
  }

  readNode(name: string): Promise<NodeRecord | undefined> {
    return Promise.resolve(this.#nodes.read(name) as NodeRecord | undefined);
  }

  writeNode(name: string, { uid, gid, mode }: NodeRecord): Promise<void> {
    return this.#nodes.write(name, { uid, gid, mode });
  }

  /** Whether the state file is still where it was opened. */
  isInPlace(): boolean {
    return isAt(this.#path, this.#lock.facts);
  }

  /**
   * Writes all that is stored to the place of the state file, once that is no longer there; beside it, if
   * another one is.
   * @returns Where it is now.
   * @throws If it can't be written.
   */
  async writeBack(): Promise<string> {
    await this.#finish();
    return writeBack(this.#database, this.#lock.fd, this.#path);
  }

  /**
   * Gives some of the room back that is free in the file: a step of some ms.
   * @returns Whether there is more. A file of filed 0.1.0 stays as large as it is.
   */
  async shrink(): Promise<boolean> {
    if (this.#isClosed || !this.#free.areMany) return false;
    await this.#batch.run("relaxed", () => this.#free.giveBackSome());
    if (this.#isClosed || this.#free.areMany) return !this.#isClosed;
    this.#free.truncateFile();
    return false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#finish();
    this.#database.close(); // What is beside a file that was moved or replaced, SQLite leaves alone.
    this.#log.close();
    this.#lock[Symbol.dispose]();
  }

  async #finish() {
    this.#batch.run("relaxed", () => {}).catch(() => {}); // There may be something that is in memory only.
    await this.#batch.finish();
  }

  /** Has the database know what memory knows, before it is searched. What fails then is in `#lost`. */
  #write() {
    if (this.#jobs.unwrittenCount > 0) this.#batch.run("relaxed", () => this.#jobs.write()).catch(() => {});
  }

  /** The job, if it is as expected. */
  #expect(number: number, expected: Expected): JobRecord | undefined {
    const job = this.#jobs.get(number);
    const isExpected = job?.state === expected.state &&
      (expected.run === undefined || job.run === expected.run);
    return isExpected ? job : undefined;
  }

  /** How a job is to be held, if that is all that the changes come to: of that, nothing is stored. */
  #holdAlone(number: number, { held, unclosed, ...others }: JobChanges): JobChanges["held"] {
    const isAlone = Object.keys(others).length === 0 && !unclosed && this.#jobs.isClosed(number);
    return isAlone ? held : undefined;
  }

  /** What is still the job of a run. */
  #jobOf(run: string): JobRecord | undefined {
    const job = this.#formerJobOf(run);
    return job?.run === run ? job : undefined;
  }

  #formerJobOf(run: string): JobRecord | undefined {
    const number = this.#runs.jobOf(run);
    return number === undefined ? undefined : this.#jobs.get(number);
  }

  #nextVisibleAt(): number | undefined {
    if (this.#waiting.mayFetch) this.#write();
    return this.#waiting.next();
  }

  /** The first jobs in the queue that can start. */
  #findReady(limit: number, admits: ((job: JobRecord) => boolean) | undefined): number[] {
    const { ready } = this.#jobs;
    if (ready.mayFetch) this.#write();
    const busy = this.#runs.busy();
    return ready.find(limit, this.#jobs.placeHeldInLine(), (one) => {
      if (!this.#jobs.isReady(one)) return "gone";
      const job = this.#jobs.get(one.number) as JobRecord;
      return busy.has(job) || admits?.(job) === false ? "passed-over" : "may-start";
    });
  }

  #start(
    number: number,
    run: string,
    header: (command: Uint8Array) => Uint8Array,
    logsInUse: LogsInUse,
    now: number,
  ): Claimed {
    const before = this.#jobs.get(number) as JobRecord;
    const { closed: command } = this.#jobs.command(number) as { closed: Uint8Array };
    this.#runs.add(run, number, before.id);
    const logNumber = this.#newLog(before, logsInUse);
    const head = header(command);
    this.#logs.append(logNumber, 0, head);
    const logged = { logNumber, logBytes: head.length, loggedAt: now };
    const changes = {
      state: "active",
      attempts: before.attempts + 1,
      run,
      changedAt: now,
      ...logged,
    } as const;
    const job = this.#jobs.change(number, changes);
    return { job, run, command, keptLog: logNumber === before.logNumber ? undefined : before };
  }

  /** Drops the log of a job, or keeps it for those who read it. @returns The number of its next one. */
  #newLog({ logNumber, logBytes }: JobRecord, logsInUse: LogsInUse): number {
    if (logBytes === 0) return logNumber;
    if (!logsInUse.has(logNumber)) {
      this.#logs.drop(logNumber);
      return logNumber;
    }
    this.#statements.keepLog.run(logNumber);
    return this.#numbers.nextLog();
  }

  #apply(
    number: number,
    { log, appendix, place, ...others }: JobChanges,
    logsInUse: LogsInUse = NONE_IN_USE,
  ): JobRecord {
    const changes: TableChanges = others;
    const job = this.#jobs.get(number) as JobRecord;
    if (place === "next" || place === "first" && job.place === null) {
      changes.place = this.#numbers.nextPlace();
    } else if (place !== undefined && place !== "first") changes.place = place;
    const logNumber = log === "new" ? this.#newLog(job, logsInUse) : job.logNumber;
    if (log === "new") {
      changes.logNumber = logNumber;
      changes.logBytes = 0;
    }
    if (appendix !== undefined && appendix.length > 0) {
      const position = changes.logBytes ?? job.logBytes;
      this.#logs.append(logNumber, position, appendix);
      changes.logBytes = position + appendix.length;
    }
    return this.#jobs.change(number, changes);
  }

  #append({ number, logNumber, logBytes }: JobRecord, bytes: Uint8Array, now: number) {
    this.#logs.append(logNumber, logBytes, bytes);
    this.#jobs.change(number, { logBytes: logBytes + bytes.length, loggedAt: now });
  }

  #delete({ number, logNumber }: JobRecord, log: "drop" | "keep") {
    this.#jobs.remove(number);
    if (log === "drop") this.#logs.drop(logNumber);
    else this.#statements.keepLog.run(logNumber);
  }
}

const NONE_IN_USE: LogsInUse = { has: () => false };

/** Statements name the index they are for where SQLite's planner would rather walk over all jobs of a state. */
function prepareStatements(database: DatabaseSync) {
  return {
    list: database.prepare(
      "SELECT number, id FROM jobs WHERE state = ? AND number > ? ORDER BY number LIMIT ?",
    ),
    listJobs: prepareForArrays(
      database,
      `SELECT ${COLUMNS} FROM jobs INDEXED BY jobs_by_state WHERE state = ? AND number > ? ORDER BY number LIMIT ?`,
    ),
    count: database.prepare("SELECT count(*) AS jobs FROM jobs WHERE state = ?"),
    keepLog: database.prepare("INSERT INTO kept_logs (number) VALUES (?)"),
    forgetKeptLog: database.prepare("DELETE FROM kept_logs WHERE number = ?"),
  };
}
