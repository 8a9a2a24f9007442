import { ErrnoError } from "../../sys/errno.ts";
import { close, readNonblocking } from "../../sys/files/file.ts";
import { delay } from "../../run/waiting.ts";
import type { Reactor } from "../reactor.ts";
import { Output } from "./output.ts";
import type { Relay } from "./relays.ts";

const READ_BYTES = 65_536;
/** Posted and not taken, and kept and not posted, at most. */
const WINDOW_BYTES = 262_144;
/** Read before others get their turn. */
const TURN_BYTES = 262_144;
/**
 * The largest pipe that an ordinary user can make (pipe(7)): whatever writes on, more than this was not in it
 * before.
 */
const LARGEST_PIPE_BYTES = 1_048_576;
/** The same of a job's pipe, what its relay has taken from there, and the pipe of that. */
const RELAYED_BYTES = LARGEST_PIPE_BYTES + 2 * 65_536;
/** How long output may be on its way through a relay: a busy machine takes a while, and some never comes. */
const DRAIN_MS = 1_000;
const DRAIN_LOOK_MS = 1;

const buffer = new Uint8Array(READ_BYTES);

/** Reads a run's pipe, and posts what is kept of it at a pace that its receiver sets. */
export class Capture {
  readonly #fd: number;
  readonly #reactor: Reactor;
  readonly #output: Output;
  readonly #post: (bytes: Uint8Array<ArrayBuffer>) => void;
  readonly #ended = Promise.withResolvers<void>();
  /** Resolves at the end of the pipe. */
  readonly ended: Promise<void> = this.#ended.promise;
  hasEnded = false;
  #watch: Disposable | undefined;
  #untakenBytes = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param fd The pipe, non-blocking; closed in the end. */
  constructor(
    fd: number,
    maxBytes: number,
    post: (bytes: Uint8Array<ArrayBuffer>) => void,
    reactor: Reactor,
  ) {
    this.#fd = fd;
    this.#reactor = reactor;
    this.#output = new Output(maxBytes);
    this.#post = post;
    this.#resume();
  }

  /** `bytes` of what was posted are no longer on their way. */
  taken(bytes: number): void {
    this.#untakenBytes -= bytes;
    if (!this.hasEnded && this.#isOpen()) this.#resume();
  }

  /** Reads what has come, as far as there is room for it. */
  read(): void {
    this.#readWhile((readBytes) => readBytes < TURN_BYTES && this.#isOpen());
    if (this.hasEnded || !this.#isOpen()) this.#pause();
  }

  /**
   * Reads all that was written before this call, once it has come through the relay, whatever there is room
   * for. Somebody may write on meanwhile, or have the relay wait for ever.
   */
  async drain(relay: Pick<Relay, "isIdle">): Promise<void> {
    const deadline = performance.now() + DRAIN_MS;
    let leftBytes = RELAYED_BYTES;
    while (leftBytes > 0 && !this.hasEnded && performance.now() < deadline) {
      const isIdle = relay.isIdle(); // The relay had passed it all on by then, and now we read it.
      const readBytes = this.#readWhile((readBytes) => readBytes < leftBytes);
      if (readBytes === 0 && isIdle) return;
      leftBytes -= readBytes;
      await delay(DRAIN_LOOK_MS);
    }
  }

  /**
   * Reads what is in the pipe, posts all that is kept, and closes the pipe. This does not wait for what was
   * posted to be taken: there is little left, and who ends a run need not take its output first.
   */
  finish(): { droppedBytes: number; tail: Uint8Array<ArrayBuffer> } {
    this.#readWhile((readBytes) => readBytes < LARGEST_PIPE_BYTES);
    this.#end();
    close(this.#fd);
    this.#postPending();
    return this.#output.past();
  }

  /** @returns How many bytes there were. */
  #readWhile(isToGoOn: (readBytes: number) => boolean): number {
    let readBytes = 0;
    while (!this.hasEnded && isToGoOn(readBytes)) {
      const sizeBytes = readPipe(this.#fd);
      if (sizeBytes === undefined) break;
      if (sizeBytes === 0) this.#end();
      readBytes += sizeBytes;
      this.#output.push(buffer.subarray(0, sizeBytes));
      this.#postOrWait();
    }
    return readBytes;
  }

  #end() {
    this.hasEnded = true;
    this.#pause();
    this.#ended.resolve();
  }

  #resume() {
    this.#watch ??= this.#reactor.watch(this.#fd, () => this.read());
  }

  #pause() {
    this.#watch?.[Symbol.dispose]();
    this.#watch = undefined;
  }

  /** Whether all of another read could be posted; what is not kept needs no room. */
  #isOpen(): boolean {
    return this.#output.isFull || this.#untakenBytes + this.#output.pendingBytes + READ_BYTES <= WINDOW_BYTES;
  }

  #postOrWait() {
    const waitMs = this.#output.waitMs(performance.now());
    if (waitMs === 0) this.#postPending();
    else if (waitMs !== undefined) this.#timer ??= setTimeout(() => this.#postPending(), waitMs);
  }

  #postPending() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#output.pendingBytes === 0) return;
    const bytes = this.#output.take(performance.now());
    this.#untakenBytes += bytes.length;
    this.#post(bytes);
  }
}

/**
 * A job can have splice(2) put a page of a file into its pipe which can't be read any more when its turn
 * comes: EIO, or ENODATA.
 * @returns How many bytes `buffer` now holds, 0 if no more can be read, `undefined` if there is nothing yet.
 */
function readPipe(fd: number): number | undefined {
  try {
    return readNonblocking(fd, buffer);
  } catch (error) {
    if (error instanceof ErrnoError) return 0;
    throw error;
  }
}
