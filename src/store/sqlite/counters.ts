import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Batch } from "./commits.ts";

/** Taken in one go: each time is a page to write. */
const BLOCK = 1_024;

/** The numbers that the store gives out, each once. All but `nextJob` are called within a change. */
export class Numbers {
  readonly #batch: Batch;
  readonly #reserve: StatementSync;
  readonly #counter: StatementSync;
  readonly #lastPlace: StatementSync;
  readonly #reserveJobs: StatementSync;
  /** Of a job, never used again, also if that job could not be stored. */
  #lastJob: number;
  /** The last number of a job that SQLite counts as used. */
  #lastReserved: number;
  /** Places in the queue, for as long as nothing was rolled back since they were taken from their counter. */
  #places = { next: 0, end: 0, rollbacks: 0 };

  constructor(database: DatabaseSync, batch: Batch) {
    this.#batch = batch;
    this.#reserve = database.prepare(
      `INSERT INTO counters (name, next) VALUES (:name, :start + :count)
       ON CONFLICT DO UPDATE SET next = next + :count RETURNING next`,
    );
    this.#counter = database.prepare("SELECT next FROM counters WHERE name = ?");
    this.#lastPlace = database.prepare("SELECT max(place) AS place FROM jobs");
    this.#reserveJobs = database.prepare("UPDATE sqlite_sequence SET seq = ? WHERE name = 'jobs'");
    const last = database.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'jobs'").get();
    const log = database.prepare("SELECT max(log_number) AS last FROM jobs WHERE log_number IS NOT NULL")
      .get();
    // A file that was salvaged may know only of the numbers that jobs have.
    this.#lastJob = Math.max((last?.seq ?? 0) as number, (log?.last ?? 0) as number);
    this.#lastReserved = (last?.seq ?? 0) as number;
  }

  nextJob(): number {
    return ++this.#lastJob;
  }

  /** Of a log that takes the place of one which somebody reads: no job has it either. */
  nextLog(): number {
    const number = this.nextJob();
    this.use(number);
    return number;
  }

  /** Has SQLite count a job's number as used, and those after it before they are: it then need not write down each. */
  use(job: number): void {
    if (job <= this.#lastReserved) return;
    this.#lastReserved = job + BLOCK;
    this.#reserveJobs.run(this.#lastReserved);
  }

  /** The end of the queue. */
  nextPlace(): number {
    const { rollbacks } = this.#batch;
    if (this.#places.next === this.#places.end || this.#places.rollbacks !== rollbacks) {
      const lost = this.#counter.get("place") ? 0 : this.#placesInUse();
      const next = this.reserve("place", lost + BLOCK, 0) + lost;
      this.#places = { next, end: next + BLOCK, rollbacks };
    }
    return this.#places.next++;
  }

  /** A file that was salvaged may have its jobs, and not the counter. */
  #placesInUse(): number {
    return (this.#lastPlace.get()?.place ?? -1) as number + 1;
  }

  /** Takes the next `count` numbers of a counter, which begins at `start`. @returns The first. */
  reserve(name: string, count: number, start: number): number {
    return this.#reserve.get({ name, count, start })?.next as number - count;
  }
}
