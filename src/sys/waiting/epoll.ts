import { close } from "../files/file.ts";
import { check, LIBC } from "../libc.ts";

const { symbols } = Deno.dlopen(LIBC, {
  epoll_create1: { parameters: ["i32"], result: "i32" },
  epoll_ctl: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
  epoll_wait: { parameters: ["i32", "buffer", "i32", "i32"], result: "i32" },
  epollWaitAsync: {
    name: "epoll_wait",
    parameters: ["i32", "buffer", "i32", "i32"],
    result: "i32",
    nonblocking: true,
  },
});

// sys/epoll.h
const EPOLL_CLOEXEC = 0o2000000;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLLIN = 0x1;
/** struct epoll_event is packed on x86-64 only. */
const EPOLL_EVENT = Deno.build.arch === "x86_64"
  ? { events: 0, data: 4, sizeof: 12 }
  : { events: 0, data: 8, sizeof: 16 };

/** How many events we take in one go. */
const MAX_EVENTS = 64;
const AT_ONCE = 0;
const FOR_EVER = -1;

/** Tells which of many descriptors can be read without waiting, or are at their end, or broken. */
export class Epoll implements Disposable {
  readonly #fd = check(symbols.epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
  readonly #events = new Uint8Array(MAX_EVENTS * EPOLL_EVENT.sizeof);
  readonly #event = new Uint8Array(EPOLL_EVENT.sizeof);

  /** @param key What `ready` names it by: a number below 2^32. @throws {ErrnoError} As epoll_ctl(2). */
  add(fd: number, key: number): void {
    this.#control(EPOLL_CTL_ADD, fd, key);
  }

  /** Also for a while: what is at its end is told again and again. @throws {ErrnoError} As epoll_ctl(2). */
  remove(fd: number): void {
    this.#control(EPOLL_CTL_DEL, fd, 0);
  }

  /** @returns The keys of what is ready now. */
  ready(): number[] {
    return this.#keys(symbols.epoll_wait(this.#fd, this.#events, MAX_EVENTS, AT_ONCE));
  }

  /**
   * Waits on another thread until something is ready. Ask for nothing else meanwhile.
   * @returns Its keys; perhaps none.
   */
  async untilReady(): Promise<number[]> {
    return this.#keys(await symbols.epollWaitAsync(this.#fd, this.#events, MAX_EVENTS, FOR_EVER));
  }

  [Symbol.dispose](): void {
    close(this.#fd);
  }

  #control(operation: number, fd: number, key: number) {
    const view = new DataView(this.#event.buffer);
    view.setUint32(EPOLL_EVENT.events, EPOLLIN, true);
    view.setUint32(EPOLL_EVENT.data, key, true);
    check(symbols.epoll_ctl(this.#fd, operation, fd, this.#event), "epoll_ctl");
  }

  #keys(count: number): number[] {
    const view = new DataView(this.#events.buffer);
    return Array.from(
      { length: Math.max(count, 0) }, // -1: a signal came
      (_, i) => view.getUint32(i * EPOLL_EVENT.sizeof + EPOLL_EVENT.data, true),
    );
  }
}
