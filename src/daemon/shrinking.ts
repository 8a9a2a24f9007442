import { getLogger } from "@logtape/logtape";

const log = getLogger(["filed", "daemon"]);

/** Between two steps, so that a request waits for one step at most. */
const PAUSE_MS = 10;

/**
 * Makes the state file smaller where much of it is free: in small steps, and between requests, which may
 * come.
 */
export class Shrinking implements Disposable {
  readonly #step: () => Promise<boolean>;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isStepping = false;
  #isOver = false;

  /** @param step Makes the file a little smaller. @returns Whether there is more to do. */
  constructor(step: () => Promise<boolean>) {
    this.#step = step;
  }

  /** Begins, unless it is under way. */
  start(): void {
    if (this.#isOver || this.#isStepping) return;
    this.#isStepping = true;
    this.#goOn();
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
  }

  async #goOn() {
    try {
      this.#isStepping = await this.#step();
    } catch (error) {
      this.#isStepping = false;
      log.warn("cannot make the state file smaller", { error });
    }
    if (this.#isStepping && !this.#isOver) this.#timer = setTimeout(() => this.#goOn(), PAUSE_MS);
  }
}
