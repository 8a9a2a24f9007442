import { ErrnoError } from "../sys/errno.ts";
import { factsOf } from "../sys/facts.ts";
import { close, openOrMake, tryLock } from "../sys/file.ts";
import { readKernelFile } from "../sys/kernel_files.ts";
import { strerror } from "../sys/libc.ts";
import { FILE_MODE, guardBeside, requireOwn } from "./own_files.ts";
import { StoreError } from "./store.ts";

/**
 * Keeps a second daemon off a state file: flock(2) on the file itself, so that no lock file is left behind and the
 * kernel lets go when the holder dies. SQLite's own locks are of another kind (fcntl) and don't mind. Nobody but root
 * and this user may have written the file, or what SQLite keeps beside it.
 *
 * To be closed after the database: closing any descriptor of a file drops its process's fcntl locks.
 * @param path Without a symbolic link at its end.
 * @throws {StoreError} If another process holds it, or the file can't be opened, or trusted.
 */
export function lockStateFile(path: string): Disposable {
  using locking = new DisposableStack();
  const fd = locking.adopt(open(path), close);
  const facts = factsOf(fd);
  requireOwn(facts, path);
  if (!tryLock(fd)) {
    const holder = holderOf(facts.inode);
    throw refused(
      path,
      `another filed uses it${holder ? ` (pid ${holder})` : ""}; ` +
        "stop that one, or name another file with --state",
    );
  }
  locking.use(guardBeside(path));
  return locking.move();
}

function open(path: string): number {
  try {
    return openOrMake(path, FILE_MODE); // Made here, not by SQLite, so that others can't read the commands.
  } catch (error) {
    if (!(error instanceof ErrnoError)) throw error;
    throw refused(path, adviceOn(error), error);
  }
}

function refused(path: string, why: string, cause?: unknown): StoreError {
  return new StoreError("unavailable", `Cannot open the state file ${path}: ${why}`, { cause });
}

function adviceOn(error: ErrnoError): string {
  if (error.is("ENOENT")) {
    return "its directory does not exist; create it, or name another file with --state";
  }
  if (error.is("EACCES")) {
    return "permission denied; run filed as the file's owner, or name another file with --state";
  }
  if (error.is("EISDIR")) return "it is a directory; name a file with --state";
  return `${strerror(error.errno)}; name another file with --state`;
}

/** The process that holds the lock, from /proc/locks, proc_locks(5): `1: FLOCK ADVISORY WRITE 708 fe:00:2321 0 EOF`. */
function holderOf(inode: bigint): string | undefined {
  const locks = readKernelFile("/proc/locks");
  return new RegExp(`FLOCK +ADVISORY +WRITE (\\d+) \\w+:\\w+:${inode} `).exec(locks)?.[1];
}
