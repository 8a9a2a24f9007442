/**
 * SQLite takes what is in the log to the database once that has 1,000 pages, and begins at its start again; the last
 * transaction before may make it somewhat longer. A frame is a header of 24 bytes and a page.
 * @see https://sqlite.org/fileformat2.html#the_write_ahead_log
 */
const ALLOCATED_BYTES = 32 + 1_024 * (24 + 4_096);
const ZEROS = new Uint8Array(65_536);

/**
 * Opens a database's write-ahead log, which SQLite has opened too, to sync it; and makes it as long as it will become: a sync of what
 * makes a file longer costs twice as much, for the file system writes down its length too. Zeros are no frame to SQLite.
 */
export function openLogFile(path: string): Deno.FsFile {
  const file = Deno.openSync(path, { write: true });
  const lengthBefore = file.statSync().size;
  try {
    lengthen(file, lengthBefore);
  } catch {
    file.truncateSync(lengthBefore); // There is no room for it: what there is, is for jobs.
  }
  return file;
}

function lengthen(file: Deno.FsFile, from: number) {
  file.seekSync(from, Deno.SeekMode.Start);
  for (let length = from; length < ALLOCATED_BYTES;) {
    length += file.writeSync(ZEROS.subarray(0, ALLOCATED_BYTES - length));
  }
  file.syncDataSync();
}
