/** Where a counter's numbers come from. */
interface Source {
  reserve(counter: string, count: number, start: number): Promise<number>;
}

/** Numbers taken from the store at once; those not given out at a stop are lost. */
const RESERVED = 64;

/** Gives each number once, also across restarts, and rarely waits for the disk. */
export class Counter {
  readonly #source: Source;
  readonly #name: string;
  readonly #start: number;
  #next = 0;
  #end = 0;
  #refilling: Promise<void> | undefined;

  /** @param start The first number, if none of that name was ever given. */
  constructor(source: Source, name: string, start: number) {
    this.#source = source;
    this.#name = name;
    this.#start = start;
  }

  async next(): Promise<number> {
    while (this.#next === this.#end) await (this.#refilling ??= this.#refill());
    return this.#next++;
  }

  async #refill() {
    try {
      this.#next = await this.#source.reserve(this.#name, RESERVED, this.#start);
      this.#end = this.#next + RESERVED;
    } finally {
      this.#refilling = undefined;
    }
  }
}
