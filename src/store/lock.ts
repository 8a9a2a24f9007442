import { readKernelFile } from "../sys/kernel_files.ts";
import { StoreError } from "./store.ts";

/**
 * Keeps a second daemon off a state file: flock(2) on the file itself, so that no lock file is left behind and the
 * kernel lets go when the holder dies. SQLite's own locks are of another kind (fcntl) and don't mind.
 *
 * To be closed after the database: closing any descriptor of a file drops its process's fcntl locks.
 * @throws {StoreError} If another process holds it, or the file can't be opened.
 */
export function lockStateFile(path: string): Disposable {
  let file: Deno.FsFile;
  try {
    // Made here, not by SQLite, so that others can't read the commands. SQLite gives its -wal the same mode.
    file = Deno.openSync(path, { read: true, write: true, create: true, mode: 0o600 });
  } catch (error) {
    throw new StoreError("unavailable", `Cannot open the state file ${path}: ${adviceOn(error)}`, {
      cause: error,
    });
  }
  const { isFile, ino } = file.statSync();
  if (!isFile) {
    file.close();
    throw new StoreError(
      "unavailable",
      `Cannot open the state file ${path}: it is not a regular file; name another one with --state`,
    );
  }
  if (file.tryLockSync(true)) return { [Symbol.dispose]: () => file.close() };
  const holder = holderOf(ino);
  file.close();
  throw new StoreError(
    "unavailable",
    `Cannot open the state file ${path}: another filed uses it${holder ? ` (pid ${holder})` : ""}; ` +
      `stop that one, or name another file with --state`,
  );
}

function adviceOn(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) {
    return "its directory does not exist; create it, or name another file with --state";
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return "permission denied; run filed as the file's owner, or name another file with --state";
  }
  if (error instanceof Deno.errors.IsADirectory) return "it is a directory; name a file with --state";
  return `${(error as Error).message}; name another file with --state`;
}

/** The process that holds the lock, from /proc/locks, proc_locks(5): `1: FLOCK ADVISORY WRITE 708 fe:00:2321 0 EOF`. */
function holderOf(ino: number | null): string | undefined {
  const locks = readKernelFile("/proc/locks");
  return new RegExp(`FLOCK +ADVISORY +WRITE (\\d+) \\w+:\\w+:${ino} `).exec(locks)?.[1];
}
