import { openReadOnly, openWriteOnly } from "../../sys/files/file.ts";
import type { Restriction } from "../../sys/spawn/mod.ts";
import type { Reactor } from "../reactor.ts";
import { OwnProcess } from "../start/own_process.ts";

/** A helper runs the system's programs, whatever filed was started with. */
const ENV = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"];

/**
 * A shell script that does for us what another user can keep waiting. Where it hangs, in a wait that not even
 * SIGKILL ends, we go on, and can end.
 */
export class Helper {
  /** Whether it succeeded. */
  readonly ended: Promise<boolean>;
  readonly #process: OwnProcess;

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
    this.#process = new OwnProcess({
      path: "/bin/sh",
      args: ["sh", "-c", script, "sh", ...args],
      env: ENV,
      fds: [input, output, NOWHERE],
      restriction,
    }, reactor);
    this.ended = this.#process.ended.then((exit) => exit?.kind === "exited" && exit.status === 0);
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** Ends it, as soon as its wait lets it. */
  kill(): void {
    this.#process.kill();
  }
}

/** Nothing to read. */
export const NOTHING = openReadOnly("/dev/null");
const NOWHERE = openWriteOnly("/dev/null");
