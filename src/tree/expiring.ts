/**
 * Values that are forgotten `lifeMs` after they were set; one that is set again lives as long again.
 *
 * What is past is dropped as others are set, the oldest first and no further than to the first that is not
 * past: a user who sets many makes none of them dearer.
 */
export class Expiring<K, V> {
  readonly #lifeMs: number;
  readonly #now: () => number;
  readonly #limit: number;
  /** The oldest first. */
  readonly #entries = new Map<K, { since: number; value: V }>();

  /**
   * @param now A clock, ms. Set back, it makes nothing live longer than twice its life.
   * @param limit How many there are at most; the oldest gives way.
   */
  constructor(lifeMs: number, now: () => number, limit = Infinity) {
    this.#lifeMs = lifeMs;
    this.#now = now;
    this.#limit = limit;
  }

  get(key: K): V | undefined {
    return this.leftMs(key) > 0 ? this.#entries.get(key)?.value : undefined;
  }

  /** How long the value is still there, ms; 0 if it is not. */
  leftMs(key: K): number {
    const entry = this.#entries.get(key);
    return entry ? this.#leftMs(entry.since, this.#now()) : 0;
  }

  /** @returns The value. */
  set(key: K, value: V): V {
    const now = this.#now();
    this.#entries.delete(key); // So that the order stays that of age.
    for (const [other, { since }] of this.#entries) {
      if (this.#leftMs(since, now) > 0 && this.#entries.size < this.#limit) break;
      this.#entries.delete(other);
    }
    this.#entries.set(key, { since: now, value });
    return value;
  }

  /** @returns Whether it was set and not dropped, be it past or not. */
  delete(key: K): boolean {
    return this.#entries.delete(key);
  }

  #leftMs(since: number, now: number): number {
    const age = now - since;
    return Math.abs(age) < this.#lifeMs ? Math.min(this.#lifeMs, this.#lifeMs - age) : 0;
  }
}
