import { exists } from "../sys/file.ts";
import {
  listKernelDirectory,
  makeKernelDirectory,
  readKernelFile,
  removeKernelDirectory,
  writeKernelFile,
} from "../sys/kernel_files.ts";
import type { RunToken } from "./messages.ts";

/** Groups of runs that ended, while a process that the job detached is in them, are tried again this often. */
const RETRY_MS = 1_000;

/** A run's group is `filed-PID-RUN`, by the daemon's pid, so that a later daemon knows which are nobody's. */
const NAME = /^filed-(\d+)-([\w-]+)$/;

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

/** Space, tab, newline and backslash are written `\040` and so on in mountinfo. */
function unescapeOctal(field: string): string {
  return field.replaceAll(/\\([0-7]{3})/g, (_, digits) => String.fromCharCode(parseInt(digits, 8)));
}

/** The run and the daemon that a cgroup's path names, if it is one of ours. */
export function parseCgroupPath(path: string): { run: RunToken; daemonPid: number } | undefined {
  const [, daemonPid, run] = NAME.exec(path.slice(path.lastIndexOf("/") + 1)) ?? [];
  return run === undefined ? undefined : { run, daemonPid: Number(daemonPid) };
}

/** Makes and removes the groups of runs, below the daemon's own, where it may. */
export class Cgroups implements Disposable {
  readonly #place: CgroupPlace | undefined;
  readonly #left = new Set<string>();
  #triedAt = -Infinity;

  constructor(place: CgroupPlace | undefined) {
    this.#place = place;
  }

  /** @returns `undefined` where the daemon can't make a group; everything works without, if less surely. */
  create(run: RunToken): string | undefined {
    if (!this.#place) return undefined;
    const path = `${this.#place.own}/filed-${Deno.pid}-${run}`;
    try {
      makeKernelDirectory(path);
      return path;
    } catch {
      return undefined; // a read-only mount, another user's group, a limit
    }
  }

  /**
   * Removes a run's group, or does so later: a job may leave a process that detached itself.
   * @returns Whether it is removed, and so nothing was left in it.
   */
  release(path: string): boolean {
    const isRemoved = removeCgroup(path);
    if (!isRemoved) this.#left.add(path);
    this.#retry();
    return isRemoved;
  }

  /** Whether `path` is the group of a run; never true of anything that is not a cgroup. */
  isOf(run: RunToken, path: string): boolean {
    return this.#place !== undefined && path.startsWith(`${this.#place.mountPoint}/`) &&
      parseCgroupPath(path)?.run === run;
  }

  /** The groups beside ours that dead daemons made. */
  listOrphans(): string[] {
    return this.#place === undefined ? [] : listChildren(this.#place.own).filter((path) => {
      const pid = parseCgroupPath(path)?.daemonPid;
      return pid !== undefined && !exists(`/proc/${pid}`);
    });
  }

  /** Removes of the groups that are left those that can be by now. */
  [Symbol.dispose](): void {
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

/** Ends all of a group at once, also what forks meanwhile. Does nothing before Linux 5.14. */
export function killCgroup(path: string): void {
  try {
    writeKernelFile(`${path}/cgroup.kill`, "1");
  } catch {
    // Its processes are in cgroup.procs as well, and signalled one by one.
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
