/** Calls `act` once nothing has disturbed it for `quietMs`, and again after the next disturbance. */
export class IdleTimer implements Disposable {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #disturbedAt = 0;
  #isOver = false;

  /**
   * @param now A clock, ms.
   * @param onLook Called, at most once in `quietMs`, whenever we look whether it is quiet.
   */
  constructor(
    private readonly act: () => void,
    private readonly quietMs: number,
    private readonly now: () => number = () => performance.now(),
    private readonly onLook: () => void = () => {},
  ) {}

  /** Something happens. Cheap, as it starts no timer while one runs. */
  disturb(): void {
    if (this.#isOver) return;
    this.#disturbedAt = this.now();
    this.#timer ??= setTimeout(() => this.#look(), this.quietMs);
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
  }

  #look() {
    const leftMs = this.#disturbedAt + this.quietMs - this.now();
    this.#timer = leftMs > 0 ? setTimeout(() => this.#look(), leftMs) : undefined;
    this.onLook();
    if (leftMs <= 0) this.act();
  }
}
