/**
 * How long the kernel resolves the name of a job that was just made without asking. Programs which close a file first, and
 * give it its mode and owner by its name then, so reach the job that has left pending.
 */
export const CREATED_NAME_MS = 2_000;

/** The jobs whose name in pending the kernel may still resolve by itself, by number. */
export class CreatedNames {
  readonly #until = new Map<number, number>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  has(number: number): boolean {
    return (this.#until.get(number) ?? 0) > this.#now();
  }

  /** The kernel was told the name for `CREATED_NAME_MS`. */
  add(number: number) {
    const now = this.#now();
    for (const [other, until] of this.#until) { // The oldest come first.
      if (until > now) break;
      this.#until.delete(other);
    }
    this.#until.set(number, now + CREATED_NAME_MS);
  }

  /** The kernel asked for the name, or will before it uses it. */
  delete(number: number): boolean {
    return this.#until.delete(number);
  }
}
