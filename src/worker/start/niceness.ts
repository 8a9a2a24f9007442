import { ErrnoError } from "../../sys/errno.ts";
import { readKernelFile, writeKernelFile } from "../../sys/files/kernel_files.ts";
import { delay } from "../../run/waiting.ts";

/** The kernel lets ordinary users change the niceness of sessions ten times a second, all together. */
const RETRY_MS = 100;
/** A process that was just started begins its session within this, most often. */
const SESSION_MS = 1;

/**
 * Makes a session nicer as a whole, where the kernel shares the CPU by session (sched_autogroup, sched(7)):
 * there, the niceness of its processes counts among themselves only.
 * @param pid The process that leads it, or is going to: until then it is in the session of its parent. Its
 * number means it until `ended`.
 */
export async function niceSession(pid: number, nice: number, ended: Promise<unknown>): Promise<void> {
  let hasEnded = false;
  ended.then(() => hasEnded = true);
  while (!hasEnded) {
    try {
      if (shareOf(pid) !== shareOf("self")) return writeKernelFile(autogroup(pid), String(nice));
      await delay(SESSION_MS);
    } catch (error) {
      if (!(error instanceof ErrnoError)) throw error;
      const isLater = error.is("EAGAIN", "EMFILE", "ENFILE", "ENOMEM");
      if (!isLater) return; // a kernel without, or a process that ends
      await delay(RETRY_MS);
    }
  }
}

/**
 * The session's name as one that gets a share of the CPU. It has its parent's for a moment more when it has
 * begun already.
 */
function shareOf(pid: number | "self"): string | undefined {
  return readKernelFile(autogroup(pid)).split(" ")[0];
}

function autogroup(pid: number | "self"): string {
  return `/proc/${pid}/autogroup`;
}
