import { DatabaseSync } from "node:sqlite";
import { ABLE_TO_SHRINK } from "./free_pages.ts";
import { LOG_PAGES } from "./wal_file.ts";
import { requireSound } from "./integrity.ts";
import { StoreError } from "../store.ts";
import { toStoreError } from "./errors.ts";
import { SqliteLogs } from "./logs.ts";

/** Marks a file as ours: `file(1)` shows it, and no other program's database is taken for one. "fild" in ASCII. */
const APPLICATION_ID = 0x66696c64;

/**
 * What takes a file of version N (its index) to N + 1. A released entry never changes; a new one is added.
 *
 * Blobs stand last in a row: SQLite reads a row no further than the last column asked for.
 */
const MIGRATIONS = [
  `
  CREATE TABLE jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL CHECK (state IN ('pending', 'active', 'complete', 'failed')),
    log_bytes INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    place INTEGER,
    visible_at REAL,
    held INTEGER NOT NULL, -- 0: no; 1: open for writing; 2: just moved here
    run TEXT,
    uid INTEGER NOT NULL,
    gid INTEGER NOT NULL,
    mode INTEGER NOT NULL,
    created_at REAL NOT NULL,
    written_at REAL NOT NULL,
    logged_at REAL NOT NULL,
    changed_at REAL NOT NULL,
    accessed_at REAL,
    unclosed BLOB,
    command BLOB NOT NULL DEFAULT x''
  ) STRICT;
  -- Listing: a directory's names in the order of their numbers, without touching the rows.
  CREATE INDEX jobs_by_state ON jobs (state, number, id);
  -- Claiming: what can start now, first in first out.
  CREATE INDEX jobs_ready ON jobs (place)
    WHERE state = 'pending' AND held = 0 AND place IS NOT NULL AND visible_at IS NULL AND length(command) > 0;
  -- What waits for its time.
  CREATE INDEX jobs_waiting ON jobs (visible_at) WHERE state = 'pending' AND visible_at IS NOT NULL;
  CREATE UNIQUE INDEX jobs_by_run ON jobs (run) WHERE run IS NOT NULL;
  CREATE INDEX jobs_held ON jobs (held, place) WHERE held <> 0;

  -- chunk: the job's number << 32 | the position in the log of its first byte.
  CREATE TABLE logs (chunk INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
  -- Logs of removed jobs that somebody still reads.
  CREATE TABLE kept_logs (number INTEGER PRIMARY KEY) STRICT;

  -- Runs whose processes may still live, also of jobs that moved on or were removed.
  CREATE TABLE runs (
    run TEXT PRIMARY KEY,
    number INTEGER NOT NULL,
    id TEXT NOT NULL,
    pid INTEGER,
    start_ticks INTEGER,
    boot_id TEXT,
    cgroup TEXT
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX runs_by_number ON runs (number);
  CREATE INDEX runs_by_id ON runs (id);

  CREATE TABLE counters (name TEXT PRIMARY KEY, next INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE nodes (
    name TEXT PRIMARY KEY, uid INTEGER NOT NULL, gid INTEGER NOT NULL, mode INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
  // Last in the row all the same: it costs nothing as long as it is NULL, as it nearly always is.
  "ALTER TABLE jobs ADD COLUMN foreign_writer INTEGER",
  // Each index that a change touches is a page more to write. A run's job is found through `runs`.
  `
  DROP INDEX IF EXISTS jobs_by_run;
  DROP INDEX IF EXISTS jobs_held;
  CREATE INDEX jobs_held ON jobs (number) WHERE held <> 0;
  CREATE INDEX jobs_in_line ON jobs (place) WHERE held = 2;
  `,
  // What is held is known to the process that holds it; and runs are few.
  `
  DROP INDEX jobs_held;
  DROP INDEX jobs_in_line;
  DROP INDEX jobs_ready;
  DROP INDEX runs_by_number;
  DROP INDEX runs_by_id;
  ALTER TABLE jobs DROP COLUMN held;
  CREATE INDEX jobs_ready ON jobs (place)
    WHERE state = 'pending' AND place IS NOT NULL AND visible_at IS NULL AND length(command) > 0;
  CREATE INDEX jobs_unclosed ON jobs (number) WHERE unclosed IS NOT NULL;
  `,
  // Whom a run's processes run as: NULL for those that an older filed started.
  "ALTER TABLE runs ADD COLUMN uid INTEGER",
  // NULL: the job's own number. The index finds the last one in use, and has a row for none but those.
  `
  ALTER TABLE jobs ADD COLUMN log_number INTEGER;
  CREATE INDEX jobs_by_log ON jobs (log_number) WHERE log_number IS NOT NULL;
  `,
];

/**
 * Opens a state file and its write-ahead log, fills an empty one, and brings an older one up to date.
 * @throws {StoreError} With what is wrong with the file; it is then as it was.
 */
export function openDatabase(path: string): DatabaseSync {
  requireSound(path);
  const database = connect(path);
  try {
    const version = versionOf(database, path);
    // To be able to shrink is a matter of new files; asked of any other, SQLite writes, for which there may be no room.
    // synchronous: see Batch. journal_size_limit: a burst leaves a large log, which would never shrink again.
    database.exec(`
      ${version === 0 ? ABLE_TO_SHRINK : ""};
      PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
      PRAGMA journal_size_limit = 33554432; PRAGMA cache_size = -8192;
      PRAGMA wal_autocheckpoint = ${LOG_PAGES};
    `);
    if (version < MIGRATIONS.length) migrate(database, version);
    database.exec("SELECT count(*) FROM sqlite_schema"); // Now there is a write-ahead log, also if nothing was written.
  } catch (error) {
    database.close();
    if (error instanceof StoreError) throw error;
    throw toStoreError(error, `Cannot open the state file ${path}`);
  }
  return database;
}

/** Takes all of the write-ahead log to the database, synced, and empties it. @throws {StoreError} If somebody reads it. */
export function checkpoint(database: DatabaseSync): void {
  const [row] = database.prepare("PRAGMA wal_checkpoint(TRUNCATE)").all();
  if (row?.busy === 0) return;
  throw toStoreError(new Error("database is locked"), "Cannot empty the write-ahead log of the state file");
}

function connect(path: string): DatabaseSync {
  try {
    return new DatabaseSync(path, { timeout: 5_000 });
  } catch (error) {
    throw toStoreError(error, `Cannot open the state file ${path}`);
  }
}

function versionOf(database: DatabaseSync, path: string): number {
  const pragma = (name: string) => Number(Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0]);
  const applicationId = pragma("application_id");
  const version = pragma("user_version");
  const isEmpty = pragma("schema_version") === 0;
  if (applicationId !== APPLICATION_ID && !isEmpty) {
    throw new StoreError(
      "not-filed",
      `Cannot open the state file ${path}: it is the database of another program; name another file with --state`,
    );
  }
  if (version > MIGRATIONS.length) {
    throw new StoreError(
      "newer",
      `Cannot open the state file ${path}: a newer filed wrote it (version ${version}, this one reads up to ` +
        `${MIGRATIONS.length}); run that filed, or name another file with --state`,
    );
  }
  return version;
}

function migrate(database: DatabaseSync, from: number) {
  database.exec("BEGIN IMMEDIATE");
  try {
    for (const migration of MIGRATIONS.slice(from)) database.exec(migration);
    database.exec(
      `PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${MIGRATIONS.length}; COMMIT`,
    );
  } catch (error) {
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}

/**
 * Takes back what an earlier process left open. A command counts as it was last closed, since one cut short must not run.
 * Where that is nothing, what was written is kept, but without a place in the queue: a shell that ignores what close
 * says believes that it has submitted it.
 */
export function dropLeftovers(database: DatabaseSync) {
  database.exec(`
    UPDATE jobs INDEXED BY jobs_unclosed SET command = unclosed, place = NULL
      WHERE unclosed IS NOT NULL AND length(command) = 0 AND length(unclosed) > 0;
    UPDATE jobs INDEXED BY jobs_unclosed SET unclosed = NULL WHERE unclosed IS NOT NULL`);
  const kept = database.prepare("SELECT number FROM kept_logs").all();
  const logs = new SqliteLogs(database);
  for (const { number } of kept) logs.drop(number as number);
  if (kept.length > 0) database.exec("DELETE FROM kept_logs");
}
