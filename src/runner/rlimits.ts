import type { Limits } from "../queue/limits.ts";
import type { resourceLimit } from "../sys/rlimit.ts";

/** Between SIGXCPU, of which a process may make something, and SIGKILL. */
const CPU_GRACE_SEC = 5;
const MIB = 1_048_576;

/** What a process is limited to, in the terms of sh's ulimit: its options and units are those of POSIX.1-2024. */
export interface Rlimit {
  option: "-d" | "-t" | "-f" | "-n";
  soft: number;
  hard: number;
}

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
    return this.#at("DATA", "-d", 1_024, this.#limits.maxMemoryMb * MIB);
  }

  /** All but that of memory. */
  others(): Rlimit[] {
    const { maxCpuSec, maxFileMb, maxOpenFiles } = this.#limits;
    return [
      ...this.#at("CPU", "-t", 1, maxCpuSec, maxCpuSec + CPU_GRACE_SEC),
      ...this.#at("FSIZE", "-f", 512, maxFileMb * MIB),
      ...this.#at("NOFILE", "-n", 1, maxOpenFiles),
    ];
  }

  #at(
    resource: Parameters<typeof resourceLimit>[0],
    option: Rlimit["option"],
    unit: number,
    soft: number,
    hard = soft,
  ): Rlimit[] {
    if (soft === 0) return [];
    const inherited = this.#inherited(resource);
    const lower = (a: number, b: number) => Math.floor(Math.min(a, b) / unit);
    return [{ option, soft: lower(soft, inherited.soft), hard: lower(hard, inherited.hard) }];
  }
}
