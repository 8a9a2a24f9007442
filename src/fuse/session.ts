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

/** How long to read on before sleeping: being woken up costs as much as a request. */
const SPIN_MS = 0.3;

/** The longest that timers and messages of this thread wait for the requests. */
const YIELD_MS = 2;

const DEFAULT_TIME_GRANULARITY_NS = 1000;

export interface SessionOptions {
  readonly onError: OnError;
  /** For tracing. */
  readonly onReply?: OnReply;
  /**
   * The step of the file system's time stamps: 1000 (the default) for what `Attributes` can hold, or a
   * coarser one.
   */
  readonly timeGranularityNs?: number;
}

/**
 * `"aborted"`: through /sys/fs/fuse/connections or `umount -f`. `"closed"`: by `close()`, the mount is still
 * there.
 */
export type SessionEnd = "unmounted" | "aborted" | "closed";

/**
 * Serves one mount: reads requests from its descriptor, calls the file system, writes the replies.
 *
 * Asleep, it waits in poll(2) on another thread and costs nothing. Awake, it reads and dispatches until there
 * is nothing left, then lets the promises of the handlers go on, then reads again for a short while before it
 * sleeps. So requests that arrive together are all dispatched before the first of them continues after an
 * `await`, and can share a commit.
 */
export class Session {
  readonly #fd: number;
  readonly #dispatcher: Dispatcher;
  readonly #message = new Uint8Array(RECEIVE_BYTES);
  readonly #waker = new Waker();
  #running: Promise<SessionEnd> | undefined;
  #closing = false;
  #disposed = false;

  /**
   * @param fd An open /dev/fuse that is mounted and non-blocking, such as `Mount.fd`. It stays the caller's.
   */
  constructor(fd: number, fs: FileSystem, options: SessionOptions) {
    this.#fd = fd;
    this.#dispatcher = new Dispatcher(fs, (reply, sizeBytes) => void write(fd, reply, sizeBytes), {
      ...options,
      timeGranularityNs: options.timeGranularityNs ?? DEFAULT_TIME_GRANULARITY_NS,
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
      const end = await this.#serveWhileBusy();
      if (end) return end;
      if (!this.#closing) await sleep.wait();
    }
    await setImmediate(); // interrupted handlers answer
    return "closed";
  }

  /** Returns once nothing has come for a while: `undefined`, or how the mount ended. */
  async #serveWhileBusy(): Promise<SessionEnd | undefined> {
    let lastActivity = performance.now();
    let lastYield = lastActivity;
    let { exchanges } = this.#dispatcher;
    while (!this.#closing) {
      const drained = this.#drain(lastYield + YIELD_MS);
      if (typeof drained === "string") return drained;
      const now = performance.now();
      // Who has just got a reply, however long it took, most often asks for something else.
      if (this.#dispatcher.exchanges > exchanges) lastActivity = now;
      else if (drained === 0 && now - lastActivity > SPIN_MS) return undefined;
      exchanges = this.#dispatcher.exchanges;
      if (this.#dispatcher.pending > 0 || now - lastYield > YIELD_MS) {
        await setImmediate();
        lastYield = performance.now();
      }
    }
  }

  /**
   * Dispatches what waits in the queue, no longer than `until`.
   * @returns How many requests, or how the mount ended.
   */
  #drain(until: number): number | SessionEnd {
    let count = 0;
    do {
      const sizeBytes = this.#read();
      if (sizeBytes === undefined) return count;
      if (typeof sizeBytes === "string") return sizeBytes;
      this.#dispatcher.dispatch(new DataView(this.#message.buffer, 0, sizeBytes));
      count++;
    } while (performance.now() < until);
    return count;
  }

  /** @returns The size of the next request, `undefined` if there is none, or how the mount ended. */
  #read(): number | undefined | SessionEnd {
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
        if (error.is("ENODEV")) return "unmounted";
        if (error.is("ECONNABORTED")) return "aborted";
        // ENOENT: the request was gone before we could read it.
        if (!error.is("EINTR") && !error.is("ENOENT")) throw error;
      }
    }
  }
}
