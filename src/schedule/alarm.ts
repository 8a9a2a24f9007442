import { ErrnoError } from "../sys/errno.ts";
import { close, readNonblocking } from "../sys/files/file.ts";
import { check, LIBC } from "../sys/libc.ts";
import { PollSet, Waker } from "../sys/waiting/poll.ts";

const { symbols } = Deno.dlopen(LIBC, {
  timerfd_create: { parameters: ["i32", "i32"], result: "i32" },
  timerfd_settime: { parameters: ["i32", "i32", "buffer", "pointer"], result: "i32" },
});

const CLOCK_REALTIME = 0; // linux/time.h
const TFD_NONBLOCK = 0o4000;
const TFD_CLOEXEC = 0o2000000;
const TFD_TIMER_ABSTIME = 1;
const TFD_TIMER_CANCEL_ON_SET = 2;

const ITIMERSPEC = { seconds: 16, nanoseconds: 24, sizeof: 32 } as const; // it_value of struct itimerspec, time.h
const EXPIRATIONS_BYTES = 8;

/**
 * Wakes at a time of the wall clock, also if that clock is set meanwhile or the machine sleeps; a plain timer counts
 * the time that passes. Waiting costs nothing.
 * @see timerfd_create(2)
 */
export class Alarm implements AsyncDisposable {
  /** Called when the time has come, and when the clock was set. */
  onTime: (why: "due" | "clock-set") => void = () => {};
  readonly #timer = check(
    symbols.timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC),
    "timerfd_create",
  );
  readonly #waker = new Waker();
  readonly #watching: Promise<void>;
  #isClosing = false;

  constructor() {
    this.#watching = this.#watch();
  }

  /** @param at Epoch ms, in place of the time set before; `undefined`: never. */
  set(at: number | undefined): void {
    const time = new Uint8Array(ITIMERSPEC.sizeof);
    const view = new DataView(time.buffer);
    if (at !== undefined) {
      const ms = Math.max(1, Math.ceil(at)); // 0 would mean never
      view.setBigInt64(ITIMERSPEC.seconds, BigInt(Math.floor(ms / 1_000)), true);
      view.setBigInt64(ITIMERSPEC.nanoseconds, BigInt(ms % 1_000) * 1_000_000n, true);
    }
    const flags = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET;
    check(symbols.timerfd_settime(this.#timer, flags, time, null), "timerfd_settime");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#waker.wake();
    await this.#watching;
    close(this.#timer);
    this.#waker[Symbol.dispose]();
  }

  async #watch() {
    const sleep = new PollSet([this.#timer, this.#waker.fd]);
    for (;;) {
      await sleep.wait();
      if (this.#isClosing) return;
      const why = this.#whatRang();
      if (why) this.onTime(why);
    }
  }

  #whatRang(): "due" | "clock-set" | undefined {
    try {
      return readNonblocking(this.#timer, new Uint8Array(EXPIRATIONS_BYTES)) === undefined
        ? undefined
        : "due";
    } catch (error) {
      if (error instanceof ErrnoError && error.is("ECANCELED")) return "clock-set";
      throw error;
    }
  }
}
