import { ErrnoError } from "../sys/errno.ts";
import { writeKernelFile } from "../sys/kernel_files.ts";
import { readProcess } from "./processes.ts";
import { delay } from "./waiting.ts";

/** The kernel lets ordinary users change the niceness of sessions ten times a second, all together. */
const RETRY_MS = 100;
/** A process that was just started begins its session within this, most often. */
const SESSION_MS = 1;

/**
 * Makes a session nicer as a whole, where the kernel shares the CPU by session (sched_autogroup, sched(7)): there, the niceness of
 * its processes counts among themselves only.
 * @param pid The process that leads it, or is going to: until then it is in the session of its parent. Its number means it until `ended`.
 */
export async function niceSession(pid: number, nice: number, ended: Promise<unknown>): Promise<void> {
  let hasEnded = false;
  ended.then(() => hasEnded = true);
  while (!hasEnded) {
    if (readProcess(pid)?.sessionId !== pid) {
      await delay(SESSION_MS);
      continue;
    }
    try {
      return writeKernelFile(`/proc/${pid}/autogroup`, String(nice));
    } catch (error) {
      if (!(error instanceof ErrnoError)) throw error;
      if (!error.is("EAGAIN")) return; // a kernel without, or a process that ends
    }
    await delay(RETRY_MS);
  }
}
