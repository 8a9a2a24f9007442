import { ErrnoError } from "../../sys/errno.ts";
import { readKernelFile } from "../../sys/files/kernel_files.ts";

/** Where the kernel says it, proc(5): first where nobody mounts something else, as lxcfs does on the other. */
const LAST_PID = "/proc/sys/kernel/ns_last_pid";
const LOAD = "/proc/loadavg";

/**
 * The number that a process or thread got last, in our PID namespace.
 * @throws {ErrnoError} If it can't be read.
 */
export function readLastPid(): number {
  try {
    return Number(readKernelFile(LAST_PID));
  } catch (error) {
    const isMissing = error instanceof ErrnoError && error.is("ENOENT", "EACCES", "EPERM");
    if (!isMissing) throw error; // A kernel that can't restore processes does not have it.
    return lastPidIn(readKernelFile(LOAD));
  }
}

/** @param load `0.20 0.18 0.12 1/80 11206` */
export function lastPidIn(load: string): number {
  return Number(load.slice(load.lastIndexOf(" ")));
}
