/** What the kernel holds a job to; 0: to nothing. */
export interface Limits {
  /** MiB that all of the job has, or where that can't be counted, each of its processes. */
  maxMemoryMb: number;
  /** Seconds of CPU time of each process. */
  maxCpuSec: number;
  /** MiB in each file that it writes. */
  maxFileMb: number;
  /** Files that each process has open at once. */
  maxOpenFiles: number;
  /** By how much it is nicer than filed, nice(1). */
  nice: number;
}

export const NO_LIMITS: Readonly<Limits> = {
  maxMemoryMb: 0,
  maxCpuSec: 0,
  maxFileMb: 0,
  maxOpenFiles: 0,
  nice: 0,
};

/** A limit that ended an attempt. Of the others the kernel tells the job alone, whose own words are in the log. */
export interface ReachedLimit {
  name: "max_memory_mb" | "max_cpu_sec" | "max_file_mb";
  value: number;
}

const MORE_THAN: Record<ReachedLimit["name"], string> = {
  max_memory_mb: "MiB of memory",
  max_cpu_sec: "s of CPU time",
  max_file_mb: "MiB in a file",
};

export function describeLimit({ name, value }: ReachedLimit): string {
  return `${name}: more than ${value} ${MORE_THAN[name]}`;
}
