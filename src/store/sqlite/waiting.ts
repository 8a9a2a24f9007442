import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Jobs } from "./jobs.ts";

/** So many are made visible at once, at most. */
const STEP = 1_000;

/** The pending jobs that wait for their time, or may start until one. */
export class Waiting {
  readonly #jobs: Jobs;
  readonly #next: StatementSync;
  readonly #due: StatementSync;
  readonly #retries: StatementSync;
  readonly #setEnd: StatementSync;
  readonly #nextDeadline: StatementSync;
  readonly #late: StatementSync;
  /** What `next` and `nextDeadline` last found. */
  #known: { at: number | undefined } | undefined;
  #knownDeadline: { at: number | undefined } | undefined;

  constructor(database: DatabaseSync, jobs: Jobs) {
    this.#jobs = jobs;
    jobs.onTimes = () => this.#known = this.#knownDeadline = undefined;
    this.#next = database.prepare(
      "SELECT min(visible_at) AS at FROM jobs INDEXED BY jobs_due WHERE visible_at IS NOT NULL",
    );
    this.#due = database.prepare(
      `SELECT number FROM jobs INDEXED BY jobs_due
       WHERE visible_at IS NOT NULL AND visible_at <= ? ORDER BY visible_at LIMIT ${STEP}`,
    );
    this.#retries = database.prepare(
      `SELECT number, visible_at AS at, attempt, attempts.ended_at AS endedAt
       FROM jobs INDEXED BY jobs_due JOIN attempts ON attempt = number << 20 | ordinal
       WHERE visible_at IS NOT NULL AND tries > 0 AND attempts.ended_at > ?`,
    );
    this.#nextDeadline = database.prepare(
      "SELECT min(deadline) AS at FROM jobs INDEXED BY jobs_late WHERE deadline IS NOT NULL",
    );
    this.#late = database.prepare(
      `SELECT number FROM jobs INDEXED BY jobs_late
       WHERE deadline IS NOT NULL AND deadline <= ? ORDER BY deadline LIMIT ?`,
    );
    this.#setEnd = database.prepare("UPDATE attempts SET ended_at = ? WHERE attempt = ?");
  }

  /** When the first of them is due. */
  next(): number | undefined {
    this.#known ??= { at: (this.#next.get()?.at ?? undefined) as number | undefined };
    return this.#known.at;
  }

  /** When the first is too late of those that are to start by a time. */
  nextDeadline(): number | undefined {
    this.#knownDeadline ??= { at: (this.#nextDeadline.get()?.at ?? undefined) as number | undefined };
    return this.#knownDeadline.at;
  }

  late(now: number, limit: number): number[] {
    return this.#late.all(now, limit).map(({ number }) => number as number);
  }

  /** Within a change: those that are due wait no more, so that a search for what is ready never walks over them. */
  makeVisible(now: number): void {
    for (const { number } of this.#due.all(now)) this.#jobs.change(number as number, { visibleAt: null });
  }

  /** Within a change: those whose last attempt ended after `now` wait as if it had ended now. */
  waitFrom(now: number): void {
    for (const { number, at, attempt, endedAt } of this.#retries.all(now) as Record<string, number>[]) {
      this.#setEnd.run(now, attempt as number);
      const visibleAt = (at as number) - ((endedAt as number) - now);
      this.#jobs.change(number as number, { visibleAt });
    }
  }
}
