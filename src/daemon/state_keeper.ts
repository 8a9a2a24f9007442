import { getLogger } from "@logtape/logtape";

const log = getLogger(["filed", "daemon"]);

interface Kept {
  isInPlace(): boolean;
  writeBack(): Promise<string>;
}

/**
 * Keeps the state file at its path. Who removes or replaces it would take away, with the next start, all jobs
 * that we have acknowledged. Disposing of the keeper writes them back: do it before the store is closed.
 */
export class StateKeeper implements AsyncDisposable {
  #isTold = false;

  constructor(private readonly store: Kept, private readonly path: string) {}

  /** Call now and then while jobs change. */
  look(): void {
    if (this.#isTold || this.#isInPlace()) return;
    this.#isTold = true;
    log.error(
      "the state file was removed or replaced: a crash would lose all jobs; stop filed, and it writes them back",
      { state: this.path },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isInPlace()) return;
    try {
      const state = await this.store.writeBack();
      const message = state === this.path
        ? "the state file was removed while filed ran, and is written back"
        : "the state file was replaced while filed ran: the jobs of this run are in a file beside it";
      log.warn(message, { state });
    } catch (error) {
      log.error("the state file was removed while filed ran, and can not be written back", {
        state: this.path,
        error,
      });
    }
  }

  /** A file that we can't look at may be there. */
  #isInPlace(): boolean {
    try {
      return this.store.isInPlace();
    } catch {
      return true;
    }
  }
}
