import { ErrnoError } from "../../sys/errno.ts";
import { factsOf, type FileFacts } from "../../sys/files/facts.ts";
import { close, openOrMake, tryLock } from "../../sys/files/file.ts";
import { readKernelFile } from "../../sys/files/kernel_files.ts";
import { strerror } from "../../sys/libc.ts";
import { factsAt, FILE_MODE, guardBeside, refused, requireOwn } from "./own_files.ts";

/** How long a dead daemon's children may take to execute their programs; on a busy machine it is some 100 ms. */
const DYING_MS = 2_000;
/** Between two tries. */
const LOOK_MS = 5;

/**
 * Keeps a second daemon off a state file: flock(2) on the file itself, so that no lock file is left behind
 * and the kernel lets go when the holder dies. SQLite's own locks are of another kind (fcntl) and don't mind.
 * Nobody but root and this user may have written the file, or what SQLite keeps beside it.
 *
 * To be closed after the database: closing any descriptor of a file drops its process's fcntl locks.
 * @param path Without a symbolic link at its end.
 * @throws {StoreError} If another process holds it, or the file can't be opened, or trusted.
 */
export function lockStateFile(path: string): Lock {
  using locking = new DisposableStack();
  const fd = locking.adopt(open(path), close);
  const facts = factsOf(fd);
  requireOwn(facts, path);
  const outcome = lockAfterTheDead(fd, facts);
  if (outcome !== "taken") throw refused(path, reasonOf(outcome, holderOf(facts)));
  locking.use(guardBeside(path));
  requireFreeLog(path);
  const locked = locking.move();
  return { fd, facts, [Symbol.dispose]: () => locked.dispose() };
}

/** A state file that nobody else uses. */
export interface Lock extends Disposable {
  fd: number;
  /** To know it by. */
  facts: FileFacts;
}

/**
 * A daemon whose state file was replaced goes on to use the write-ahead log that is beside the new one.
 * @see SqliteStore, which holds a lock on it.
 */
function requireFreeLog(path: string) {
  const log = `${path}-wal`;
  if (!factsAt(log)) return;
  using closing = new DisposableStack();
  const fd = closing.adopt(open(log), close);
  const facts = factsOf(fd);
  if (lockAfterTheDead(fd, facts) === "taken") return;
  throw refused(
    path,
    `another filed uses ${log}${inWords(holderOf(facts))}, as its state file was replaced; stop that one`,
  );
}

/** Another process has the lock, which took it itself; or has it from one that is gone. */
type Outcome = "taken" | "in use" | "left behind";

/**
 * Takes a lock that a daemon which was killed may still have: a child that it was starting has it too, until
 * that executes its program. Then nothing of the daemon is left that could change what the next one looks
 * for.
 *
 * This thread waits meanwhile, before it serves anything.
 */
function lockAfterTheDead(fd: number, facts: FileFacts): Outcome {
  const deadline = performance.now() + DYING_MS;
  while (!tryLock(fd)) {
    const pid = holderOf(facts);
    if (pid !== undefined && lives(pid)) return "in use";
    if (performance.now() >= deadline) return pid === undefined ? "in use" : "left behind";
    pause(LOOK_MS);
  }
  return "taken";
}

function reasonOf(outcome: Exclude<Outcome, "taken">, holder: number | undefined): string {
  const pid = inWords(holder);
  const found = outcome === "in use"
    ? `another filed uses it${pid}; stop that one`
    : `a process that an earlier filed${pid} was starting has not come to its program, and uses it; ` +
      "end that one (fuser(1) names it)";
  return `${found}, or name another file with --state`;
}

function inWords(holder: number | undefined): string {
  return holder === undefined ? "" : ` (pid ${holder})`;
}

function open(path: string): number {
  try {
    return openOrMake(path, FILE_MODE); // Made here, not by SQLite, so that others can't read the commands.
  } catch (error) {
    if (!(error instanceof ErrnoError)) throw error;
    throw refused(path, adviceOn(error), error);
  }
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
function holderOf({ inode }: FileFacts): number | undefined {
  const locks = readKernelFile("/proc/locks");
  const pid = new RegExp(`FLOCK +ADVISORY +WRITE (\\d+) \\w+:\\w+:${inode} `).exec(locks)?.[1];
  return pid === undefined ? undefined : Number(pid);
}

/** Whether there is such a process, and it has not ended. */
function lives(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readKernelFile(`/proc/${pid}/stat`));
  } catch {
    return false;
  }
}

function pause(ms: number) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)), 0, 0, ms);
}
