import type { Shortage } from "../run/shortage.ts";

/** No start before so long after one that was put off, unless a run has ended. */
const PAUSE_MS = 1_000;

/**
 * Holds starts back for as long as there is a shortage. After a start was put off, one is tried for each run
 * that ends, as that gives back what it had, and one after a second. Once a second has gone by in which none
 * was put off, any number is tried; and once that has gone well for a second, the shortage is over.
 */
export class Pause {
  #allowed = 0;
  #returning = 0;
  #putOffAt = 0;
  #nextAt = 0;

  /** @param shortage As the first start that was put off has found it. */
  constructor(readonly shortage: Shortage) {}

  /** How many may be tried now: none before those that were put off are back in their places. */
  get allowed(): number {
    return this.#returning > 0 ? 0 : this.#allowed;
  }

  /** When to look at the clock next. */
  get nextAt(): number {
    return this.#nextAt;
  }

  /** One more is tried. */
  take(): void {
    this.#allowed--;
  }

  /** A start was put off. @param now A clock that is never set, ms. */
  putOff(now: number): void {
    this.#allowed = 0;
    this.#returning++;
    this.#putOffAt = now;
    this.#nextAt = now + PAUSE_MS;
  }

  /** One that was put off is back in its place. */
  returned(): void {
    this.#returning--;
  }

  /** A run has ended. */
  runEnded(): void {
    this.#allowed++;
  }

  /** To be called at `nextAt`. @returns Whether the shortage is over. */
  look(now: number): boolean {
    const quietMs = now - this.#putOffAt;
    this.#allowed = quietMs >= 2 * PAUSE_MS ? Infinity : this.#allowed + 1;
    this.#nextAt = now + PAUSE_MS;
    return quietMs >= 3 * PAUSE_MS && this.#returning === 0;
  }
}
