import { must } from "../../must.ts";
import { order, type Ready, Turns } from "./turns.ts";

/** How many are fetched at a time. */
const FETCHED = 256;
/** More are not kept where they are added one by one. */
const KEPT = 16_384;
/** Before the first and behind the last of any queue. */
const BEGIN: Ready = { turn: -1, number: -1 };
const END: Ready = { turn: Infinity, number: Infinity };

/**
 * The jobs of one lane that are ready and not held, in order: its head is in memory, and the database is asked
 * for more only where the head has come to its end. Whoever makes a job ready adds it; whoever makes it
 * unready, or gives it another turn, takes it out. So a search costs the same however many are held.
 */
export class Lane {
  readonly #fetch: (after: Ready, limit: number) => Ready[];
  readonly #isHeld: (number: number) => boolean;
  readonly #head = new Turns();
  /** All that is ready up to this one is in the head. */
  #last = BEGIN;

  /**
   * @param fetch What the database has that is ready behind a job, in order: what is held included, of which
   * it does not know.
   */
  constructor(fetch: (after: Ready, limit: number) => Ready[], isHeld: (number: number) => boolean) {
    this.#fetch = fetch;
    this.#isHeld = isHeld;
  }

  add(ready: Ready): void {
    if (order(ready, this.#last) > 0) return;
    this.#head.add(ready);
    if (this.#head.length <= KEPT) return;
    this.#head.keepFirst(KEPT / 2);
    this.#last = must(this.#head.at(-1), "half of what was too much is something");
  }

  remove(ready: Ready): void {
    this.#head.remove(ready);
  }

  /** The one so far from the front, `undefined` if there are not so many. */
  at(index: number): Ready | undefined {
    while (index >= this.#head.length && this.#last !== END) this.#fetchMore();
    return this.#head.at(index);
  }

  /** The one at the front; `undefined`: there is none, or the database knows. */
  get first(): Ready | undefined {
    return this.#head.at(0);
  }

  /** Whether there is none. */
  get isEmpty(): boolean {
    return this.#head.length === 0 && this.#last === END;
  }

  #fetchMore() {
    const more = this.#fetch(this.#last, FETCHED);
    this.#last = more.length < FETCHED ? END : must(more.at(-1), "as many as were asked for are some");
    for (const ready of more) if (!this.#isHeld(ready.number)) this.#head.add(ready);
  }
}
