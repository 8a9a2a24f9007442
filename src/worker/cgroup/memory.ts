import { ErrnoError } from "../../sys/errno.ts";
import { exists } from "../../sys/files/file.ts";
import {
  makeKernelDirectory,
  readKernelFile,
  removeKernelDirectory,
  writeKernelFile,
} from "../../sys/files/kernel_files.ts";
import { childState } from "../../sys/processes/wait.ts";
import { processesIn } from "./cgroup.ts";

/** The daemon's group beside those of its runs, where it has to leave its own. */
const ASIDE = "daemon";

/**
 * Limits the memory of runs as wholes, by their cgroups, where the daemon's own group has a controller of
 * memory to pass on: to that of its runs, which is in it, and which passes it on to each run's.
 */
export class CgroupMemory implements Disposable {
  readonly #own: string | undefined;
  readonly #ofRuns: () => string | undefined;
  /** Where the daemon has moved to. */
  #aside: string | undefined;

  /**
   * @param own The daemon's own group, an absolute path.
   * @param ofRuns The group in it that those of runs are in, once there is one.
   */
  constructor(own: string | undefined, ofRuns: () => string | undefined) {
    this.#own = own;
    this.#ofRuns = ofRuns;
  }

  /**
   * Lets all processes of a run's group have so much memory together, and no swap; if they want more, the
   * kernel ends them all.
   * @returns Whether that is so.
   * @throws {ErrnoError} If it is not for want of something.
   */
  limit(group: string, maxMemoryMb: number): boolean {
    try {
      if (!exists(`${group}/memory.max`)) this.#passOn();
      writeKernelFile(`${group}/memory.max`, `${maxMemoryMb}M`);
      writeKernelFile(`${group}/memory.oom.group`, "1");
      if (exists(`${group}/memory.swap.max`)) writeKernelFile(`${group}/memory.swap.max`, "0");
      return true;
    } catch (error) {
      const isRefusal = error instanceof ErrnoError && !error.is("EMFILE", "ENFILE", "ENOMEM");
      if (isRefusal) return false;
      throw error;
    }
  }

  /** Brings the daemon back to where it was started. */
  [Symbol.dispose](): void {
    if (this.#own === undefined || this.#aside === undefined) return;
    const ofRuns = this.#ofRuns();
    try {
      // From below: what a group passes on is not taken from it.
      if (ofRuns !== undefined) writeKernelFile(`${ofRuns}/cgroup.subtree_control`, "-memory");
      writeKernelFile(`${this.#own}/cgroup.subtree_control`, "-memory");
      writeKernelFile(`${this.#own}/cgroup.procs`, String(Deno.pid));
      removeKernelDirectory(this.#aside);
    } catch (error) {
      if (!(error instanceof ErrnoError)) throw error; // The next daemon removes it, as it does after a crash.
    }
    this.#aside = undefined;
  }

  /**
   * Has the groups of runs count memory. A group with processes can't pass that on, unless it is the root: so
   * if nobody else is in the daemon's, the daemon moves to one beside those of its runs.
   * @see cgroups(7), the "no internal processes" rule
   */
  #passOn() {
    const ofRuns = this.#ofRuns();
    if (this.#own === undefined || ofRuns === undefined) return;
    if (!passOn(this.#own)) {
      // Besides the daemon there may be shells that are about to join their run's group.
      const pids = processesIn(this.#own);
      if (!pids.every((pid) => pid === Deno.pid || childState(pid) !== "no child")) return;
      this.#aside ??= makeGroup(`${ofRuns}/${ASIDE}`);
      for (const pid of pids) writeKernelFile(`${this.#aside}/cgroup.procs`, String(pid));
      if (!passOn(this.#own)) return;
    }
    passOn(ofRuns);
  }
}

/** @returns Whether the groups in this one count memory from now on; not if processes are in it. */
function passOn(group: string): boolean {
  try {
    writeKernelFile(`${group}/cgroup.subtree_control`, "+memory");
    return true;
  } catch (error) {
    if (error instanceof ErrnoError && error.is("EBUSY")) return false;
    throw error;
  }
}

function makeGroup(path: string): string {
  makeKernelDirectory(path);
  return path;
}

/** Whether the kernel has ended a process since this group, and not one above it, was at its limit. */
export function hasRunOutOfMemory(group: string): boolean {
  try {
    const counts = readKernelFile(`${group}/memory.events`);
    return /^oom [1-9]/m.test(counts) && /^oom_kill [1-9]/m.test(counts);
  } catch {
    return false; // Nothing is counted.
  }
}
