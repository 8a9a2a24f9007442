import { close, write } from "../files/file.ts";
import { check, LIBC } from "../libc.ts";

const { symbols } = Deno.dlopen(LIBC, {
  poll: { parameters: ["buffer", "u64", "i32"], result: "i32" },
  pollAsync: { name: "poll", parameters: ["buffer", "u64", "i32"], result: "i32", nonblocking: true },
  eventfd: { parameters: ["u32", "i32"], result: "i32" },
});

export const POLLIN = 0x1;
export const POLLPRI = 0x2;
export const POLLOUT = 0x4;
export const POLLERR = 0x8;

const POLLFD = { fd: 0, events: 4, revents: 6, sizeof: 8 } as const; // struct pollfd, poll.h
const EFD_NONBLOCK = 0o4000;
const EFD_CLOEXEC = 0o2000000;
const FOR_EVER = -1;
const AT_ONCE = 0;

/** Events to wait for on a descriptor; an error is always reported. */
interface Interest {
  fd: number;
  /** `POLLIN`, `POLLPRI`, `POLLOUT`: poll(2). */
  events: number;
}

/** File descriptors to wait on until one is readable, or as told, or broken. */
export class PollSet {
  readonly #fds: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  readonly #count: bigint;

  constructor(fds: readonly (number | Interest)[]) {
    this.#fds = new Uint8Array(fds.length * POLLFD.sizeof);
    this.#view = new DataView(this.#fds.buffer);
    this.#count = BigInt(fds.length);
    fds.forEach((one, i) => {
      const { fd, events } = typeof one === "number" ? { fd: one, events: POLLIN } : one;
      this.#view.setInt32(i * POLLFD.sizeof + POLLFD.fd, fd, true);
      this.#view.setInt16(i * POLLFD.sizeof + POLLFD.events, events, true);
    });
  }

  /**
   * Waits on another thread. The descriptors must stay open until it returns. It may return for no reason, as
   * its errno is lost on the other thread: try your read again.
   */
  async wait(): Promise<void> {
    await symbols.pollAsync(this.#fds, this.#count, FOR_EVER);
  }

  /** The events of the descriptor at `index` right now, without waiting. @throws {ErrnoError} As poll(2). */
  now(index: number): number {
    check(symbols.poll(this.#fds, this.#count, AT_ONCE), "poll");
    return this.#view.getInt16(index * POLLFD.sizeof + POLLFD.revents, true);
  }
}

/** A descriptor that somebody waits on, and that one can make readable. */
export class Waker implements Disposable {
  /** Never readable before `wake`, and always from then on. */
  readonly fd = check(symbols.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), "eventfd");

  wake(): void {
    const one = new Uint8Array(new BigUint64Array([1n]).buffer);
    write(this.fd, one, one.length);
  }

  [Symbol.dispose](): void {
    close(this.fd);
  }
}
