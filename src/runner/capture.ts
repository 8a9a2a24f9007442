import { Output } from "./output.ts";
import { delay } from "./waiting.ts";

const READ_BYTES = 65_536;
/** Posted and not taken, and kept and not posted, at most. */
const WINDOW_BYTES = 262_144;
/** The largest pipe that an ordinary user can make (pipe(7)): whatever writes on, more than this was not in it before. */
const LARGEST_PIPE_BYTES = 1_048_576;
/** A timer that fires has let the event loop hand out all that was in the pipe when it was set. */
const TURN_MS = 2;

/** Reads a run's pipe, and posts what is kept of it at a pace that its receiver sets. */
export class Capture {
  readonly #reader: ReadableStreamBYOBReader;
  readonly #output: Output;
  readonly #post: (bytes: Uint8Array<ArrayBuffer>) => void;
  /** Resolves at the end of the pipe. */
  readonly ended: Promise<void>;
  hasEnded = false;
  #untakenBytes = 0;
  #readBytes = 0;
  #isFinishing = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #opened: PromiseWithResolvers<void> | undefined;

  constructor(
    pipe: ReadableStream<Uint8Array<ArrayBuffer>>,
    maxBytes: number,
    post: (bytes: Uint8Array<ArrayBuffer>) => void,
  ) {
    this.#reader = pipe.getReader({ mode: "byob" });
    this.#output = new Output(maxBytes);
    this.#post = post;
    this.ended = this.#readAll().then(() => {
      this.hasEnded = true;
    });
  }

  /** `bytes` of what was posted are no longer on their way. */
  taken(bytes: number): void {
    this.#untakenBytes -= bytes;
    if (this.#isOpen()) this.#opened?.resolve();
  }

  /**
   * Reads what is in the pipe, posts all that is kept, and closes the pipe. This does not wait for what was posted to be
   * taken: there is little left, and who ends a run need not take its output first.
   */
  async finish(): Promise<{ droppedBytes: number; tail: Uint8Array<ArrayBuffer> }> {
    this.#isFinishing = true;
    this.#opened?.resolve();
    if (!this.hasEnded) await Promise.race([this.ended, this.#empty()]);
    await this.#reader.cancel();
    this.#postPending();
    return this.#output.past();
  }

  async #readAll() {
    let buffer = new Uint8Array(READ_BYTES);
    for (;;) {
      if (!this.#isOpen()) await this.#waitUntilOpen();
      const { done, value } = await this.#reader.read(buffer);
      if (done) return;
      this.#readBytes += value.length;
      this.#output.push(value);
      this.#postOrWait();
      buffer = new Uint8Array(value.buffer);
    }
  }

  /** Whether all of another read could be posted; what is not kept needs no room. */
  #isOpen(): boolean {
    return this.#isFinishing || this.#output.isFull ||
      this.#untakenBytes + this.#output.pendingBytes + READ_BYTES <= WINDOW_BYTES;
  }

  async #waitUntilOpen() {
    this.#opened = Promise.withResolvers();
    await this.#opened.promise;
    this.#opened = undefined;
  }

  /** Resolves once nothing more was in the pipe, or nothing that was there at first. */
  async #empty() {
    const first = this.#readBytes;
    for (let before = -1; before !== this.#readBytes && this.#readBytes - first < LARGEST_PIPE_BYTES;) {
      before = this.#readBytes;
      await delay(TURN_MS);
      await delay(TURN_MS);
    }
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
