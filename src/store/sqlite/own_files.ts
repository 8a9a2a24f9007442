import { dirname } from "node:path";
import { ErrnoError } from "../../sys/errno.ts";
import { factsOf, type FileFacts } from "../../sys/files/facts.ts";
import { close, openOrMake, openPathItself } from "../../sys/files/file.ts";
import { isOpenToAll, isOurs, nameOwner, othersMayWrite, printMode } from "../../sys/files/ownership.ts";
import { StoreError } from "../store.ts";

/** What SQLite keeps beside a database, and reads when it opens that. */
const BESIDE = ["-wal", "-shm", "-journal"] as const;
/** Others must not read the commands. SQLite gives its -wal the mode of the database. */
export const FILE_MODE = 0o600;

/**
 * Whatever is written there runs, so nobody else may have written it.
 * @param path For the message.
 * @throws {StoreError}
 */
export function requireOwn(facts: FileFacts, path: string): void {
  if (!facts.isRegular) throw refused(path, "it is not a regular file; name another one with --state");
  if (!isOurs(facts)) {
    throw refused(
      path,
      `it belongs to ${nameOwner(facts)}, who can write what runs; ` +
        "run filed as the file's owner, or name another file with --state",
    );
  }
  if (othersMayWrite(facts)) {
    throw refused(
      path,
      `others may write it (its mode is ${printMode(facts)}), and so what runs; ` +
        `chmod go-w ${path} if you know what is in it, or name another file with --state`,
    );
  }
}

/**
 * Sees that nobody else has written, or can make, what SQLite reads beside a state file. Where everybody may
 * make files, those that are missing are made, for they can't be replaced there: SQLite takes an empty one
 * for none.
 * @returns What removes those of them that SQLite leaves alone, once the database is closed.
 * @throws {StoreError}
 */
export function guardBeside(path: string): Disposable {
  using made = new DisposableStack();
  const directory = factsAt(dirname(path));
  const isOpen = directory !== undefined && isOpenToAll(directory);
  for (const beside of BESIDE.map((suffix) => path + suffix)) {
    const facts = factsAt(beside);
    if (facts) requireOwn(facts, beside);
    if (facts || !isOpen) continue;
    const fd = openOrMake(beside, FILE_MODE);
    made.defer(() => removeIfEmpty(beside));
    try {
      requireOwn(factsOf(fd), beside); // Another user may have been faster.
    } finally {
      close(fd);
    }
  }
  return made.move();
}

/**
 * What is known of a file, or of the symbolic link that is there.
 * @returns `undefined` if nothing is there.
 */
export function factsAt(path: string): FileFacts | undefined {
  let fd: number;
  try {
    fd = openPathItself(path);
  } catch (error) {
    if (error instanceof ErrnoError && error.is("ENOENT")) return undefined;
    throw error;
  }
  try {
    return factsOf(fd);
  } finally {
    close(fd);
  }
}

/** Whether a file is the one at a path. */
export function isAt(path: string, { inode, device }: FileFacts): boolean {
  const there = factsAt(path);
  return there?.inode === inode && there.device === device;
}

function removeIfEmpty(path: string) {
  try {
    if (Deno.lstatSync(path).size === 0) Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Why a state file is not opened. @param why What is wrong, and what to do. */
export function refused(path: string, why: string, cause?: unknown): StoreError {
  return new StoreError("unavailable", `Cannot open the state file ${path}: ${why}`, { cause });
}
