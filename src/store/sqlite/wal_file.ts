import { freeBytes } from "../../sys/files/free_space.ts";
import { resourceLimit } from "../../sys/processes/rlimit.ts";

/** SQLite takes what is in the log to the database once it has so many pages, and then begins at its start again. */
export const LOG_PAGES = 1_000;
/**
 * The last transaction before that may make it a little longer. A frame is a header and a page.
 * @see https://sqlite.org/fileformat2.html#the_write_ahead_log
 */
const LOG_BYTES = 32 + (LOG_PAGES + 24) * (24 + 4_096);
/** Where there is less room, all of it is for jobs. */
const ROOMY_BYTES = 16 * LOG_BYTES;
const ZEROS = new Uint8Array(65_536);

/**
 * Opens a database's write-ahead log, to sync it, while SQLite has it open. Where there is room, it is made as long as it will
 * become: to sync what has made a file longer takes twice as long, for the file system writes down the length too. SQLite takes
 * zeros for no frame.
 * @throws What Deno does; the disk may be failing.
 */
export function openLogFile(path: string): Deno.FsFile {
  using opening = new DisposableStack();
  const file = opening.use(Deno.openSync(path, { write: true }));
  // Past its limit, a process gets a signal that ends it (setrlimit(2)).
  if (freeBytes(path) > ROOMY_BYTES && resourceLimit("FSIZE").soft > ROOMY_BYTES) lengthen(file);
  opening.move();
  return file;
}

function lengthen(file: Deno.FsFile) {
  const { size } = file.statSync();
  try {
    file.seekSync(size, Deno.SeekMode.Start);
    for (let length = size; length < LOG_BYTES;) {
      length += file.writeSync(ZEROS.subarray(0, LOG_BYTES - length));
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
