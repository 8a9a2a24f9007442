import type { Config } from "../job/config.ts";
import type { Job } from "../job/job.ts";
import type { Store } from "../store/store.ts";

/** As what cap the jobs that have not ended are placed. */
const SETTING = "placed-by";
/** So many are placed by one commit: others are served between two. */
const AT_ONCE = 200;

/**
 * Priorities are places in the queue: a cap that changes places anew what waits, and what runs and may wait again. By
 * which cap all are placed is stored once they are, so that a crash in between only delays it to the next start.
 */
export class Placing {
  readonly #store: Store;
  readonly #priorityOf: (job: Job, config: Config) => number;

  constructor(store: Store, priorityOf: (job: Job, config: Config) => number) {
    this.#store = store;
    this.#priorityOf = priorityOf;
  }

  /** Resolves once no job is placed by another cap than that of the settings. @throws {StoreError} */
  async follow(settings: () => Promise<Config>): Promise<void> {
    for (;;) {
      const cap = String((await settings()).atMost.priority ?? 0);
      if ((await this.#store.readSetting(SETTING) ?? "0") === cap) return;
      for (let last: number | undefined = 0; last !== undefined;) last = await this.#place(last, settings);
      await this.#store.writeSetting(SETTING, cap);
    }
  }

  /** @param after The last number that is placed. @returns The last one now; `undefined`: there are no more. */
  async #place(after: number, settings: () => Promise<Config>): Promise<number | undefined> {
    const numbers = await this.#store.withPriority(after, AT_ONCE);
    const config = await settings();
    await Promise.all(numbers.map(async (number) => {
      const job = await this.#store.byNo(number);
      const changes = (job: Job) => ({ priority: this.#priorityOf(job, config) });
      if (job) await this.#store.update(number, { state: job.state }, changes, "relaxed");
    }));
    return numbers.at(-1);
  }
}
