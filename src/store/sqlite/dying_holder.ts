import { readKernelFile } from "../../sys/files/kernel_files.ts";

/**
 * How long a dead daemon's children may take to execute their programs; on a busy machine it is some 100 ms.
 */
const DYING_MS = 2_000;
/** Between two tries. */
const LOOK_MS = 5;

/**
 * Takes a lock that a daemon which was killed may still have: a child that it was starting has it too, until
 * that executes its program. Then nothing of the daemon is left that could change what the next one looks
 * for.
 *
 * This thread waits meanwhile, before it serves anything.
 * @param tryLock Takes it, or says at once that it can't be had.
 * @param holder Who took it last, if that can be seen.
 */
export function lockAfterTheDead(tryLock: () => boolean, holder: () => number | undefined): Outcome {
  const deadline = performance.now() + DYING_MS;
  while (!tryLock()) {
    const pid = holder();
    if (pid !== undefined && lives(pid)) return "in use";
    if (performance.now() >= deadline) return pid === undefined ? "in use" : "left behind";
    pause(LOOK_MS);
  }
  return "taken";
}

/** Another process has the lock, which took it itself; or has it from one that is gone. */
export type Outcome = "taken" | "in use" | "left behind";

/** Whether there is such a process, and it has not ended. */
function lives(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readKernelFile(`/proc/${pid}/stat`));
  } catch {
    return false;
  }
}

const NEVER = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));

function pause(ms: number) {
  Atomics.wait(NEVER, 0, 0, ms);
}
