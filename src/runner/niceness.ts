import { ErrnoError } from "../sys/errno.ts";
import { writeKernelFile } from "../sys/kernel_files.ts";
import { delay } from "./waiting.ts";

/** The kernel lets ordinary users change the niceness of sessions ten times a second, all together. */
const RETRY_MS = 100;

/**
 * Makes a session nicer as a whole, where the kernel shares the CPU by session (sched_autogroup, sched(7)): there, the niceness of
 * its processes counts among themselves only.
 * @param pid A process of it, whose number means it until `ended`.
 */
export async function niceSession(pid: number, nice: number, ended: Promise<unknown>): Promise<void> {
  let hasEnded = false;
  ended.then(() => hasEnded = true);
  while (!hasEnded) {
    try {
      return writeKernelFile(`/proc/${pid}/autogroup`, String(nice));
    } catch (error) {
      if (!(error instanceof ErrnoError)) throw error;
      if (!error.is("EAGAIN")) return; // a kernel without, or a process that ends
    }
    await delay(RETRY_MS);
  }
}
