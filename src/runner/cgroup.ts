import { exists } from "../sys/file.ts";
import {
  listKernelDirectory,
  makeKernelDirectory,
  readKernelFile,
  removeKernelDirectory,
  writeKernelFile,
} from "../sys/kernel_files.ts";
import { unescapeOctal } from "../sys/octal.ts";

/** Groups of runs that ended, while a process that the job detached is in them, are tried again this often. */
const RETRY_MS = 1_000;

/** A run's group is `filed-PID-` and something random: by the daemon's pid a later daemon knows which are nobody's. */
const NAME = /^filed-(\d+)-[\w-]+$/;
/** Groups that are kept for the next runs: to make one and to remove it takes the kernel longer than to start a process. */
const FREE_GROUPS = 64;

/** Where cgroup v2 is, as absolute paths. */
export interface CgroupPlace {
  mountPoint: string;
  /** The daemon's own group. */
  own: string;
}

/**
 * @param mountinfo /proc/self/mountinfo, proc(5)
 * @param membership /proc/self/cgroup, cgroups(7)
 * @returns `undefined` if cgroup v2 is not mounted, or the daemon's group is outside of what is mounted.
 */
export function findCgroups(mountinfo: string, membership: string): CgroupPlace | undefined {
  const path = membership.split("\n").find((line) => line.startsWith("0::"))?.slice("0::".length);
  const mount = mountinfo.split("\n").find((line) => line.split(" - ")[1]?.startsWith("cgroup2 "));
  const [, , , root, mountPoint] = mount?.split(" ").map(unescapeOctal) ?? [];
  if (path === undefined || root === undefined || mountPoint === undefined) return undefined;
  const below = root === "/" ? "" : root;
  if (`${path}/`.startsWith("/../") || !`${path}/`.startsWith(`${below}/`)) return undefined;
  return { mountPoint, own: `${mountPoint}${path.slice(below.length)}`.replace(/\/$/, "") };
}

/** The daemon that a cgroup's path names, if it is one of ours. */
export function daemonPidOf(path: string): number | undefined {
  const [, daemonPid] = NAME.exec(path.slice(path.lastIndexOf("/") + 1)) ?? [];
  return daemonPid === undefined ? undefined : Number(daemonPid);
}

/** Makes and removes the groups of runs, below the daemon's own, where it may. */
export class Cgroups implements Disposable {
  readonly #place: CgroupPlace | undefined;
  readonly #free: string[] = [];
  readonly #left = new Set<string>();
  #triedAt = -Infinity;

  constructor(place: CgroupPlace | undefined) {
    this.#place = place;
  }

  /**
   * A group without processes, for one run.
   * @returns `undefined` where the daemon can't make one; everything works without, if less surely.
   */
  take(): string | undefined {
    if (!this.#place) return undefined;
    const free = this.#free.pop();
    if (free !== undefined) return free;
    const path = `${this.#place.own}/filed-${Deno.pid}-${crypto.randomUUID()}`;
    try {
      makeKernelDirectory(path);
      return path;
    } catch {
      return undefined; // a read-only mount, another user's group, a limit
    }
  }

  /**
   * Takes a run's group back, or removes it later: a job may leave a process that detached itself.
   * @param use Whether it may serve again: not if something was set in it.
   * @returns Whether nothing was left in it.
   */
  release(path: string, use: "again" | "once"): boolean {
    this.#retry();
    if (use === "again" && this.#free.length < FREE_GROUPS && isEmpty(path)) {
      this.#free.push(path);
      return true;
    }
    const isRemoved = removeCgroup(path);
    if (!isRemoved) this.#left.add(path);
    return isRemoved;
  }

  /** Whether `path` is a group of runs; never true of anything that is not a cgroup. */
  isOfRuns(path: string): boolean {
    return this.#place !== undefined && path.startsWith(`${this.#place.mountPoint}/`) &&
      daemonPidOf(path) !== undefined;
  }

  /** The groups beside ours that dead daemons made. */
  listOrphans(): string[] {
    return this.#place === undefined ? [] : listChildren(this.#place.own).filter((path) => {
      const pid = daemonPidOf(path);
      return pid !== undefined && !exists(`/proc/${pid}`);
    });
  }

  /** Removes of the groups those that can be by now. */
  [Symbol.dispose](): void {
    for (const path of this.#free.splice(0)) this.release(path, "once");
    this.#removeLeft();
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
  }
}

/** Ends all of a group at once, also what forks meanwhile. @returns Whether that was possible: not before Linux 5.14. */
export function killCgroup(path: string): boolean {
  try {
    writeKernelFile(`${path}/cgroup.kill`, "1");
    return true;
  } catch {
    return false; // Its processes are in cgroup.procs as well, and signalled one by one.
  }
}

/** The processes of a group and of those below it; none if it is gone. */
export function cgroupPids(path: string): number[] {
  return withDescendants(path).flatMap(processesIn);
}

/** The processes directly in a group; none if it is gone. */
export function processesIn(group: string): number[] {
  try {
    return readKernelFile(`${group}/cgroup.procs`).split("\n").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** Whether a group, and all below it, has no process. */
function isEmpty(path: string): boolean {
  try {
    return /^populated 0$/m.test(readKernelFile(`${path}/cgroup.events`));
  } catch {
    return false;
  }
}

/** @returns Whether it is gone; a group that has a process stays. */
export function removeCgroup(path: string): boolean {
  try {
    for (const group of withDescendants(path).reverse()) removeKernelDirectory(group);
    return true;
  } catch {
    return !exists(path);
  }
}

/** A group and those that the job made below it, parents first. */
function withDescendants(path: string): string[] {
  const groups = [path];
  for (const group of groups) groups.push(...listChildren(group));
  return groups;
}

/** The groups directly below one; none if it is gone. */
function listChildren(path: string): string[] {
  try {
    const entries = listKernelDirectory(path);
    return entries.filter(({ isDirectory }) => isDirectory).map(({ name }) => `${path}/${name}`);
  } catch {
    return [];
  }
}
