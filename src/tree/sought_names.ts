import { CREATED_NAME_MS } from "./created_names.ts";

interface Sought {
  until: number;
  uid: number;
  mtimeMs: number;
}

/**
 * Jobs that their makers look for under their names in pending a moment later, by number: programs which copy
 * a file, and give it its times by its name once they have closed it, then look whether it has arrived.
 */
export class SoughtNames {
  readonly #sought = new Map<number, Sought>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** That user has just given the job its times. @param mtimeMs What is to be seen then. */
  add(number: number, uid: number, mtimeMs: number) {
    const now = this.#now();
    for (const [other, { until }] of this.#sought) {
      if (until <= now) this.#sought.delete(other);
    }
    this.#sought.set(number, { until: now + CREATED_NAME_MS, uid, mtimeMs });
  }

  get(number: number): Sought | undefined {
    const sought = this.#sought.get(number);
    return sought && sought.until > this.#now() ? sought : undefined;
  }

  delete(number: number) {
    this.#sought.delete(number);
  }
}
