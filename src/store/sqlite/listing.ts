import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Job } from "../../job/job.ts";
import type { State } from "../../job/state.ts";
import { must } from "../../must.ts";
import type { Listed } from "../store.ts";
import { type JobRow, selectJobs } from "./job_columns.ts";
import { type Jobs, prepareForArrays } from "./jobs.ts";
import type { Runs } from "./runs.ts";

const OPEN = "jobs INDEXED BY jobs_open";
const ENDED = "jobs INDEXED BY jobs_ended";
/** What is pending, and what runs: those have no index of their own, and are few. */
const WHERE_OPEN = "WHERE ended IS NULL";
const WHERE_ENDED = "WHERE ended IS NOT NULL AND state = ?";

/** The directories: names from an index alone, and the whole of each job where that is asked for. */
export class Listing {
  readonly #jobs: Jobs;
  readonly #runs: Runs;
  readonly #openNames: StatementSync;
  readonly #endedNames: StatementSync;
  readonly #open: StatementSync;
  readonly #ended: StatementSync;
  readonly #countOpen: StatementSync;
  readonly #countEnded: StatementSync;

  constructor(database: DatabaseSync, jobs: Jobs, runs: Runs) {
    this.#jobs = jobs;
    this.#runs = runs;
    const pageOfOpen = `${WHERE_OPEN} AND number > ? ORDER BY number LIMIT ?`;
    const pageOfEnded = `${WHERE_ENDED} AND ended > ? ORDER BY ended LIMIT ?`;
    this.#openNames = prepareForArrays(database, `SELECT number, number, id, 0 FROM ${OPEN} ${pageOfOpen}`);
    this.#endedNames = prepareForArrays(
      database,
      `SELECT ended, number, id, ordinal FROM ${ENDED} ${pageOfEnded}`,
    );
    const whole = (from: string, page: string) => prepareForArrays(database, `${selectJobs(from)} ${page}`);
    this.#open = whole(OPEN, pageOfOpen);
    this.#ended = whole(ENDED, pageOfEnded);
    this.#countOpen = database.prepare(`SELECT count(*) AS jobs FROM ${OPEN} ${WHERE_OPEN}`);
    this.#countEnded = database.prepare(`SELECT count(*) AS jobs FROM ${ENDED} ${WHERE_ENDED}`);
  }

  /** The jobs of a state behind a position, in order. */
  names(state: State, after: number, limit: number): Listed[] {
    if (state === "active") {
      return this.#active(after, limit).map(({ number, id, ordinal }) => ({
        position: number,
        number,
        id,
        ordinal,
      }));
    }
    if (state !== "pending") return listedOf(this.#endedNames.all(state, after, limit));
    return this.#pending(after, limit, (after) => listedOf(this.#openNames.all(after, limit)));
  }

  /** The same, the whole of each. */
  jobs(state: State, after: number, limit: number): { position: number; job: Job }[] {
    return this.#rows(state, after, limit).map((row) => ({
      position: row.ended ?? row.number,
      job: this.#jobs.jobOf(row),
    }));
  }

  count(state: State): number {
    const active = this.#active(0, Infinity).length;
    if (state === "active") return active;
    if (state === "pending") return this.#countOpen.get()?.jobs as number - active;
    return this.#countEnded.get(state)?.jobs as number;
  }

  #rows(state: State, after: number, limit: number): JobRow[] {
    if (state === "active") {
      return this.#active(after, limit).map(({ number }) =>
        must(this.#jobs.row(number), "a job that runs has a row")
      );
    }
    if (state !== "pending") return this.#jobs.rowsOf(this.#ended, state, after, limit);
    return this.#pending(after, limit, (after) => this.#jobs.rowsOf(this.#open, after, limit));
  }

  #active(after: number, limit: number) {
    return this.#runs.all().filter(({ number, isAbandoned }) => !isAbandoned && number > after)
      .sort((one, other) => one.number - other.number).slice(0, limit);
  }

  /** Of what is open, what does not run; as many as were asked for, if there are. */
  #pending<Row extends { number: number }>(
    after: number,
    limit: number,
    page: (after: number) => Row[],
  ): Row[] {
    const found: Row[] = [];
    for (;;) {
      const rows = page(after);
      found.push(...rows.filter(({ number }) => !this.#runs.of(number)));
      const last = rows.at(-1);
      if (!last || rows.length < limit || found.length >= limit) return found.slice(0, limit);
      after = last.number;
    }
  }
}

function listedOf(rows: unknown): Listed[] {
  return (rows as [number, number, string, number][])
    .map(([position, number, id, ordinal]) => ({ position, number, id, ordinal }));
}
