/** A job that can start as far as is known, and its place in the queue. */
export interface Ready {
  number: number;
  place: number;
}

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
 * The head of the queue in memory, so that a search for what can start asks the database only where the head has come to its
 * end. Whoever makes a job ready adds it; whoever makes it unready, or gives it another place, takes it out.
 */
export class ReadyJobs {
  readonly #fetch: (after: Ready, limit: number) => Ready[];
  /** In the order of the queue. */
  #head: Ready[] = [];
  /** All that is ready up to this one is in the head. */
  #last = BEGIN;

  /** @param fetch What the database has that is ready behind a job in the queue, in order. */
  constructor(fetch: (after: Ready, limit: number) => Ready[]) {
    this.#fetch = fetch;
  }

  /** Whether a search may ask the database, which must know then what is in memory of jobs. */
  get mayFetch(): boolean {
    return this.#last !== END;
  }

  add(ready: Ready): void {
    if (order(ready, this.#last) > 0) return;
    const index = this.#indexOf(ready);
    if (this.#isAt(index, ready)) return;
    this.#head.splice(index, 0, ready);
    if (this.#head.length <= KEPT) return;
    this.#head.length = KEPT / 2;
    this.#last = this.#head.at(-1) as Ready;
  }

  remove(ready: Ready): void {
    const index = this.#indexOf(ready);
    if (this.#isAt(index, ready)) this.#head.splice(index, 1);
  }

  /** Forgets what is in memory: somebody changed the database, or it went back to what it was before. */
  reset(): void {
    this.#head = [];
    this.#last = BEGIN;
  }

  /** The first `limit` that may start, in order, none of them from the place `line` on. */
  find(limit: number, line: number, judge: (ready: Ready) => Verdict): number[] {
    const found: number[] = [];
    const gone: Ready[] = [];
    for (let index = 0; found.length < limit; index++) {
      if (index === this.#head.length && !this.#fetchMore()) break;
      const ready = this.#head[index] as Ready;
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
    if (!this.mayFetch) return false;
    const more = this.#fetch(this.#last, FETCHED);
    this.#last = more.length < FETCHED ? END : more.at(-1) as Ready;
    for (const ready of more) this.#head.push(ready);
    return more.length > 0;
  }

  #isAt(index: number, ready: Ready): boolean {
    const found = this.#head[index];
    return found !== undefined && order(found, ready) === 0;
  }

  /** Of the first that is not before it. */
  #indexOf(ready: Ready): number {
    let [low, high] = [0, this.#head.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (order(this.#head[middle] as Ready, ready) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Two jobs may have one place in a file that was salvaged. */
function order(a: Ready, b: Ready): number {
  return a.place === b.place ? a.number - b.number : a.place - b.place;
}
