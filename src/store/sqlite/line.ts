import { order, Places, type Ready } from "./places.ts";

/** What becomes of one of them in a search. */
export type Verdict =
  | "may-start"
  /** Not now. */
  | "passed-over"
  /** It can't start any more, or has another place. */
  | "gone";

/** How many are fetched at a time. */
const FETCHED = 256;
/** More are not kept where they are added one by one. */
const KEPT = 16_384;
/** Before the first and behind the last of any queue. */
const BEGIN: Ready = { place: -1, number: -1 };
const END: Ready = { place: Infinity, number: Infinity };

/**
 * The head of the queue in memory, so that a search for what can start asks the database only where the head
 * has come to its end. Whoever makes a job ready adds it; whoever makes it unready, or gives it another
 * place, takes it out. A job that is held is not ready: a search costs the same however many there are.
 */
export class ReadyJobs {
  readonly #fetch: (after: Ready, limit: number) => Ready[];
  readonly #isHeld: (number: number) => boolean;
  readonly #head = new Places();
  /** All that is ready up to this one is in the head. */
  #last = BEGIN;

  /**
   * @param fetch What the database has that is ready behind a job in the queue, in order: what is held
   * included, of which it does not know.
   */
  constructor(fetch: (after: Ready, limit: number) => Ready[], isHeld: (number: number) => boolean) {
    this.#fetch = fetch;
    this.#isHeld = isHeld;
  }

  /** Whether a search may ask the database, which must know then what is in memory of jobs. */
  get mayFetch(): boolean {
    return this.#last !== END;
  }

  add(ready: Ready): void {
    if (order(ready, this.#last) > 0) return;
    this.#head.add(ready);
    if (this.#head.length <= KEPT) return;
    this.#head.keepFirst(KEPT / 2);
    this.#last = this.#head.at(-1) as Ready;
  }

  remove(ready: Ready): void {
    this.#head.remove(ready);
  }

  /** Forgets what is in memory: somebody changed the database, or it went back to what it was before. */
  reset(): void {
    this.#head.keepFirst(0);
    this.#last = BEGIN;
  }

  /** The first `limit` that may start, in order, none of them from the place `line` on. */
  find(limit: number, line: number, judge: (ready: Ready) => Verdict): number[] {
    const found: number[] = [];
    const gone: Ready[] = [];
    for (let index = 0; found.length < limit; index++) {
      if (index === this.#head.length && !this.#fetchMore()) break;
      const ready = this.#head.at(index) as Ready;
      if (ready.place >= line) break;
      const verdict = judge(ready);
      if (verdict === "may-start") found.push(ready.number);
      if (verdict === "gone") gone.push(ready);
    }
    for (const ready of gone) this.remove(ready);
    return found;
  }

  /** @returns Whether there are more. */
  #fetchMore(): boolean {
    const before = this.#head.length;
    while (this.mayFetch && this.#head.length === before) {
      const more = this.#fetch(this.#last, FETCHED);
      this.#last = more.length < FETCHED ? END : more.at(-1) as Ready;
      for (const ready of more) if (!this.#isHeld(ready.number)) this.#head.add(ready);
    }
    return this.#head.length > before;
  }
}
