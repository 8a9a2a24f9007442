import type { Restriction } from "../../sys/spawn/mod.ts";
import type { Reactor } from "../reactor.ts";
import { NOTHING, NOWHERE, OwnProcess } from "../start/own_process.ts";

/** A helper runs the system's programs, whatever filed was started with. */
const ENV = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"];

/**
 * A shell script that does for us what another user can keep waiting. Where it hangs, in a wait that not even
 * SIGKILL ends, we go on, and can end.
 */
export class Helper extends OwnProcess {
  /** Resolves when it has ended, with whether it did what it was to do. */
  readonly succeeded = this.ended.then((exit) => exit?.kind === "exited" && exit.status === 0);

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
    super({
      path: "/bin/sh",
      args: ["sh", "-c", script, "sh", ...args],
      env: ENV,
      fds: [input, output, NOWHERE],
      restriction,
    }, reactor);
  }
}
