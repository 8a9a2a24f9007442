import { setImmediate } from "node:timers";

/** The longest that setTimeout takes. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** A timer that may be longer than setTimeout's 24 days. */
export class Timer implements Disposable {
  #id: ReturnType<typeof setTimeout> | undefined;

  constructor(ms: number, onTime: () => void) {
    this.#start(ms, onTime);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#id);
  }

  #start(ms: number, onTime: () => void) {
    const restMs = ms - LONGEST_TIMER_MS;
    if (restMs > 0) this.#id = setTimeout(() => this.#start(restMs, onTime), LONGEST_TIMER_MS);
    else this.#id = setTimeout(onTime, ms);
  }
}

/** Lets the event loop do what else there is to do. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
