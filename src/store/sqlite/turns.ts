import { must } from "../../must.ts";

/** A job, and its turn in the queue. */
export interface Ready {
  number: number;
  turn: number;
}

/** Jobs in the order of the queue. */
export class Turns<Job extends Ready = Ready> {
  #jobs: Job[] = [];

  get length(): number {
    return this.#jobs.length;
  }

  /** @param index From 0; from -1 downwards, counted from the end. */
  at(index: number): Job | undefined {
    return this.#jobs.at(index);
  }

  /** Adds one that may be in it already. */
  add(job: Job): void {
    const last = this.#jobs.at(-1);
    if (!last || order(last, job) < 0) return void this.#jobs.push(job);
    const index = this.#indexOf(job);
    if (!this.#isAt(index, job)) this.#jobs.splice(index, 0, job);
  }

  /** Takes out one that need not be in it. */
  remove(job: Ready): void {
    const index = this.#indexOf(job);
    if (this.#isAt(index, job)) this.#jobs.splice(index, 1);
  }

  keepFirst(count: number): void {
    this.#jobs.length = count;
  }

  #isAt(index: number, job: Ready): boolean {
    const found = this.#jobs[index];
    return found !== undefined && order(found, job) === 0;
  }

  /** Of the first that is not before it. */
  #indexOf(job: Ready): number {
    let [low, high] = [0, this.#jobs.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (order(must(this.#jobs[middle], "the middle of two indices is one"), job) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Two jobs may have one turn in a file that was salvaged. */
export function order(one: Ready, other: Ready): number {
  return one.turn - other.turn || one.number - other.number;
}
