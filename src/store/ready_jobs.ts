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

/**
 * The head of the queue in memory, so that a search for what can start asks the database only where the head has come to its
 * end. Whoever makes a job ready, or gives it another place, adds it; who is it no more is found out in the search.
 */
export class ReadyJobs {
  readonly #fetch: (after: number, limit: number) => Ready[];
  /** By place; no two have the same. */
  #head: Ready[] = [];
  /** All that is ready up to this place is in the head. */
  #end = -Infinity;

  /** @param fetch What the database has that is ready behind a place, in order. */
  constructor(fetch: (after: number, limit: number) => Ready[]) {
    this.#fetch = fetch;
  }

  /** Whether a search may ask the database, which must know then what is in memory of jobs. */
  get mayFetch(): boolean {
    return this.#end !== Infinity;
  }

  add(ready: Ready): void {
    const { place } = ready;
    if (place > this.#end) return;
    const index = this.#indexOf(place);
    this.#head.splice(index, this.#head[index]?.place === place ? 1 : 0, ready);
    if (this.#head.length <= KEPT) return;
    this.#head.length = KEPT / 2;
    this.#end = this.#head.at(-1)?.place as number;
  }

  /** Forgets what is in memory: somebody changed the database, or it went back to what it was before. */
  reset(): void {
    this.#head = [];
    this.#end = -Infinity;
  }

  /** The first `limit` that may start, in order, none of them from `line` on. */
  find(limit: number, line: number, judge: (ready: Ready) => Verdict): number[] {
    const found: number[] = [];
    const seen: Ready[] = [];
    let index = 0;
    while (found.length < limit && (index < this.#head.length || this.#fetchMore())) {
      const ready = this.#head[index] as Ready;
      if (ready.place >= line) break;
      index++;
      const verdict = judge(ready);
      if (verdict === "gone") continue;
      seen.push(ready);
      if (verdict === "may-start") found.push(ready.number);
    }
    if (seen.length < index) this.#head = seen.concat(this.#head.slice(index));
    return found;
  }

  /** @returns Whether there are more. */
  #fetchMore(): boolean {
    if (!this.mayFetch) return false;
    const more = this.#fetch(Math.max(this.#end, -1), FETCHED);
    this.#end = more.length < FETCHED ? Infinity : more.at(-1)?.place as number;
    for (const ready of more) this.#head.push(ready);
    return more.length > 0;
  }

  /** Of the first that is not before a place. */
  #indexOf(place: number): number {
    let [low, high] = [0, this.#head.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#head[middle] as Ready).place < place) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
