import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { JobTable } from "./jobs.ts";

const WHERE_WAITING = "WHERE state = 'pending' AND visible_at IS NOT NULL";

/** The pending jobs that wait for their time. */
export class WaitingJobs {
  readonly #jobs: JobTable;
  readonly #next: StatementSync;
  readonly #makeVisible: StatementSync;
  readonly #waitFrom: StatementSync;
  #known: { at: number | undefined; version: number } | undefined;

  constructor(database: DatabaseSync, jobs: JobTable) {
    this.#jobs = jobs;
    // SQLite's planner would rather walk over all jobs of the state.
    this.#next = database.prepare(
      `SELECT min(visible_at) AS at FROM jobs INDEXED BY jobs_waiting ${WHERE_WAITING}`,
    );
    this.#makeVisible = database.prepare(
      "UPDATE jobs INDEXED BY jobs_waiting SET visible_at = NULL WHERE state = 'pending' AND visible_at <= ?",
    );
    this.#waitFrom = database.prepare(
      `UPDATE jobs INDEXED BY jobs_waiting SET visible_at = visible_at - (logged_at - ?1), logged_at = ?1
       ${WHERE_WAITING} AND attempts > 0 AND logged_at > ?1`,
    );
  }

  /** Whether `next` asks the database, which must know then what is in memory of jobs. */
  get mayFetch(): boolean {
    return this.#known?.version !== this.#jobs.timesVersion;
  }

  /** When the first of them is due. */
  next(): number | undefined {
    if (!this.#known || this.mayFetch) {
      const at = (this.#next.get()?.at ?? undefined) as number | undefined;
      this.#known = { at, version: this.#jobs.timesVersion };
    }
    return this.#known.at;
  }

  /** Within a transaction: those that are due wait no more, so that the search for what is ready never walks over jobs that wait. */
  makeVisible(now: number): void {
    this.#change(this.#makeVisible, now);
  }

  /** Within a transaction: those whose last attempt ended after `now` wait as if it had ended now. */
  waitFrom(now: number): void {
    this.#change(this.#waitFrom, now);
  }

  #change(statement: StatementSync, now: number) {
    this.#jobs.write();
    this.#jobs.forget();
    statement.run(now);
  }
}
