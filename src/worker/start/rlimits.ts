import type { Limits } from "../../job/limits.ts";
import {
  type ResourceLimit,
  resourceLimit,
  type Rlimit,
  type RlimitName,
} from "../../sys/processes/rlimit.ts";

/** Between SIGXCPU, of which a process may make something, and SIGKILL. */
const CPU_GRACE_SEC = 5;
const MIB = 1_048_576;

/** The limits of jobs where nothing else is said. */
export class Inherited {
  /** Limits to set, since this process has others. */
  readonly restored: readonly Rlimit[];
  readonly #limitOf: typeof resourceLimit;

  /**
   * @param openFiles The soft limit of open files, if that is another than ours.
   * @param limitOf What ours are.
   */
  constructor(openFiles?: number, limitOf: typeof resourceLimit = resourceLimit) {
    this.#limitOf = limitOf;
    const { soft, hard } = limitOf("NOFILE");
    const isOther = openFiles !== undefined && openFiles < soft;
    this.restored = isOther ? [{ resource: "NOFILE", soft: openFiles, hard }] : [];
  }

  of(resource: RlimitName): ResourceLimit {
    return this.restored.find((restored) => restored.resource === resource) ?? this.#limitOf(resource);
  }
}

/**
 * What setrlimit(2) holds each process of a job to. A limit never raises one that is inherited.
 * @returns `memory` is for where the memory of the whole job can't be counted. It is not that of the address
 * space: what Go, Java and V8 only reserve would count, and with 512 MiB of it Node does not even start.
 */
export function rlimitsOf(limits: Limits, inherited: Inherited): { memory: Rlimit[]; others: Rlimit[] } {
  const { maxMemoryMb, maxCpuSec, maxFileMb, maxOpenFiles } = limits;
  const at = (resource: RlimitName, soft: number, hard = soft): Rlimit[] => {
    if (soft === 0) return [];
    const most = inherited.of(resource);
    return [{ resource, soft: Math.min(soft, most.soft), hard: Math.min(hard, most.hard) }];
  };
  return {
    memory: at("DATA", maxMemoryMb * MIB),
    others: [
      ...at("CPU", maxCpuSec, maxCpuSec + CPU_GRACE_SEC),
      ...at("FSIZE", maxFileMb * MIB),
      ...maxOpenFiles > 0 ? at("NOFILE", maxOpenFiles) : inherited.restored,
    ],
  };
}
