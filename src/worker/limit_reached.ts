import type { Limits, ReachedLimit } from "../job/limits.ts";
import type { WaitStatus } from "../sys/processes/wait.ts";

/** The status of a shell whose child these have ended: 128 and the signal's number, signal(7). */
const STATUS_OF = { SIGXCPU: 128 + 24, SIGXFSZ: 128 + 25 } as const;

/**
 * Which limit made a run fail, as far as the kernel tells.
 * @param isOutOfMemory Whether the run's cgroup has had to end processes for want of memory.
 * @returns `undefined` for a success, and for all else that limits have nothing to do with.
 */
export function limitReached(
  exit: WaitStatus,
  { maxMemoryMb, maxCpuSec, maxFileMb }: Limits,
  isOutOfMemory: boolean,
): ReachedLimit | undefined {
  if (exit.kind === "exited" && exit.status === 0) return undefined;
  if (maxMemoryMb > 0 && isOutOfMemory) return { name: "max_memory_mb", value: maxMemoryMb };
  if (maxCpuSec > 0 && isBy("SIGXCPU", exit)) return { name: "max_cpu_sec", value: maxCpuSec };
  if (maxFileMb > 0 && isBy("SIGXFSZ", exit)) return { name: "max_file_mb", value: maxFileMb };
  return undefined;
}

function isBy(signal: keyof typeof STATUS_OF, exit: WaitStatus): boolean {
  return exit.kind === "signaled" ? exit.signal === signal : exit.status === STATUS_OF[signal];
}
