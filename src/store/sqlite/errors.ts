import { StoreError } from "../store.ts";

/**
 * Primary result codes, the low byte of an extended one, and the texts of sqlite3ErrStr(): `exec` reports no code.
 * @see https://sqlite.org/rescode.html
 */
const KINDS: readonly [code: number, text: string, kind: StoreError["kind"]][] = [
  [5, "database is locked", "unavailable"], // SQLITE_BUSY
  [8, "attempt to write a readonly database", "read-only"], // SQLITE_READONLY
  [10, "disk I/O error", "io"], // SQLITE_IOERR
  [11, "database disk image is malformed", "corrupt"], // SQLITE_CORRUPT
  [13, "database or disk is full", "full"], // SQLITE_FULL
  [14, "unable to open database file", "unavailable"], // SQLITE_CANTOPEN
  [26, "file is not a database", "not-filed"], // SQLITE_NOTADB
];

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
  const found = KINDS.find(([code, text]) =>
    errcode === undefined ? text === message : code === (errcode & 0xff)
  );
  const kind = found?.[2] ?? "io";
  const advice = ADVICE[kind];
  return new StoreError(kind, `${tried}: ${message}${advice ? `; ${advice}` : ""}`, { cause: error });
}
