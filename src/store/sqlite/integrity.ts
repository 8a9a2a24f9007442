import { DatabaseSync } from "node:sqlite";
import { toStoreError } from "./errors.ts";
import { StoreError } from "../store.ts";

/** What every SQLite database begins with, https://sqlite.org/fileformat.html. */
const MAGIC = "SQLite format 3\0";
/** A smaller file is looked through whole: some 35 ms. */
const SMALL_BYTES = 64 * 1024 * 1024;

/**
 * Looks for damage before anything is written: through all of a small file, through all but the logs and the chunks of
 * contents of a larger one that was not closed. SQLite itself notices only what it comes across.
 * @throws {StoreError} `corrupt`; the file is as it was.
 */
export function requireSound(path: string): void {
  const { size } = Deno.statSync(path);
  if (size === 0) return;
  const wasClosed = sizeIfThere(`${path}-wal`) === 0; // SQLite removes it at the last close.
  if (size > SMALL_BYTES && wasClosed) return;
  try {
    // Read-only: not even a checkpoint may touch the file.
    using database = new DatabaseSync(path, { readOnly: true, timeout: 5_000 });
    const checks = size > SMALL_BYTES ? smallTables(database).map((table) => `('${table}')`) : ["(1)"];
    for (const check of checks) {
      const found = Object.values(database.prepare(`PRAGMA quick_check${check}`).get() ?? {})[0];
      if (found !== "ok") throw damaged(path, String(found));
    }
  } catch (error) {
    if (error instanceof StoreError) throw error;
    const failure = toStoreError(error, `Cannot open the state file ${path}`);
    const isDamaged = failure.kind === "corrupt" || failure.kind === "not-filed" && beginsWithMagic(path);
    throw isDamaged ? damaged(path, (error as Error).message, error) : failure;
  }
}

function damaged(path: string, found: string, cause?: unknown): StoreError {
  const reason = found.replaceAll(/\s+/g, " ").slice(0, 100);
  return new StoreError(
    "corrupt",
    `Cannot open the state file ${path}: it is damaged (${reason}) and was left as it is; salvage it with sqlite3 ` +
      `(.recover or .dump, see MAINTENANCE in filed(1)), or name another file with --state`,
    { cause },
  );
}

function smallTables(database: DatabaseSync): string[] {
  const rows = database.prepare(
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT IN ('logs', 'contents')",
  ).all();
  return rows.map(({ name }) => String(name));
}

function beginsWithMagic(path: string): boolean {
  using file = Deno.openSync(path);
  const bytes = new Uint8Array(MAGIC.length);
  return file.readSync(bytes) === MAGIC.length && new TextDecoder().decode(bytes) === MAGIC;
}

function sizeIfThere(path: string): number {
  try {
    return Deno.statSync(path).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}
