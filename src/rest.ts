/** Does something each time that nothing has happened for a while, after something has. */
export class Rest implements Disposable {
  readonly #act: () => void;
  readonly #quietMs: number;
  readonly #now: () => number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #disturbedAt = 0;
  #isOver = false;

  /** @param now A clock, ms. */
  constructor(act: () => void, quietMs: number, now: () => number = () => performance.now()) {
    this.#act = act;
    this.#quietMs = quietMs;
    this.#now = now;
  }

  /** Something happens. */
  disturb(): void {
    if (this.#isOver) return;
    this.#disturbedAt = this.#now();
    this.#timer ??= setTimeout(() => this.#look(), this.#quietMs);
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
  }

  #look() {
    const leftMs = this.#disturbedAt + this.#quietMs - this.#now();
    this.#timer = leftMs > 0 ? setTimeout(() => this.#look(), leftMs) : undefined;
    if (leftMs <= 0) this.#act();
  }
}
