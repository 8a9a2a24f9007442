import { ErrnoError } from "../../sys/errno.ts";
import { exists } from "../../sys/files/file.ts";
import {
  listKernelDirectory,
  readKernelFile,
  removeKernelDirectory,
  writeKernelFile,
} from "../../sys/files/kernel_files.ts";
import { unescapeOctal } from "../../sys/files/octal.ts";
import { unlessRefused } from "../unless_refused.ts";

/** Where cgroup v2 is, as absolute paths. */
export interface CgroupRoot {
  mountPoint: string;
  /** The daemon's own group. */
  own: string;
}

/**
 * @param mountinfo /proc/self/mountinfo, proc(5)
 * @param membership /proc/self/cgroup, cgroups(7)
 * @returns `undefined` if cgroup v2 is not mounted, or the daemon's group is outside of what is mounted.
 */
export function findCgroups(mountinfo: string, membership: string): CgroupRoot | undefined {
  const path = membership.split("\n").find((line) => line.startsWith("0::"))?.slice("0::".length);
  const mount = mountinfo.split("\n").find((line) => line.split(" - ")[1]?.startsWith("cgroup2 "));
  const [, , , root, mountPoint] = mount?.split(" ").map(unescapeOctal) ?? [];
  if (path === undefined || root === undefined || mountPoint === undefined) return undefined;
  const below = root === "/" ? "" : root;
  if (`${path}/`.startsWith("/../") || !`${path}/`.startsWith(`${below}/`)) return undefined;
  return { mountPoint, own: `${mountPoint}${path.slice(below.length)}`.replace(/\/$/, "") };
}

/**
 * Ends all of a group at once, also what forks meanwhile.
 * @returns Whether that was possible: not before Linux 5.14.
 */
export function killCgroup(path: string): boolean {
  try {
    writeKernelFile(`${path}/cgroup.kill`, "1");
    return true;
  } catch {
    return false; // Its processes are in cgroup.procs as well, and signalled one by one.
  }
}

/**
 * The processes of a group and of those below it; none if it is gone.
 * @throws {ErrnoError} If that can't be known.
 */
export function cgroupPids(path: string): number[] {
  return withDescendants(path).flatMap(processesIn);
}

/**
 * The processes directly in a group; none if it is gone, or is one of threads, whose processes are listed
 * above it.
 * @throws {ErrnoError} If that can't be known.
 */
export function processesIn(group: string): number[] {
  try {
    return readKernelFile(`${group}/cgroup.procs`).split("\n").filter(Boolean).map(Number);
  } catch (error) {
    if (error instanceof ErrnoError && error.is("ENOENT", "ENODEV", "EOPNOTSUPP")) return [];
    throw error;
  }
}

/** Whether neither a group nor what is below it has a process; not if it is gone. */
export function isUnpopulated(path: string): boolean {
  return unlessRefused(() => /^populated 0$/m.test(readKernelFile(`${path}/cgroup.events`))) ?? false;
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
  for (const group of groups) groups.push(...listGroups(group));
  return groups;
}

/** The groups directly below one; none if it is gone. @throws {ErrnoError} If that can't be known. */
export function listGroups(path: string): string[] {
  try {
    const entries = listKernelDirectory(path);
    return entries.filter(({ isDirectory }) => isDirectory).map(({ name }) => `${path}/${name}`);
  } catch (error) {
    if (error instanceof ErrnoError && error.is("ENOENT", "ENODEV")) return [];
    throw error;
  }
}
