import { ErrnoError } from "../../sys/errno.ts";
import { openReadOnly, openWriteOnly } from "../../sys/file.ts";
import { Pidfd } from "../../sys/pidfd.ts";
import type { Restriction } from "../../sys/restriction.ts";
import { spawn } from "../../sys/spawn.ts";
import { waitIfEnded } from "../../sys/wait.ts";
import type { Reactor } from "../reactor.ts";
import { delay } from "../waiting.ts";

/** Between two looks whether a process has ended that can't be held. */
const LOOK_MS = 20;
/** Its programs are the system's, whatever filed was started with. */
const ENV = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"];

/**
 * A program that does for us what may wait for another user, in a process of its own: where that hangs, with
 * a lock that cannot be interrupted, the daemon goes on, and can end.
 */
export class Helper {
  /** Whether it succeeded. */
  readonly ended: Promise<boolean>;
  readonly pid: number;
  readonly #pidfd: Pidfd | undefined;

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
      path: "/bin/sh",
      args: ["sh", "-c", script, "sh", ...args],
      env: ENV,
      cwd: [],
      fds: [input, output, NOWHERE],
      restriction,
      nice: 0,
      rlimits: [],
      credentials: undefined,
    });
    this.pid = pid;
    this.#pidfd = hold(pid);
    this.ended = this.#end(pid, reactor).then((hasSucceeded) => hasSucceeded && failure() === undefined);
  }

  /** Ends it, as soon as what it waits for lets it. */
  kill(): void {
    try {
      this.#pidfd?.signal("SIGKILL");
    } catch (error) {
      if (!(error instanceof ErrnoError)) throw error; // It has ended.
    }
  }

  async #end(pid: number, reactor: Reactor): Promise<boolean> {
    const pidfd = this.#pidfd;
    if (pidfd) {
      const ready = Promise.withResolvers<void>();
      using _watch = reactor.watch(pidfd.fd, ready.resolve);
      await ready.promise;
    }
    const hasSucceeded = await succeeds(pid);
    pidfd?.[Symbol.dispose]();
    return hasSucceeded;
  }
}

/** Nothing to read. */
export const NOTHING = openReadOnly("/dev/null");
const NOWHERE = openWriteOnly("/dev/null");

function hold(pid: number): Pidfd | undefined {
  try {
    return Pidfd.open(pid);
  } catch (error) {
    if (error instanceof ErrnoError) return undefined; // There is no descriptor left, or no such call.
    throw error;
  }
}

async function succeeds(pid: number): Promise<boolean> {
  try {
    for (;;) {
      const exit = waitIfEnded(pid);
      if (exit) return exit.kind === "exited" && exit.status === 0;
      await delay(LOOK_MS);
    }
  } catch (error) {
    if (error instanceof ErrnoError) return false; // Somebody else has asked for it.
    throw error;
  }
}
