import { Epoll } from "../sys/waiting/epoll.ts";
import { ErrnoError } from "../sys/errno.ts";
import { Waker } from "../sys/waiting/poll.ts";
import { nextTurn } from "../run/waiting.ts";

const WAKER_KEY = 0;
/** Between two calls back for what the kernel does not watch. */
const LOOK_MS = 20;

/** Calls back what waits for a descriptor: for all of a thread's descriptors, one wait on another thread. */
export class Reactor implements AsyncDisposable {
  readonly #epoll = new Epoll();
  readonly #waker = new Waker();
  readonly #watches = new Map<number, () => void>();
  #lastKey = WAKER_KEY;
  #isClosed = false;
  readonly #loop: Promise<void>;

  constructor() {
    this.#epoll.add(this.#waker.fd, WAKER_KEY);
    this.#loop = this.#run();
  }

  /**
   * Calls `onReady` for as long as `fd` can be read, or is at its end, until the watch is disposed of: before
   * `fd` is closed. Where the kernel watches no more descriptors (ENOSPC, ENOMEM: epoll_ctl(2)), it is called
   * now and then, whether `fd` can be read or not.
   */
  watch(fd: number, onReady: () => void): Disposable {
    const key = ++this.#lastKey;
    if (!this.#isAdded(fd, key)) {
      const timer = setInterval(onReady, LOOK_MS);
      return { [Symbol.dispose]: () => clearInterval(timer) };
    }
    this.#watches.set(key, onReady);
    return {
      [Symbol.dispose]: () => {
        if (this.#watches.delete(key)) this.#epoll.remove(fd);
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#waker.wake();
    await this.#loop;
    this.#waker[Symbol.dispose]();
    this.#epoll[Symbol.dispose]();
  }

  #isAdded(fd: number, key: number): boolean {
    try {
      this.#epoll.add(fd, key);
      return true;
    } catch (error) {
      if (error instanceof ErrnoError && error.is("ENOSPC", "ENOMEM")) return false;
      throw error;
    }
  }

  async #run() {
    while (!this.#isClosed) {
      let ready = this.#epoll.ready();
      if (ready.length === 0) ready = await this.#epoll.untilReady();
      // A callback may end the watch of another that is in the same list.
      for (const key of ready) this.#watches.get(key)?.();
      await nextTurn();
    }
  }
}
