import type { Limits } from "../queue/limits.ts";
import type { resourceLimit, Rlimit, RlimitName } from "../sys/rlimit.ts";

/** Between SIGXCPU, of which a process may make something, and SIGKILL. */
const CPU_GRACE_SEC = 5;
const MIB = 1_048_576;

/** How the limits of setrlimit(2) hold each process of a job. A limit never raises one that is inherited. */
export class Rlimits {
  readonly #limits: Limits;
  readonly #inherited: typeof resourceLimit;

  constructor(limits: Limits, inherited: typeof resourceLimit) {
    this.#limits = limits;
    this.#inherited = inherited;
  }

  /**
   * For where the memory of the whole job can't be counted. Not the address space: what Go, Java and V8 only reserve would count, and
   * with 512 MiB of it Node does not even start.
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
      ...this.#at("NOFILE", maxOpenFiles),
    ];
  }

  #at(resource: RlimitName, soft: number, hard = soft): Rlimit[] {
    if (soft === 0) return [];
    const inherited = this.#inherited(resource);
    return [{ resource, soft: Math.min(soft, inherited.soft), hard: Math.min(hard, inherited.hard) }];
  }
}
