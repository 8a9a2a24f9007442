import { blockingPipe, close, exists, pipe } from "../../sys/files/file.ts";
import { requireHeadroom } from "../../sys/files/reserve.ts";
import type { Obstacle } from "../../run/shortage.ts";
import { atMost } from "../../sys/waiting/deadline.ts";
import type { Reactor } from "../reactor.ts";
import { NotStarted } from "../start/not_started.ts";
import { NOWHERE, OwnProcess } from "../start/own_process.ts";

/**
 * Of Debian's essential packages, and of all others that have sh. It copies by read(2) and write(2), a piece
 * at a time.
 */
const PROGRAM = "/bin/dd";
const ARGS = ["dd", "bs=65536", "status=none"];

/** A relay hangs if it has not ended so long after SIGKILL; on a busy machine most take some ms. */
const PATIENCE_MS = 1_000;
/** With so many relays of a user hanging, no more are started. */
const HUNG_OF_A_USER = 3;

const HANGS: Obstacle = {
  kind: "put-off",
  shortage: {
    of: "user",
    missing: "an end of what reads the output of the job's user",
    advice:
      "end the file system of that user's that does not answer: jobs have put pages of it into their output",
    error: `read: ${HUNG_OF_A_USER} processes hang`,
  },
};

/**
 * The relays of all runs. What hangs for one user is bounded: each is a process that nothing ends, and a
 * descriptor, which would be missing to all.
 */
export class Relays {
  readonly #reactor: Reactor;
  readonly #accountOf: (uid: number) => number;
  /** With the account that each is of. */
  readonly #hung = new Map<Relay, number>();

  /** Whether there can be any: a system may lack the program. */
  static readonly areThere = exists(PROGRAM);

  /** @param accountOf One user id for all that the same user may have. */
  constructor(reactor: Reactor, accountOf: (uid: number) => number) {
    this.#reactor = reactor;
    this.#accountOf = accountOf;
  }

  /**
   * @param uid Whose output it is to read.
   * @throws {NotStarted} If too many hang for that user.
   * @throws {ErrnoError} If there can be no pipe or process.
   */
  start(uid: number): Relay {
    const account = this.#accountOf(uid);
    const hung = this.#hung.values().filter((of) => of === account).toArray();
    if (hung.length >= HUNG_OF_A_USER) throw new NotStarted(HANGS);
    const relay = new Relay(this.#reactor, () => this.#count(relay, account));
    return relay;
  }

  /** Counts a relay that was stopped as long as it hangs. */
  async #count(relay: Relay, account: number) {
    if (await atMost(PATIENCE_MS, relay.ended)) return;
    this.#hung.set(relay, account);
    await relay.ended;
    this.#hung.delete(relay);
  }
}

/**
 * Reads another user's output in our stead, in a process of its own, and writes it to a pipe that nobody else
 * reaches.
 *
 * That user can have splice(2) put a page of a file into the output whose file system, a server of theirs,
 * never gives the page: then read(2) of the output waits for ever, unkillably, and so does every call on that
 * pipe meanwhile. So we make no call on it once the job runs.
 */
export class Relay extends OwnProcess {
  /** The pipe that the job writes to; to be closed as soon as the job has it. */
  readonly writer: number;
  /**
   * The job's output, as far as the relay could read it; non-blocking. Whoever reads it closes it. Once the
   * relay is idle, all that was written to the output before is here, or was read here.
   */
  readonly reader: number;
  readonly #onStop: () => void;

  /** @throws {ErrnoError} If there can be no pipe or process. */
  constructor(reactor: Reactor, onStop: () => void) {
    using theirs = new DisposableStack();
    using undo = new DisposableStack();
    const inner = lastingPipe(pipe);
    theirs.adopt(inner.writer, close);
    undo.adopt(inner.reader, close);
    const outer = lastingPipe(blockingPipe);
    theirs.adopt(outer.reader, close);
    undo.adopt(outer.writer, close);
    const fds = [outer.reader, inner.writer, NOWHERE];
    super({ path: PROGRAM, args: ARGS, fds }, reactor);
    undo.move();
    this.#onStop = onStop;
    this.writer = outer.writer;
    this.reader = inner.reader;
  }

  /** Ends it; once what it waits for lets it. */
  stop(): void {
    this.kill();
    this.#onStop();
  }
}

/**
 * A pipe that stays open for as long as a job.
 * @throws {ErrnoError} EMFILE if that would leave too few descriptors.
 */
export function lastingPipe(make: typeof pipe): { reader: number; writer: number } {
  const ends = make();
  try {
    requireHeadroom(Math.max(ends.reader, ends.writer), "pipe2");
    return ends;
  } catch (error) {
    close(ends.reader);
    close(ends.writer);
    throw error;
  }
}
