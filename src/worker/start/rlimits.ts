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

/** How the limits of setrlimit(2) hold each process of a job. A limit never raises one that is inherited. */
export class Rlimits {
  readonly #limits: Limits;
  readonly #inherited: Inherited;

  constructor(limits: Limits, inherited: Inherited) {
    this.#limits = limits;
    this.#inherited = inherited;
  }

  /**
   * For where the memory of the whole job can't be counted. Not the address space: what Go, Java and V8 only
   * reserve would count, and with 512 MiB of it Node does not even start.
   */
  memory(): Rlimit[] {
    return this.#at("DATA", this.#limits.maxMemoryMb * MIB);
  }

  /** All but that of memory. */
  others(): Rlimit[] {
    const { maxCpuSec, maxFileMb, maxOpenFiles } = this.#limits;
    return [
      ...this.#at("CPU", maxCpuSec, maxCpuSec + CPU_GRACE_SEC),
      ...this.#at("FSIZE", maxFileMb * MIB),
      ...maxOpenFiles > 0 ? this.#at("NOFILE", maxOpenFiles) : this.#inherited.restored,
    ];
  }

  #at(resource: RlimitName, soft: number, hard = soft): Rlimit[] {
    if (soft === 0) return [];
    const inherited = this.#inherited.of(resource);
    return [{ resource, soft: Math.min(soft, inherited.soft), hard: Math.min(hard, inherited.hard) }];
  }
}
