import { getLogger } from "@logtape/logtape";
import { delay } from "../run/waiting.ts";

const log = getLogger(["filed", "daemon"]);

/** Between two steps, so that a request waits for one step at most. */
const PAUSE_MS = 10;

/**
 * Makes the state file smaller where much of it is free, in small steps between requests. Without, logs of 40
 * jobs took it to 673 MB, and it stayed so.
 */
export class Shrinking implements Disposable {
  #isUnderWay = false;
  #isOver = false;

  /** @param step Makes the file a little smaller. @returns Whether there is more to do. */
  constructor(private readonly step: () => Promise<boolean>) {}

  /** Begins, unless it is under way. */
  async start(): Promise<void> {
    if (this.#isUnderWay) return;
    this.#isUnderWay = true;
    try {
      while (!this.#isOver && await this.step()) await delay(PAUSE_MS);
    } catch (error) {
      log.warn("cannot make the state file smaller", { error });
    }
    this.#isUnderWay = false;
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
  }
}
