import { readKernelFile, writeKernelFile } from "../../sys/files/kernel_files.ts";
import type { Started } from "../../sys/spawn/mod.ts";
import { delay } from "../../run/waiting.ts";
import { unlessRefused } from "../unless_refused.ts";

const NORMAL = 0;
/** A process that was just started executes its program within this, most often. */
const LOOK_MS = 1;

/**
 * Whether filed is to outlive others where memory runs out, as OOMScoreAdjust= of its unit may say. Its jobs
 * are not.
 */
const IS_PROTECTED = Number(readKernelFile("/proc/self/oom_score_adj")) < NORMAL;

/** Takes from a job the protection that it has inherited, as sshd(8) does for those that log in. */
export async function unprotect(started: Started, ended: Promise<unknown>): Promise<void> {
  if (IS_PROTECTED) await setScore(started, NORMAL, ended);
}

/**
 * Gives a process its own score, once it has executed its program: until then it shares our memory, and what
 * shares it has one score.
 * @param ended Until then the process's number means it.
 * @see proc_pid_oom_score_adj(5)
 */
export async function setScore(
  { pid, hasLeft }: Started,
  score: number,
  ended: Promise<unknown>,
): Promise<void> {
  let hasEnded = false;
  ended.then(() => hasEnded = true);
  while (!hasLeft() && !hasEnded) await delay(LOOK_MS);
  if (hasEnded) return;
  unlessRefused(() => writeKernelFile(`/proc/${pid}/oom_score_adj`, String(score))); // It may have just ended.
}
