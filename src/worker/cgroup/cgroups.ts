import type { RunToken } from "../../job/attempt.ts";
import { ErrnoError } from "../../sys/errno.ts";
import { exists } from "../../sys/files/file.ts";
import { makeKernelDirectory } from "../../sys/files/kernel_files.ts";
import { type CgroupRoot, isUnpopulated, listGroups, removeCgroup } from "./cgroup.ts";
import { DaemonGroup, identityOf } from "./daemon_group.ts";
import { setRunOf } from "./run_mark.ts";

/** Groups that a run left with a process in them, which the job detached, are tried again this often. */
const RETRY_MS = 1_000;
/**
 * Groups that are kept for the next runs: to make one and to remove it takes the kernel longer than to start
 * a process.
 */
const FREE_GROUPS = 64;

/**
 * For whose runs a group is. Those of the daemon's own user may write in theirs, as in all: what one leaves
 * set there, a limit or a freeze, is for no other user's run.
 */
export type GroupUser = "own" | "other";

/** A run's group of filed 0.1.0, which had its daemon's pid in its name and lay beside the daemon's. */
const OLD_NAME = /^filed-\d+-[\w-]+$/;

/** Makes and removes the groups of runs, in one for all of them below the daemon's own, where it may. */
export class Cgroups implements Disposable {
  readonly #root: CgroupRoot | undefined;
  readonly #identity: string;
  readonly #free: Record<GroupUser, string[]> = { own: [], other: [] };
  readonly #left = new Set<string>();
  /** Groups that dead daemons have left. */
  readonly #orphans = new Map<string, DaemonGroup>();
  #ours: DaemonGroup | undefined;
  #triedAt = -Infinity;

  /** @param identity That of the state file: what dead daemons of the same have left is removed. */
  constructor(root: CgroupRoot | undefined, identity: string) {
    this.#root = root;
    this.#identity = identity;
  }

  /** The group in which those of the runs are; `undefined`: there is none yet. */
  get ours(): string | undefined {
    return this.#ours?.path;
  }

  /**
   * A group without processes, for one run, whose mark it has.
   * @returns `undefined` where the daemon can't make one; everything works without, if less surely.
   * @throws {ErrnoError} If that is for want of something.
   */
  take(user: GroupUser, run: RunToken): string | undefined {
    if (!this.#root) return undefined;
    const kept = this.#free[user];
    for (let free = kept.pop(); free !== undefined; free = kept.pop()) {
      if (setRunOf(free, run)) return free;
      removeCgroup(free); // Whoever may make groups there has removed it.
    }
    try {
      const made = this.#make(this.#root);
      setRunOf(made, run);
      return made;
    } catch (error) {
      if (!(error instanceof ErrnoError)) throw error;
      if (error.is("EMFILE", "ENFILE", "ENOMEM", "ENOSPC")) throw error;
      return undefined; // a read-only mount, another user's group, a limit
    }
  }

  /**
   * Takes a run's group back, or removes it later: a job may leave a process that detached itself.
   * @param use For whom it may serve again: for nobody if something was set in it.
   * @returns Whether nothing was left in it.
   */
  release(path: string, use: GroupUser | "once"): boolean {
    this.#retry();
    if (use !== "once" && this.#free[use].length < FREE_GROUPS && isUnpopulated(path)) {
      this.#free[use].push(path);
      return true;
    }
    const isRemoved = removeCgroup(path);
    if (!isRemoved) this.#left.add(path);
    else this.#removeOrphan(groupOf(path));
    return isRemoved;
  }

  /** Gives up what is kept for runs to come: there may be no room for other groups. */
  spare(): void {
    for (const free of Object.values(this.#free)) {
      for (const path of free.splice(0)) this.release(path, "once");
    }
  }

  /**
   * Whose a path is that the state file has as that of a run's group. "ours": we release it. "another's":
   * that of a daemon that lives, and has the same state file or the original of ours. Anything but a cgroup
   * is nobody's.
   */
  whose(path: string): "ours" | "another's" | "nobody's" {
    if (!this.#root || !path.startsWith(`${this.#root.mountPoint}/`)) return "nobody's";
    const group = groupOf(path);
    if (OLD_NAME.test(path.slice(group.length + 1))) return "ours";
    if (identityOf(group) !== this.#identity) return "nobody's";
    return this.#isAdopted(group) ? "ours" : "another's";
  }

  /**
   * The groups of runs that dead daemons have left, of this state file and beside ours. What can't be opened
   * now is left to the next daemon.
   */
  listOrphans(): string[] {
    if (!this.#root) return [];
    const ofThisState = listGroups(this.#root.own).filter((path) => identityOf(path) === this.#identity);
    for (const path of ofThisState) if (this.#isAdopted(path)) this.#removeOrphan(path);
    return this.#orphans.keys().flatMap((path) => listGroups(path)).toArray();
  }

  /** Removes of the groups those that can be by now. */
  [Symbol.dispose](): void {
    this.spare();
    this.#removeLeft();
    if (this.#ours?.remove() === false) this.#ours[Symbol.dispose]();
    this.#ours = undefined;
    for (const orphan of this.#orphans.values()) orphan[Symbol.dispose]();
    this.#orphans.clear();
  }

  #make({ own }: CgroupRoot): string {
    if (this.#ours && !exists(this.#ours.path)) {
      this.#ours[Symbol.dispose]();
      this.#ours = undefined;
    }
    this.#ours ??= DaemonGroup.make(own, this.#identity);
    const path = `${this.#ours.path}/${crypto.randomUUID()}`;
    makeKernelDirectory(path);
    return path;
  }

  #isAdopted(path: string): boolean {
    if (this.#orphans.has(path)) return true;
    const group = DaemonGroup.adopt(path);
    if (group) this.#orphans.set(path, group);
    return group !== undefined || !exists(path);
  }

  #retry() {
    const now = performance.now();
    if (now - this.#triedAt < RETRY_MS) return;
    this.#triedAt = now;
    this.#removeLeft();
  }

  #removeLeft() {
    for (const left of this.#left) {
      if (removeCgroup(left)) this.#left.delete(left);
    }
    for (const path of this.#orphans.keys()) this.#removeOrphan(path);
  }

  #removeOrphan(path: string) {
    if (this.#orphans.get(path)?.remove()) this.#orphans.delete(path);
  }
}

/** The daemon's, of a run's. */
function groupOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}
