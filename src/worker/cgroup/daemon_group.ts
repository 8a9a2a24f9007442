import { Directory } from "../../sys/files/directory.ts";
import { ErrnoError } from "../../sys/errno.ts";
import { factsOf } from "../../sys/files/facts.ts";
import { makeKernelDirectory } from "../../sys/files/kernel_files.ts";
import { removeCgroup } from "./cgroup.ts";
import { unlessRefused } from "../unless_refused.ts";

/** A daemon's group is `filed-`, the identity of its state file, and something random. */
const NAME = /^filed-(q[0-9a-f]+)-[0-9a-f]+$/;
/** As often one is made anew that somebody else has locked before, who takes it for a dead daemon's. */
const TRIES = 10;

/** The identity in the name of a daemon's group; `undefined`: it is not one. */
export function identityOf(path: string): string | undefined {
  return NAME.exec(path.slice(path.lastIndexOf("/") + 1))?.[1];
}

/**
 * The group in which those of one daemon's runs are. It is locked, flock(2), for as long as that daemon
 * lives: whoever can lock it knows that it is nobody's, whatever the namespaces of the two are.
 */
export class DaemonGroup implements Disposable {
  private constructor(readonly path: string, private readonly directory: Directory) {}

  /**
   * @param parent The group in which it is to be.
   * @param identity That of the state file.
   * @throws {ErrnoError} If it can't be made.
   */
  static make(parent: string, identity: string): DaemonGroup {
    for (let tried = 0; tried < TRIES; tried++) {
      const path = `${parent}/filed-${identity}-${crypto.randomUUID().slice(0, 8)}`;
      makeKernelDirectory(path);
      const group = lockedAt(path);
      if (group) return new DaemonGroup(path, group);
      removeCgroup(path);
    }
    throw new ErrnoError("EBUSY", `flock of a group in ${parent}`);
  }

  /**
   * Locks the group that a dead daemon has left.
   * @returns `undefined` if it is gone or can't be opened, or its daemon lives.
   */
  static adopt(path: string): DaemonGroup | undefined {
    const directory = unlessRefused(() => lockedAt(path));
    return directory && new DaemonGroup(path, directory);
  }

  /** Removes it with all in it that has no process. @returns Whether it is gone; then it is unlocked. */
  remove(): boolean {
    if (!removeCgroup(this.path)) return false;
    this[Symbol.dispose]();
    return true;
  }

  /** Unlocks it. */
  [Symbol.dispose](): void {
    this.directory[Symbol.dispose]();
  }
}

/**
 * @returns `undefined` if somebody else has locked it, or it is gone.
 * @throws {ErrnoError} If it can't be opened.
 */
function lockedAt(path: string): Directory | undefined {
  using opening = new DisposableStack();
  try {
    const directory = opening.use(Directory.open(path));
    if (!directory.tryLock()) return undefined;
    using there = Directory.open(path); // Whoever had the lock a moment ago may have removed it.
    if (factsOf(there.fd).inode !== factsOf(directory.fd).inode) return undefined;
    opening.move();
    return directory;
  } catch (error) {
    if (error instanceof ErrnoError && error.is("ENOENT", "ENODEV")) return undefined;
    throw error;
  }
}
