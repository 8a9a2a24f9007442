import { setImmediate } from "node:timers/promises";
import { ErrnoError } from "../sys/errno.ts";
import { readNonblocking, write } from "../sys/files/file.ts";
import { PollSet, Waker } from "../sys/waiting/poll.ts";
import { pageSizeBytes } from "../sys/processes/process.ts";
import { MAX_TRANSFER_BYTES } from "./abi.ts";
import { Dispatcher, type OnError, type OnReply } from "./dispatch.ts";
import type { FileSystem } from "./filesystem.ts";

/**
 * Room beside the data of the largest WRITE: holds SETXATTR (64 KiB value) and RENAME with two 4 KiB names
 * too.
 */
const RECEIVE_BYTES = MAX_TRANSFER_BYTES + 16_384;

/** How long we read on before we sleep: a wake-up by way of poll(2) takes about as long. */
const SPIN_MS = 0.08;
/**
 * After so many spins in a row that brought nothing, we sleep at once. We spin again after a sleep so short
 * that a spin would have been better, and every eighth time: on a busy machine no sleep is short.
 */
const MAX_MISSES = 3;
const SHORT_SLEEP_MS = 0.5;
const RETRY_EACH = 8;

/** How many turns of the microtask queue the handlers get; an `await` takes one to three. */
const TURNS = 24;

/** The longest drain: those that came first wait for their answers meanwhile. */
const DRAIN_MS = 2;

/** After so long we let timers and messages of this thread run; a drain that is under way ends first. */
const YIELD_MS = 2;

export interface SessionOptions {
  readonly onError: OnError;
  /** For tracing. */
  readonly onReply?: OnReply;
  /**
   * Called at the end of a drain: the place to commit, once, for all that came in together. Must not throw.
   *
   * A drain reads and dispatches requests until the kernel has no more, or for 2 ms. We call this once for
   * each drain that brought a request, whether or not there is something to commit.
   * - Before the call, each handler has answered or waits for more than microtasks: handlers get 24 turns of
   *   the microtask queue.
   * - After it, we read no request, sleep or give up the thread until what it settled has been answered, with
   *   24 turns again. The event loop has no part in that, so a lone client waits for nothing.
   *
   * What handlers do later, after a timer, a message or a system call on another thread, belongs to no drain.
   * Whoever commits here needs a second occasion for that, such as `setImmediate`.
   */
  readonly onDrained?: () => void;
}

/**
 * `"aborted"`: through /sys/fs/fuse/connections or `umount -f`. `"closed"`: by `close()`, the mount is still
 * there.
 */
export type SessionEnd = "unmounted" | "aborted" | "closed";

/**
 * Serves one mount: reads requests from its descriptor, calls the file system, writes the replies.
 *
 * 1. Asleep, it waits in poll(2) on another thread and costs nothing.
 * 2. A drain reads and dispatches requests until there are none.
 * 3. The handlers go on in microtasks, `onDrained` commits what they did, and they answer.
 * 4. Whoever has an answer asks again soon, so it reads on for a short while (2), and then sleeps (1).
 *
 * Between 3 and 4 the event loop has a turn only if a request still waits for something else, or 2 ms are
 * over.
 */
export class Session {
  readonly #fd: number;
  readonly #dispatcher: Dispatcher;
  readonly #message = new Uint8Array(RECEIVE_BYTES);
  readonly #waker = new Waker();
  readonly #onDrained: () => void;
  /** How often in a row nothing came before we slept. */
  #misses = 0;
  /** How the mount ended. */
  #end: SessionEnd | undefined;
  #running: Promise<SessionEnd> | undefined;
  #closing = false;
  #disposed = false;

  /**
   * @param fd An open /dev/fuse that is mounted and non-blocking, such as `Mount.fd`. It stays the caller's.
   */
  constructor(fd: number, fs: FileSystem, options: SessionOptions) {
    this.#fd = fd;
    this.#onDrained = options.onDrained ?? (() => {});
    this.#dispatcher = new Dispatcher(fs, (reply, sizeBytes) => void write(fd, reply, sizeBytes), {
      ...options,
      pageSizeBytes: pageSizeBytes(),
    });
  }

  /**
   * Serves until the mount ends or `close` is called; to be called once.
   * @throws {ErrnoError} EPERM, EBADF, EINVAL if `fd` is not what the constructor asks for.
   */
  run(): Promise<SessionEnd> {
    if (this.#running) throw new Error("run() was called before");
    this.#running = this.#serve().finally(() => this.#dispatcher.end());
    return this.#running;
  }

  /**
   * Ends `run` soon without unmounting: requests that wait are interrupted, and what they then answer at once
   * goes out.
   */
  close(): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#dispatcher.interruptAll();
    this.#waker.wake();
  }

  /** Closes, and waits for `run` to return. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    this.close();
    await this.#running?.catch(() => {}); // its caller has the error
    this.#waker[Symbol.dispose]();
  }

  async #serve(): Promise<SessionEnd> {
    const sleep = new PollSet([this.#fd, this.#waker.fd]);
    while (!this.#closing) {
      await this.#serveWhileBusy();
      if (this.#end) return this.#end;
      if (this.#closing) break;
      const asleepAt = performance.now();
      await sleep.wait();
      if (performance.now() - asleepAt < SHORT_SLEEP_MS) this.#misses = 0;
    }
    await setImmediate(); // interrupted handlers answer
    return "closed";
  }

  /** Returns once nothing has come for a while, or the mount has ended. */
  async #serveWhileBusy(): Promise<void> {
    let lastActivity = performance.now();
    let lastYield = lastActivity;
    let { exchanges } = this.#dispatcher;
    for (let isFirst = true; !this.#closing; isFirst = false) {
      const drained = this.#drain();
      if (drained > 0) await this.#finishDrain();
      if (this.#end) return;
      if (drained > 0 && !isFirst) this.#misses = 0;
      const now = performance.now();
      // Who has just got a reply, however long it took, most often asks for something else.
      if (this.#dispatcher.exchanges > exchanges) lastActivity = now;
      else if (drained === 0 && now - lastActivity > this.#spinMs) {
        this.#misses++;
        return;
      }
      exchanges = this.#dispatcher.exchanges;
      if (this.#dispatcher.pending > 0 || now - lastYield > YIELD_MS) {
        await setImmediate();
        lastYield = performance.now();
      }
    }
  }

  get #spinMs(): number {
    return this.#misses < MAX_MISSES || this.#misses % RETRY_EACH === 0 ? SPIN_MS : 0;
  }

  /** Lets the handlers of a drain go on, up to their answers if nothing else is in the way. */
  async #finishDrain(): Promise<void> {
    for (let turn = 0; turn < TURNS && this.#dispatcher.pending > 0; turn++) await undefined;
    this.#onDrained();
    for (let turn = 0; turn < TURNS && this.#dispatcher.pending > 0; turn++) await undefined;
  }

  /** Dispatches what waits in the queue. @returns How many requests. */
  #drain(): number {
    const until = performance.now() + DRAIN_MS;
    let count = 0;
    do {
      const sizeBytes = this.#read();
      if (sizeBytes === undefined) return count;
      this.#dispatcher.dispatch(new DataView(this.#message.buffer, 0, sizeBytes));
      count++;
    } while (performance.now() < until);
    return count;
  }

  /** @returns The size of the next request, `undefined` if there is none now, or never again: see `#end`. */
  #read(): number | undefined {
    let previous: number | undefined;
    for (;;) {
      try {
        return readNonblocking(this.#fd, this.#message);
      } catch (error) {
        if (!(error instanceof ErrnoError)) throw error;
        // The engine makes system calls of its own, maybe before we look at errno: believe what comes twice
        // in a row.
        const isSure = error.errno === previous;
        previous = error.errno;
        if (!isSure) continue;
        if (error.is("ENODEV")) return void (this.#end = "unmounted");
        if (error.is("ECONNABORTED")) return void (this.#end = "aborted");
        // ENOENT: the request was gone before we could read it.
        if (!error.is("EINTR") && !error.is("ENOENT")) throw error;
      }
    }
  }
}
