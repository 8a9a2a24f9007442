import { DatabaseSync } from "node:sqlite";
import type { Contents } from "./contents.ts";
import { ABLE_TO_SHRINK } from "./free_pages.ts";
import { MIGRATIONS, SCHEMA } from "./migrations.ts";
import { pageBytesOf, walPages } from "./wal_file.ts";
import { requireSound } from "./integrity.ts";
import { StoreError } from "../store.ts";
import { toStoreError } from "./errors.ts";

/** Marks a file as ours: `file(1)` shows it, and no other program's database is taken for one. "fild" in ASCII. */
const APPLICATION_ID = 0x66696c64;

/** Bytes of a page of a new file: what a plain job writes is 40 % of what it is with SQLite's own 4096. */
const PAGE_BYTES = 2_048;

/**
 * Opens a state file and its write-ahead log, fills an empty one, and brings an older one up to date.
 * @throws {StoreError} With what is wrong with the file; it is then as it was.
 */
export function openDatabase(path: string): DatabaseSync {
  requireSound(path);
  using opening = new DisposableStack();
  try {
    const database = opening.use(new DatabaseSync(path, { timeout: 5_000 }));
    const version = versionOf(database, path);
    // To be able to shrink is a matter of new files; asked of any other, SQLite writes, for which there may be no room.
    // synchronous: see syncs.ts. journal_size_limit: a burst leaves a large log, which would never shrink again.
    // page_size first: what follows writes the first page.
    database.exec(`
      ${version === 0 ? `PRAGMA page_size = ${PAGE_BYTES}; ${ABLE_TO_SHRINK}` : ""};
      PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
      PRAGMA journal_size_limit = 33554432; PRAGMA cache_size = -8192;
      PRAGMA wal_autocheckpoint = ${walPages(version === 0 ? PAGE_BYTES : pageBytesOf(database))};
    `);
    if (version < MIGRATIONS.length) migrate(database, version);
    database.exec("SELECT count(*) FROM sqlite_schema"); // Now there is a write-ahead log, also if nothing was written.
    opening.move();
    return database;
  } catch (error) {
    throw toStoreError(error, `Cannot open the state file ${path}`);
  }
}

/** Takes all of the write-ahead log to the database, synced, and empties it. @throws {StoreError} If somebody reads it. */
export function checkpoint(database: DatabaseSync): void {
  const [row] = database.prepare("PRAGMA wal_checkpoint(TRUNCATE)").all();
  if (row?.busy === 0) return;
  throw toStoreError(new Error("database is locked"), "Cannot empty the write-ahead log of the state file");
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
    for (const migration of from === 0 ? [SCHEMA] : MIGRATIONS.slice(from)) database.exec(migration);
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
 * Where that is nothing, what was written is kept, but without a turn: a shell that ignores what close says believes that it
 * has submitted it.
 */
export function dropLeftovers(database: DatabaseSync, contents: Contents) {
  database.exec(`
    UPDATE jobs INDEXED BY jobs_unclosed
      SET command = unclosed, chunks = unclosed_chunks, unclosed_chunks = NULL, turn = NULL, empty = 0
      WHERE unclosed IS NOT NULL AND length(command) = 0 AND chunks IS NULL
        AND (length(unclosed) > 0 OR unclosed_chunks IS NOT NULL)`);
  const inChunks = database.prepare(
    `SELECT chunks, unclosed_chunks AS unclosed FROM jobs INDEXED BY jobs_unclosed
     WHERE unclosed IS NOT NULL AND unclosed_chunks IS NOT NULL`,
  ).all() as Record<"chunks" | "unclosed", string | null>[];
  for (const { chunks, unclosed } of inChunks) contents.free([unclosed], [chunks]);
  database.exec(
    `UPDATE jobs INDEXED BY jobs_unclosed SET unclosed = NULL, unclosed_chunks = NULL WHERE unclosed IS NOT NULL`,
  );
  const kept = database.prepare("SELECT log FROM kept_logs").all();
  const chunks = database.prepare(
    "DELETE FROM logs WHERE chunk BETWEEN (?1 << 32) AND ((?1 << 32) | 0xffffffff)",
  );
  for (const { log } of kept) chunks.run(log as number);
  if (kept.length > 0) database.exec("DELETE FROM kept_logs");
}

/** Leaves empty the jobs whose content was salvaged in part: what is left of it must not run. */
export function emptyIncomplete(database: DatabaseSync, contents: Contents) {
  const jobs = database.prepare(
    "SELECT number, chunks FROM jobs INDEXED BY jobs_in_chunks WHERE chunks IS NOT NULL",
  ).all() as { number: number; chunks: string }[];
  const empty = database.prepare("UPDATE jobs SET chunks = NULL, empty = 1 WHERE number = ?");
  for (const { number, chunks } of jobs) {
    if (contents.isWhole(chunks)) continue;
    contents.free([chunks], []);
    empty.run(number);
  }
}
