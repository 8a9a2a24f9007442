import { ErrnoError } from "../../sys/errno.ts";
import { blockingPipe, close, exists, openWriteOnly, pipe } from "../../sys/files/file.ts";
import type { Pidfd } from "../../sys/processes/pidfd.ts";
import { requireHeadroom } from "../../sys/files/reserve.ts";
import { AS_WE_ARE, spawn, type Started } from "../../sys/spawn/mod.ts";
import { untilEnd } from "../end/child_end.ts";
import { holdProcess, kill, readState } from "../end/processes.ts";
import type { Reactor } from "../reactor.ts";

/** Of Debian's essential packages, and of all others that have sh. It copies by read(2) and write(2), a piece at a time. */
const PROGRAM = "/bin/dd";
const ARGS = ["dd", "bs=65536", "status=none"];

/**
 * Reads another user's output in our stead, in a process of its own, and writes it to a pipe that nobody else reaches.
 *
 * That user can have splice(2) put a page of a file into the output whose file system, a server of theirs, never gives the
 * page: then read(2) of the output waits for ever, unkillably, and so does every call on that pipe meanwhile. So none of ours
 * is made on it once the job runs.
 */
export class Relay {
  /** The pipe that the job writes to; to be closed as soon as the job has it. */
  readonly writer: number;
  /** What the job writes, as far as it could be read; non-blocking. Whoever reads it closes it. */
  readonly reader: number;
  readonly #pid: number;
  /** `undefined`: it has ended, or can't be held. */
  #pidfd: Pidfd | undefined;

  /** Whether there can be one: a system may lack the program. */
  static readonly isThere = exists(PROGRAM);

  /** @throws {ErrnoError} If there can be no pipe or process. */
  constructor(reactor: Reactor) {
    using opened = new DisposableStack();
    const inner = adoptPipe(opened, pipe());
    const outer = adoptPipe(opened, blockingPipe());
    requireHeadroom(Math.max(...Object.values(inner), ...Object.values(outer)), "pipe2");
    const { pid, failure } = spawn({
      ...AS_WE_ARE,
      path: PROGRAM,
      args: ARGS,
      fds: [outer.reader, inner.writer, NOWHERE],
    });
    this.#pid = pid;
    this.writer = outer.writer;
    this.reader = inner.reader;
    opened.move();
    close(outer.reader);
    close(inner.writer);
    this.#pidfd = holdProcess(pid);
    this.#reap(failure, reactor);
  }

  /** Whether it waits for more, or has ended: all that was written to the output before is in `reader`, or was read there. */
  isIdle(): boolean {
    const state = readState(this.#pid);
    return state === undefined || state === "S" || state === "Z";
  }

  /** Ends it; once what it waits for lets it. */
  stop(): void {
    if (this.#pidfd) kill(this.#pid, this.#pidfd, "SIGKILL");
  }

  async #reap(failure: Started["failure"], reactor: Reactor) {
    const pidfd = this.#pidfd;
    try {
      await untilEnd(this.#pid, pidfd, reactor);
    } catch (error) {
      if (!(error instanceof ErrnoError)) throw error; // Somebody else has asked how it ended.
    }
    this.#pidfd = undefined;
    pidfd?.[Symbol.dispose]();
    failure(); // Then nothing is kept for it.
  }
}

const NOWHERE = openWriteOnly("/dev/null");

function adoptPipe(stack: DisposableStack, ends: { reader: number; writer: number }) {
  stack.adopt(ends.reader, close);
  stack.adopt(ends.writer, close);
  return ends;
}
