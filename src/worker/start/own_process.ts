import { ErrnoError } from "../../sys/errno.ts";
import { openReadOnly, openWriteOnly } from "../../sys/files/file.ts";
import type { Pidfd } from "../../sys/processes/pidfd.ts";
import type { WaitStatus } from "../../sys/processes/wait.ts";
import { AS_WE_ARE, spawn, type SpawnSpec, type Started } from "../../sys/spawn/mod.ts";
import { untilEnd } from "../end/child_end.ts";
import { holdProcess, kill, readState } from "../end/processes.ts";
import type { Reactor } from "../reactor.ts";

/** Nothing to read. */
export const NOTHING = openReadOnly("/dev/null");
/** For what nobody reads. */
export const NOWHERE = openWriteOnly("/dev/null");

/**
 * A program of ours in a process of its own, for what may wait for another user, and for ever: then the
 * process hangs, and we do not.
 */
export class OwnProcess {
  readonly pid: number;
  /** Resolves when it has ended, with how that was; `undefined` if it did not come to its program. */
  readonly ended: Promise<WaitStatus | undefined>;
  /** `undefined`: it has ended, or can't be held. */
  #pidfd: Pidfd | undefined;

  /** @throws {ErrnoError} If there can be no process. */
  constructor(spec: Partial<SpawnSpec> & Pick<SpawnSpec, "path" | "args" | "fds">, reactor: Reactor) {
    const { pid, failure } = spawn({ ...AS_WE_ARE, ...spec });
    this.pid = pid;
    this.#pidfd = holdProcess(pid);
    this.ended = this.#end(failure, reactor);
  }

  /** Whether it waits for something, or has ended. */
  isIdle(): boolean {
    const state = readState(this.pid);
    return state === undefined || state === "S" || state === "Z";
  }

  /** Ends it as soon as what it waits for lets it. */
  kill(): void {
    if (this.#pidfd) kill(this.pid, this.#pidfd, "SIGKILL");
  }

  async #end(failure: Started["failure"], reactor: Reactor): Promise<WaitStatus | undefined> {
    const pidfd = this.#pidfd;
    let exit: WaitStatus | undefined;
    try {
      exit = await untilEnd(this.pid, pidfd, reactor);
    } catch (error) {
      if (!(error instanceof ErrnoError)) throw error; // Somebody else has asked how it ended.
    }
    this.#pidfd = undefined;
    pidfd?.[Symbol.dispose]();
    return failure() === undefined ? exit : undefined; // Asked each time: then nothing is kept for it.
  }
}
