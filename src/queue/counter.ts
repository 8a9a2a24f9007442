/** Numbers taken from the store at once; those not given out at a stop are lost. */
const RESERVED = 64;

/** Gives each number once, also across restarts, and rarely waits for the disk. */
export class Counter {
  readonly #reserve: (count: number) => Promise<number>;
  #next = 0;
  #end = 0;
  #refilling: Promise<void> | undefined;

  /** @param reserve Takes so many that nobody was given before, and gives the first. */
  constructor(reserve: (count: number) => Promise<number>) {
    this.#reserve = reserve;
  }

  async next(): Promise<number> {
    while (this.#next === this.#end) await (this.#refilling ??= this.#refill());
    return this.#next++;
  }

  async #refill() {
    try {
      this.#next = await this.#reserve(RESERVED);
      this.#end = this.#next + RESERVED;
    } finally {
      this.#refilling = undefined;
    }
  }
}
