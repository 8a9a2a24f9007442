import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Job } from "../../job/job.ts";
import type { State } from "../../job/state.ts";
import { must } from "../../must.ts";
import type { Listed } from "../store.ts";
import { selectJobs } from "./job_columns.ts";
import { type Jobs, prepareForArrays } from "./jobs.ts";
import type { RunRow, Runs } from "./runs.ts";

const OPEN = "jobs INDEXED BY jobs_open";
const ENDED = "jobs INDEXED BY jobs_ended";
/** What is pending, and what runs: those have no index of their own, and are few. */
const WHERE_OPEN = "WHERE ended IS NULL";
const WHERE_ENDED = "WHERE ended IS NOT NULL AND state = ?";

/** How the rows of a listing are read: of a job that runs, of a page of what is open, and of what has ended. */
interface Reads<Row> {
  active(run: RunRow): Row;
  open(after: number): Row[];
  ended(): Row[];
}

/** The directories: names from an index alone, and the whole of each job where that is asked for. */
export class Listing {
  readonly #jobs: Jobs;
  readonly #runs: Runs;
  readonly #openNames: StatementSync;
  readonly #endedNames: StatementSync;
  readonly #open: StatementSync;
  readonly #ended: StatementSync;
  readonly #withPriority: StatementSync;
  readonly #ids: StatementSync;
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
    this.#withPriority = database.prepare(
      `SELECT number FROM ${OPEN} ${WHERE_OPEN} AND number > ? AND asks LIKE '%"priority":%' ORDER BY number LIMIT ?`,
    );
    this.#ids = database.prepare("SELECT id, number FROM jobs WHERE id >= ? ORDER BY id LIMIT ?");
    this.#countOpen = database.prepare(`SELECT count(*) AS jobs FROM ${OPEN} ${WHERE_OPEN}`);
    this.#countEnded = database.prepare(`SELECT count(*) AS jobs FROM ${ENDED} ${WHERE_ENDED}`);
  }

  /** The jobs of a state behind a position, in order. */
  names(state: State, after: number, limit: number): Listed[] {
    return this.#page(state, after, limit, {
      active: ({ number, id, ordinal }) => ({ position: number, number, id, ordinal }),
      open: (after) => listedOf(this.#openNames.all(after, limit)),
      ended: () => listedOf(this.#endedNames.all(state, after, limit)),
    });
  }

  /** The same, the whole of each. */
  jobs(state: State, after: number, limit: number): { position: number; job: Job }[] {
    const rows = this.#page(state, after, limit, {
      active: ({ number }) => must(this.#jobs.row(number), "a job that runs has a row"),
      open: (after) => this.#jobs.rowsOf(this.#open, after, limit),
      ended: () => this.#jobs.rowsOf(this.#ended, state, after, limit),
    });
    return rows.map((row) => ({ position: row.ended ?? row.number, job: this.#jobs.jobOf(row) }));
  }

  /** The numbers of those that have not ended and ask for a priority. */
  withPriority(after: number, limit: number): number[] {
    return this.#withPriority.all(after, limit).map(({ number }) => number as number);
  }

  /** From an index alone, as names in the order of their bytes. */
  idsFrom(from: string, limit: number): { id: string; number: number }[] {
    return this.#ids.all(from, limit) as { id: string; number: number }[];
  }

  count(state: State): number {
    const active = this.#active(0, Infinity).length;
    if (state === "active") return active;
    if (state === "pending") return this.#countOpen.get()?.jobs as number - active;
    return this.#countEnded.get(state)?.jobs as number;
  }

  #page<Row extends { number: number }>(state: State, after: number, limit: number, read: Reads<Row>): Row[] {
    if (state === "active") return this.#active(after, limit).map(read.active);
    if (state !== "pending") return read.ended();
    const found: Row[] = [];
    for (;;) { // Until there are as many as were asked for, of those that do not run.
      const rows = read.open(after);
      found.push(...rows.filter(({ number }) => !this.#runs.of(number)));
      const last = rows.at(-1);
      if (!last || rows.length < limit || found.length >= limit) return found.slice(0, limit);
      after = last.number;
    }
  }

  #active(after: number, limit: number) {
    return this.#runs.all().filter(({ number, isAbandoned }) => !isAbandoned && number > after)
      .sort((one, other) => one.number - other.number).slice(0, limit);
  }
}

function listedOf(rows: unknown): Listed[] {
  return (rows as [number, number, string, number][])
    .map(([position, number, id, ordinal]) => ({ position, number, id, ordinal }));
}
