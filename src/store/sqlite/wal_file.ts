import type { DatabaseSync } from "node:sqlite";
import { freeBytes } from "../../sys/files/free_space.ts";
import { resourceLimit } from "../../sys/processes/rlimit.ts";

/** SQLite takes what is in the log to the database once it has so many bytes, and then begins at its start again. */
const WAL_BYTES = 4_096_000;
/** The last transaction before that may make it a little longer. */
const LONGER_PAGES = 24;
/** Of the log, and of each frame in it, https://sqlite.org/fileformat2.html#the_write_ahead_log. */
const [HEADER_BYTES, FRAME_HEADER_BYTES] = [32, 24];
/** Where there is less room than so many times its length, all of it is for jobs. */
const ROOMY = 16;
const ZEROS = new Uint8Array(65_536);

/**
 * Opens a database's write-ahead log, to sync it, while SQLite has it open. Where there is room, it is made as long as it will
 * become: to sync what has made a file longer takes twice as long, for the file system writes down the length too. SQLite takes
 * zeros for no frame.
 * @throws What Deno does; the disk may be failing.
 */
export function openWalFile(database: DatabaseSync, path: string): Deno.FsFile {
  using opening = new DisposableStack();
  const file = opening.use(Deno.openSync(path, { write: true }));
  const pageBytes = pageBytesOf(database);
  const bytes = HEADER_BYTES + (walPages(pageBytes) + LONGER_PAGES) * (FRAME_HEADER_BYTES + pageBytes);
  const room = ROOMY * bytes;
  // Past its limit, a process gets a signal that ends it (setrlimit(2)).
  if (freeBytes(path) > room && resourceLimit("FSIZE").soft > room) lengthen(file, bytes);
  opening.move();
  return file;
}

/** How many pages the log has before SQLite takes it to the database: `wal_autocheckpoint`. */
export function walPages(pageBytes: number): number {
  return WAL_BYTES / pageBytes;
}

export function pageBytesOf(database: DatabaseSync): number {
  return database.prepare("PRAGMA page_size").get()?.page_size as number;
}

function lengthen(file: Deno.FsFile, bytes: number) {
  const { size } = file.statSync();
  try {
    file.seekSync(size, Deno.SeekMode.Start);
    for (let length = size; length < bytes;) {
      length += file.writeSync(ZEROS.subarray(0, bytes - length));
    }
  } catch (error) {
    if (!isFull(error)) throw error;
    file.truncateSync(size); // Others were faster, or there is a quota.
  }
  file.syncDataSync();
}

function isFull(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return code === "ENOSPC" || code === "EDQUOT";
}
