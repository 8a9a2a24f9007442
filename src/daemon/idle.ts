/** Does something each time that nothing has happened for a while, after something has. */
export class Rest implements Disposable {
  readonly #act: () => void;
  readonly #quietMs: number;
  readonly #now: () => number;
  readonly #onLook: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #disturbedAt = 0;
  #isOver = false;

  /**
   * @param now A clock, ms.
   * @param onLook Called each time that it looks whether it is quiet: while things happen, once in `quietMs`.
   */
  constructor(
    act: () => void,
    quietMs: number,
    now: () => number = () => performance.now(),
    onLook: () => void = () => {},
  ) {
    this.#act = act;
    this.#quietMs = quietMs;
    this.#now = now;
    this.#onLook = onLook;
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
    this.#onLook();
    if (leftMs <= 0) this.#act();
  }
}
