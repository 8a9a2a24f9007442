import type { DatabaseSync } from "node:sqlite";
import { dirname } from "node:path";
import { readAt } from "../../sys/files/file.ts";
import { factsAt, FILE_MODE } from "./own_files.ts";
import { checkpoint } from "./schema.ts";

const DIRECTORY_MODE = 0o700;
const COPIED_BYTES = 1_048_576;

/**
 * Writes a database whose file was removed to the place where that was; beside it, if another file is there
 * by now.
 * @param fd The file, which is there for as long as it is open.
 * @returns Where it is. The file is whole and on disk: it comes to its place in one step.
 * @throws If there is no room, or the place can't be written; or `StoreError`, if somebody reads the
 * database.
 */
export function writeBack(database: DatabaseSync, fd: number, path: string): string {
  const stamp = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, "");
  const unfinished = `${path}.unfinished-${stamp}`;
  // Now all is in the file. What the log's name leads to would be taken for newer, and is empty.
  checkpoint(database);
  Deno.mkdirSync(dirname(path), { recursive: true, mode: DIRECTORY_MODE });
  copy(fd, unfinished);
  const place = factsAt(path) ? `${path}.saved-${stamp}` : path;
  Deno.renameSync(unfinished, place);
  using directory = Deno.openSync(dirname(path));
  directory.syncSync();
  return place;
}

function copy(fd: number, to: string) {
  using file = Deno.openSync(to, { write: true, createNew: true, mode: FILE_MODE });
  const buffer = new Uint8Array(COPIED_BYTES);
  for (let copied = 0, count; (count = readAt(fd, buffer, copied)) > 0; copied += count) {
    for (let written = 0; written < count;) written += file.writeSync(buffer.subarray(written, count));
  }
  file.syncSync();
}
