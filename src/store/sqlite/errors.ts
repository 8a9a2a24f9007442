import { StoreError } from "../store.ts";

/** Primary result codes, https://sqlite.org/rescode.html; the low byte of an extended one. */
const KIND_OF: Record<number, StoreError["kind"]> = {
  5: "unavailable", // SQLITE_BUSY
  8: "read-only", // SQLITE_READONLY
  10: "io", // SQLITE_IOERR
  11: "corrupt", // SQLITE_CORRUPT
  13: "full", // SQLITE_FULL
  14: "unavailable", // SQLITE_CANTOPEN
  26: "not-filed", // SQLITE_NOTADB
};

/** `exec` reports no code, so the texts of sqlite3ErrStr() decide there. */
const KIND_OF_TEXT: Record<string, StoreError["kind"]> = {
  "database is locked": "unavailable",
  "attempt to write a readonly database": "read-only",
  "disk I/O error": "io",
  "database disk image is malformed": "corrupt",
  "database or disk is full": "full",
  "unable to open database file": "unavailable",
  "file is not a database": "not-filed",
};

const ADVICE: Partial<Record<StoreError["kind"], string>> = {
  "not-filed": "name another file with --state",
  corrupt: "salvage it with sqlite3 (.recover or .dump, see MAINTENANCE in filed(1))",
  unavailable: "close the program that has it open, or name another file with --state",
  full: "make room on its disk",
  io: "see the kernel's log on the disk that it is on",
  "read-only": "its file or file system cannot be written",
};

export function isSqliteError(error: unknown): boolean {
  return (error as { code?: unknown } | null)?.code === "ERR_SQLITE_ERROR";
}

/** Says what SQLite could not do, as what the caller can do about it; what says it already stays. */
export function toStoreError(error: unknown, tried: string): StoreError {
  if (error instanceof StoreError) return error;
  const { errcode, message } = error as { errcode?: number; message: string };
  const kind = (errcode === undefined ? KIND_OF_TEXT[message] : KIND_OF[errcode & 0xff]) ?? "io";
  const advice = ADVICE[kind];
  return new StoreError(kind, `${tried}: ${message}${advice ? `; ${advice}` : ""}`, { cause: error });
}
