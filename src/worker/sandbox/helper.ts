import { ErrnoError } from "../../sys/errno.ts";
import { openReadOnly, openWriteOnly } from "../../sys/files/file.ts";
import type { Pidfd } from "../../sys/processes/pidfd.ts";
import { AS_WE_ARE, type Restriction, spawn, type Started } from "../../sys/spawn/mod.ts";
import { untilEnd } from "../end/child_end.ts";
import { holdProcess, kill } from "../end/processes.ts";
import type { Reactor } from "../reactor.ts";

/** A helper runs the system's programs, whatever filed was started with. */
const ENV = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"];

/**
 * A shell script that does for us what another user can keep waiting. Where it hangs, in a wait that not even
 * SIGKILL ends, we go on, and can end.
 */
export class Helper {
  /** Whether it succeeded. */
  readonly ended: Promise<boolean>;
  readonly pid: number;
  /** `undefined`: it has ended, or we can't hold it. */
  #pidfd: Pidfd | undefined;

  /**
   * @param args A shell script for `sh -c`, and its arguments from $1 on.
   * @param io Its standard input and output.
   * @throws {ErrnoError} If there can be no process.
   */
  constructor(
    [script, ...args]: [string, ...string[]],
    restriction: Restriction | undefined,
    reactor: Reactor,
    [input, output]: readonly [number, number] = [NOTHING, NOWHERE],
  ) {
    const { pid, failure } = spawn({
      ...AS_WE_ARE,
      path: "/bin/sh",
      args: ["sh", "-c", script, "sh", ...args],
      env: ENV,
      fds: [input, output, NOWHERE],
      restriction,
    });
    this.pid = pid;
    this.#pidfd = holdProcess(pid);
    this.ended = this.#end(failure, reactor);
  }

  /** Ends it, as soon as its wait lets it. */
  kill(): void {
    if (this.#pidfd) kill(this.pid, this.#pidfd, "SIGKILL");
  }

  async #end(failure: Started["failure"], reactor: Reactor): Promise<boolean> {
    const pidfd = this.#pidfd;
    let hasSucceeded = false;
    try {
      const exit = await untilEnd(this.pid, pidfd, reactor);
      hasSucceeded = exit.kind === "exited" && exit.status === 0;
    } catch (error) {
      if (!(error instanceof ErrnoError)) throw error; // Somebody else has asked how it ended.
    }
    this.#pidfd = undefined;
    pidfd?.[Symbol.dispose]();
    return failure() === undefined && hasSucceeded; // Asked each time: then nothing is kept for it.
  }
}

/** Nothing to read. */
export const NOTHING = openReadOnly("/dev/null");
const NOWHERE = openWriteOnly("/dev/null");
