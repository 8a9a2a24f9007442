/**
 * How long the kernel resolves the name of a job that was just made without asking. Programs which close a file first, and
 * give it its mode and owner by its name then, so reach the job that has left pending.
 */
export const CREATED_NAME_MS = 2_000;

/** The jobs whose name in pending the kernel may still resolve by itself, by number, and who made them. */
export class CreatedNames {
  readonly #created = new Map<number, { until: number; uid: number }>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  has(number: number): boolean {
    return (this.#created.get(number)?.until ?? 0) > this.#now();
  }

  /** For how long the kernel may go on to resolve the name without asking, ms. */
  validMs(number: number): number {
    return Math.max(0, (this.#created.get(number)?.until ?? 0) - this.#now());
  }

  /** Whether that user made it, just so. */
  isBy(uid: number, number: number): boolean {
    return this.has(number) && this.#created.get(number)?.uid === uid;
  }

  /** The kernel was told the name for `CREATED_NAME_MS`. */
  add(number: number, uid: number) {
    const now = this.#now();
    for (const [other, { until }] of this.#created) { // The oldest come first.
      if (until > now) break;
      this.#created.delete(other);
    }
    this.#created.set(number, { until: now + CREATED_NAME_MS, uid });
  }

  /** The kernel is to ask for the name before it uses it again. */
  delete(number: number): boolean {
    return this.#created.delete(number);
  }
}
