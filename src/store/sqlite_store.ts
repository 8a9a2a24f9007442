import type { DatabaseSync, StatementSync } from "node:sqlite";
import { Batch } from "./batch.ts";
import { COLUMN_OF, COLUMNS, type Row, toJob } from "./job_row.ts";
import { lockStateFile } from "./lock.ts";
import { Numbers } from "./numbers.ts";
import { dropLeftovers, openDatabase } from "./schema.ts";
import { toStoreError } from "./sqlite_error.ts";
import { SmallTable } from "./small_table.ts";
import { SqliteLogs } from "./sqlite_logs.ts";
import type {
  Claimed,
  Durability,
  Expected,
  JobChanges,
  JobRecord,
  Leader,
  NewJob,
  NodeRecord,
  Pace,
  Renamed,
  RunRecord,
  State,
  Store,
  StoreError,
} from "./store.ts";

/** What is still the job of a run. */
const WHERE_RUN = "WHERE number = (SELECT number FROM runs WHERE run = ?1) AND run = ?1";
const WHERE_DUE = "WHERE state = 'pending' AND visible_at <= ?";
const FROM_READY = `FROM jobs INDEXED BY jobs_ready
  WHERE state = 'pending' AND held = 0 AND place IS NOT NULL AND visible_at IS NULL AND length(command) > 0`;
const SOME_DUE = `SELECT 1 FROM jobs INDEXED BY jobs_waiting ${WHERE_DUE} LIMIT 1`;
const SOME_READY = `SELECT 1 ${FROM_READY} LIMIT 1`;

/**
 * A store in one SQLite file, for one process at a time; other processes may read it (`sqlite3 -readonly`).
 * Statements name the index they are for where SQLite's planner would rather walk over all jobs of a state.
 */
export class SqliteStore implements Store {
  readonly #database: DatabaseSync;
  readonly #lock: Disposable;
  /** The write-ahead log: it is there for as long as the database is open. */
  readonly #log: Deno.FsFile;
  readonly #batch: Batch;
  readonly #logs: SqliteLogs;
  readonly #numbers: Numbers;
  readonly #statements = new Map<string, StatementSync>();
  /** Those that give a job, as an array. */
  readonly #jobStatements = new Map<string, StatementSync>();
  readonly #settings: SmallTable;
  readonly #nodes: SmallTable;
  /** Jobs that were answered for, and then could not be stored. */
  readonly #lost = new Map<number, StoreError>();

  /** Opens the file, and makes it if it is not there. @throws {StoreError} */
  static open(path: string): SqliteStore {
    using opening = new DisposableStack();
    const lock = opening.use(lockStateFile(path));
    const database = opening.adopt(openDatabase(path), (database) => database.close());
    const log = opening.use(Deno.openSync(`${path}-wal`, { write: true }));
    try {
      const store = new SqliteStore(database, log, lock);
      store.#batch.first(() => dropLeftovers(database));
      opening.move();
      return store;
    } catch (error) {
      throw toStoreError(error, `Cannot open the state file ${path}`);
    }
  }

  private constructor(database: DatabaseSync, log: Deno.FsFile, lock: Disposable) {
    this.#database = database;
    this.#lock = lock;
    this.#log = log;
    this.#batch = new Batch(database, {
      syncData: () => this.#log.syncData(),
      syncDataNow: () => this.#log.syncDataSync(),
      checkpoint: () => this.#sql("PRAGMA wal_checkpoint(TRUNCATE)").get(),
    });
    this.#logs = new SqliteLogs(database);
    this.#numbers = new Numbers(database, this.#batch);
    this.#settings = new SmallTable(database, this.#batch, "settings", ["value"]);
    this.#nodes = new SmallTable(database, this.#batch, "nodes", ["uid", "gid", "mode"]);
  }

  create(job: NewJob): Promise<JobRecord | undefined> {
    const { id, held, uid, gid, mode, now } = job;
    const number = this.#numbers.nextJob();
    let created: { job: JobRecord | undefined } | undefined;
    const stored = this.#batch.run("relaxed", () => {
      this.#numbers.use(number);
      const job = this.#job(
        `INSERT INTO jobs (number, id, state, held, uid, gid, mode, created_at, written_at, logged_at, changed_at)
         VALUES (?, ?, 'pending', ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING ${COLUMNS}`,
        [number, id, Number(held), uid, gid, mode, now, now, now, now],
      );
      created = { job };
      return job;
    }, "with-others");
    if (!created || !this.#batch.isSound) return stored;
    stored.catch((failure) => this.#lost.set(number, failure));
    return Promise.resolve(created.job);
  }

  find(id: string): Promise<JobRecord | undefined> {
    return Promise.resolve(this.#job(`SELECT ${COLUMNS} FROM jobs WHERE id = ?`, [id]));
  }

  get(number: number): Promise<JobRecord | undefined> {
    return Promise.resolve(this.#job(`SELECT ${COLUMNS} FROM jobs WHERE number = ?`, [number]));
  }

  list(state: State, after: number, limit: number): Promise<{ number: number; id: string }[]> {
    const rows = this.#sql(
      "SELECT number, id FROM jobs WHERE state = ? AND number > ? ORDER BY number LIMIT ?",
    )
      .all(state, after, limit);
    return Promise.resolve(rows as unknown as { number: number; id: string }[]);
  }

  listJobs(state: State, after: number, limit: number): Promise<JobRecord[]> {
    const statement = this.#jobStatement(
      `SELECT ${COLUMNS} FROM jobs INDEXED BY jobs_by_state WHERE state = ? AND number > ? ORDER BY number LIMIT ?`,
    );
    const rows = statement.all(state, after, limit) as unknown as Row[];
    return Promise.resolve(rows.map(toJob));
  }

  count(state: State): Promise<number> {
    const row = this.#sql("SELECT count(*) AS jobs FROM jobs WHERE state = ?").get(state);
    return Promise.resolve(row?.jobs as number);
  }

  readCommand(number: number, version: "written" | "closed"): Promise<Uint8Array | undefined> {
    const column = version === "written" ? "coalesce(unclosed, command)" : "command";
    const row = this.#sql(`SELECT ${column} AS command FROM jobs WHERE number = ?`).get(number);
    return Promise.resolve(row?.command as Uint8Array | undefined);
  }

  update(
    number: number,
    expected: Expected,
    changes: (job: JobRecord) => JobChanges,
    durability: Durability,
    pace?: Pace,
  ): Promise<JobRecord | undefined> {
    const failure = durability === "durable" ? this.#lost.get(number) : undefined;
    if (failure) return Promise.reject(failure);
    return this.#batch.run(durability, () => {
      const job = this.#expect(number, expected);
      return job && this.#apply(number, changes(job));
    }, pace);
  }

  rename(
    number: number,
    expected: Expected,
    id: string,
    mayReplace: (other: JobRecord) => boolean,
    changes: (job: JobRecord, replaced: JobRecord | undefined) => JobChanges,
    keepLogOf: { has(number: number): boolean },
  ): Promise<Renamed> {
    return this.#batch.run("durable", () => {
      const job = this.#expect(number, expected);
      if (!job) return { kind: "missing" };
      const other = this.#job(`SELECT ${COLUMNS} FROM jobs WHERE id = ? AND number <> ?`, [id, number]);
      if (other) {
        if (other.state !== expected.state || !mayReplace(other)) return { kind: "taken" };
        this.#delete(other.number, keepLogOf.has(other.number) ? "keep" : "drop");
      }
      const renamed = this.#apply(number, { ...changes(job, other), id });
      return { kind: "renamed", job: renamed, replaced: other };
    });
  }

  remove(number: number, expected: Expected, log: "drop" | "keep", durability: Durability): Promise<boolean> {
    return this.#batch.run(durability, () => {
      if (!this.#expect(number, expected)) return false;
      this.#delete(number, log);
      return true;
    });
  }

  readLog(number: number, offset: number, size: number): Promise<Uint8Array> {
    return Promise.resolve(this.#logs.read(number, offset, size));
  }

  appendLog(run: string, bytes: Uint8Array, now: number): Promise<void> {
    return this.#batch.run("relaxed", () => {
      const job = this.#sql(`SELECT number FROM jobs ${WHERE_RUN}`).get(run);
      if (job) this.#append(job.number as number, bytes, now);
    });
  }

  dropLog(number: number): Promise<void> {
    return this.#batch.run("relaxed", () => {
      this.#logs.drop(number);
      this.#sql("DELETE FROM kept_logs WHERE number = ?").run(number);
    });
  }

  claim(
    now: number,
    runs: readonly string[],
    header: (command: Uint8Array) => Uint8Array,
  ): Promise<Claimed[]> {
    // Asked at each wake-up: where there is nothing, nothing is written, and no disk waited for.
    const isSome = !this.#batch.isReady || this.#sql(SOME_DUE).get(now) || this.#sql(SOME_READY).get();
    if (!isSome) return Promise.resolve([]);
    return this.#batch.run("prompt", () => {
      // What became visible joins what is ready, so that the search below never walks over jobs that wait.
      this.#sql(`UPDATE jobs INDEXED BY jobs_waiting SET visible_at = NULL ${WHERE_DUE}`).run(now);
      const ready = this.#sql(`
        SELECT number, id, command ${FROM_READY}
          AND place < coalesce((SELECT min(place) FROM jobs INDEXED BY jobs_in_line WHERE held = 2), 9223372036854775807)
          AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.number = jobs.number)
          AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.id = jobs.id)
        ORDER BY place LIMIT ?`).all(runs.length) as unknown as Ready[];
      return ready.map(({ number, id, command }, index) => {
        const run = runs[index] as string;
        this.#sql("INSERT INTO runs (run, number, id) VALUES (?, ?, ?)").run(run, number, id);
        this.#logs.drop(number);
        const head = header(command);
        this.#logs.append(number, 0, head);
        const job = this.#job(
          `UPDATE jobs SET state = 'active', attempts = attempts + 1, run = ?, log_bytes = ?, logged_at = ?,
           changed_at = ? WHERE number = ? RETURNING ${COLUMNS}`,
          [run, head.length, now, now, number],
        ) as JobRecord;
        return { job, run, command };
      });
    });
  }

  nextVisibleAt(): Promise<number | undefined> {
    const row = this.#sql(
      "SELECT min(visible_at) AS at FROM jobs INDEXED BY jobs_waiting WHERE state = 'pending' AND visible_at IS NOT NULL",
    ).get();
    return Promise.resolve((row?.at ?? undefined) as number | undefined);
  }

  waitFromNow(now: number): Promise<void> {
    return this.#batch.run("relaxed", () => {
      this.#sql(
        `UPDATE jobs INDEXED BY jobs_waiting SET visible_at = visible_at - (logged_at - ?1), logged_at = ?1
         WHERE state = 'pending' AND visible_at IS NOT NULL AND attempts > 0 AND logged_at > ?1`,
      ).run(now);
    });
  }

  identify(run: string, leader: Leader, cgroup: string | undefined): Promise<void> {
    return this.#batch.run("relaxed", () => {
      this.#sql("UPDATE runs SET pid = ?, start_ticks = ?, boot_id = ?, cgroup = ? WHERE run = ?")
        .run(leader.pid, leader.startTicks, leader.bootId, cgroup ?? null, run);
    }, "with-others");
  }

  settle(run: string, settle: (job: JobRecord) => JobChanges): Promise<JobRecord | undefined> {
    return this.#batch.run("prompt", () => {
      const job = this.#job(`SELECT ${COLUMNS} FROM jobs ${WHERE_RUN}`, [run]);
      this.#sql("DELETE FROM runs WHERE run = ?").run(run);
      return job && this.#apply(job.number, settle(job));
    }, "with-others");
  }

  jobOf(run: string): Promise<JobRecord | undefined> {
    return Promise.resolve(this.#job(`SELECT ${COLUMNS} FROM jobs ${WHERE_RUN}`, [run]));
  }

  runs(): Promise<RunRecord[]> {
    const rows = this.#sql("SELECT run, pid, start_ticks, boot_id, cgroup FROM runs").all();
    return Promise.resolve(rows.map((row) => ({
      run: row.run as string,
      leader: row.pid === null ? undefined : {
        pid: row.pid as number,
        startTicks: row.start_ticks as number,
        bootId: row.boot_id as string,
      },
      cgroup: (row.cgroup ?? undefined) as string | undefined,
    })));
  }

  reserve(counter: string, count: number): Promise<number> {
    return this.#batch.run("durable", () => this.#numbers.reserve(counter, count));
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

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#database.isOpen) return;
    await this.#batch.finish();
    this.#log.close();
    this.#database.close();
    this.#lock[Symbol.dispose]();
  }

  #sql(text: string): StatementSync {
    let statement = this.#statements.get(text);
    if (!statement) this.#statements.set(text, statement = this.#database.prepare(text));
    return statement;
  }

  /** @param sql What gives `COLUMNS` of one job or none. */
  #job(sql: string, parameters: (string | number | Uint8Array | null)[]): JobRecord | undefined {
    const row = this.#jobStatement(sql).get(...parameters) as unknown as Row | undefined;
    return row && toJob(row);
  }

  #jobStatement(sql: string): StatementSync {
    let statement = this.#jobStatements.get(sql);
    if (!statement) {
      statement = this.#database.prepare(sql);
      (statement as ArrayStatement).setReturnArrays(true);
      this.#jobStatements.set(sql, statement);
    }
    return statement;
  }

  /** The job, if it is as expected. */
  #expect(number: number, expected: Expected): JobRecord | undefined {
    const job = this.#job(`SELECT ${COLUMNS} FROM jobs WHERE number = ?`, [number]);
    const isExpected = job?.state === expected.state &&
      (expected.run === undefined || job.run === expected.run);
    return isExpected ? job : undefined;
  }

  #apply(number: number, { log, appendix, ...changes }: JobChanges): JobRecord {
    if (log === "new") {
      this.#logs.drop(number);
      this.#sql("UPDATE jobs SET log_bytes = 0 WHERE number = ?").run(number);
    }
    if (appendix !== undefined && appendix.length > 0) this.#append(number, appendix, undefined);
    const sets: string[] = [];
    const values: (string | number | Uint8Array | null)[] = [];
    for (
      const [key, value] of Object.entries(changes) as [keyof typeof COLUMN_OF, string | number | null][]
    ) {
      if (value === undefined) continue;
      const isPlace = key === "place" && typeof value === "string";
      sets.push(isPlace && value === "first" ? "place = coalesce(place, ?)" : `${COLUMN_OF[key]} = ?`);
      values.push(isPlace ? this.#numbers.nextPlace() : key === "held" ? heldOf(value) : value);
    }
    const sql = sets.length === 0
      ? `SELECT ${COLUMNS} FROM jobs WHERE number = ?`
      : `UPDATE jobs SET ${sets.join(", ")} WHERE number = ? RETURNING ${COLUMNS}`;
    return this.#job(sql, [...values, number]) as JobRecord;
  }

  #append(number: number, bytes: Uint8Array, now: number | undefined) {
    const job = this.#sql(
      "UPDATE jobs SET log_bytes = log_bytes + ?, logged_at = coalesce(?, logged_at) WHERE number = ? RETURNING log_bytes",
    ).get(bytes.length, now ?? null, number);
    if (job) this.#logs.append(number, job.log_bytes as number - bytes.length, bytes);
  }

  #delete(number: number, log: "drop" | "keep") {
    this.#sql("DELETE FROM jobs WHERE number = ?").run(number);
    if (log === "drop") this.#logs.drop(number);
    else this.#sql("INSERT INTO kept_logs (number) VALUES (?)").run(number);
  }
}

/** What Deno's types of node:sqlite leave out. */
interface ArrayStatement extends StatementSync {
  /** Has `get` give the values of a row, without their names. */
  setReturnArrays(enabled: boolean): void;
}

function heldOf(held: unknown): number {
  return held === "in-line" ? 2 : held ? 1 : 0;
}

interface Ready {
  number: number;
  id: string;
  command: Uint8Array;
}
