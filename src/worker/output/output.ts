import { concat } from "../../job/log_text.ts";

/** Bytes kept of what comes past the limit. */
const TAIL_BYTES = 65_536;
/** As much is posted at once. */
const BATCH_BYTES = 65_536;
/** Between two posts of less. */
const PAUSE_MS = 20;

/** Keeps a run's output, the beginning up to a limit and the very end, and says when it is posted. */
export class Output {
  readonly #maxBytes: number;
  #keptBytes = 0;
  #pending: Uint8Array<ArrayBuffer>[] = [];
  #pendingBytes = 0;
  #postedAt = -Infinity;
  #pastBytes = 0;
  #tail: Uint8Array<ArrayBuffer> | undefined;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Kept and not taken yet. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** Nothing that comes from now on is kept. */
  get isFull(): boolean {
    return this.#keptBytes === this.#maxBytes;
  }

  /** Copies `chunk`, or its part that is kept. */
  push(chunk: Uint8Array): void {
    const kept = Math.min(chunk.length, this.#maxBytes - this.#keptBytes);
    if (kept > 0) {
      this.#pending.push(new Uint8Array(chunk.subarray(0, kept)));
      this.#pendingBytes += kept;
      this.#keptBytes += kept;
    }
    if (kept < chunk.length) this.#pushPast(chunk.subarray(kept));
  }

  /**
   * How long what is pending may wait for more; the first output does not wait.
   * @returns `undefined` if nothing is pending.
   */
  waitMs(now: number): number | undefined {
    if (this.#pendingBytes === 0) return undefined;
    if (this.#pendingBytes >= BATCH_BYTES) return 0;
    return Math.max(0, this.#postedAt + PAUSE_MS - now);
  }

  /** Takes what is pending, in a buffer of its own. */
  take(now: number): Uint8Array<ArrayBuffer> {
    const [first, ...rest] = this.#pending;
    const bytes = first && rest.length === 0 ? first : concat(...this.#pending);
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#postedAt = now;
    return bytes;
  }

  /** The end of the output that came past the limit, and how much is lost before that. */
  past(): { droppedBytes: number; tail: Uint8Array<ArrayBuffer> } {
    if (!this.#tail) return { droppedBytes: 0, tail: new Uint8Array() };
    const length = Math.min(this.#pastBytes, TAIL_BYTES);
    const oldest = (this.#pastBytes - length) % TAIL_BYTES;
    const tail = concat(
      this.#tail.subarray(oldest, Math.min(oldest + length, TAIL_BYTES)),
      this.#tail.subarray(0, oldest),
    );
    return { droppedBytes: this.#pastBytes - tail.length, tail };
  }

  /** Byte n past the limit is at n modulo the ring's size. */
  #pushPast(chunk: Uint8Array) {
    const ring = this.#tail ??= new Uint8Array(TAIL_BYTES);
    const skipped = Math.max(0, chunk.length - TAIL_BYTES);
    const at = (this.#pastBytes + skipped) % TAIL_BYTES;
    const split = skipped + TAIL_BYTES - at;
    ring.set(chunk.subarray(skipped, split), at);
    ring.set(chunk.subarray(split));
    this.#pastBytes += chunk.length;
  }
}
