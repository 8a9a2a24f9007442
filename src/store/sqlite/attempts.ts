import type { DatabaseSync, StatementSync } from "node:sqlite";
import { type Attempt, attemptKey, jobOfAttempt } from "../../job/attempt.ts";
import type { Ending } from "../../job/ending.ts";
import type { StoredLog } from "./logs.ts";
import type { Usages } from "./usages.ts";

/** An attempt that is over, with its log. */
export interface AttemptRow extends StoredLog {
  key: number;
  /** The number of the host it ran on. */
  host: number;
  startedAt: number;
  endedAt: number;
  ending: Ending;
}

/** Under the names that a row has here. */
const COLUMNS = `attempt AS key, host, started_at AS startedAt, ended_at AS endedAt, ending,
  log AS chunks, log_bytes AS bytes, head`;

/** The table of attempts that are over: each is inserted once, when it is settled. */
export class Attempts {
  readonly #usages: Usages;
  readonly #put: StatementSync;
  readonly #select: StatementSync;
  readonly #delete: StatementSync;

  constructor(database: DatabaseSync, usages: Usages) {
    this.#usages = usages;
    this.#put = database.prepare(
      `INSERT OR REPLACE INTO attempts (attempt, host, started_at, ended_at, ending, log, log_bytes, head)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#select = database.prepare(`SELECT ${COLUMNS} FROM attempts WHERE attempt = ?`);
    this.#delete = database.prepare(
      `DELETE FROM attempts WHERE attempt BETWEEN ?1 AND ?2 AND attempt IS NOT ?3 RETURNING ${COLUMNS}`,
    );
  }

  get(key: number): AttemptRow | undefined {
    const row = this.#select.get(key);
    return row && toAttempt(row);
  }

  /**
   * Within a change, as what follows: stores one that is over, or that has a longer log or another end than before.
   * @param before As it was stored; `undefined`: it was not.
   */
  put({ key, host, startedAt, endedAt, ending, chunks, bytes, head }: AttemptRow, before?: AttemptRow): void {
    this.#put.run(key, host, startedAt, endedAt, JSON.stringify(ending), chunks, bytes, head);
    this.#usages.logged(jobOfAttempt(key), bytes - (before?.bytes ?? 0));
  }

  /** @param except The ordinal of one that stays. @returns Those that are gone. */
  remove(number: number, except?: number): AttemptRow[] {
    const [first, last] = [attemptKey(number, 0), attemptKey(number + 1, 0) - 1];
    const kept = except === undefined ? null : attemptKey(number, except);
    const removed = this.#delete.all(first, last, kept).map(toAttempt);
    for (const { bytes } of removed) this.#usages.logged(number, -bytes);
    return removed;
  }
}

export function attemptOf({ key, startedAt, endedAt, ending, bytes }: AttemptRow): Attempt {
  const job = jobOfAttempt(key);
  return {
    job,
    ordinal: key - attemptKey(job, 0),
    startedAt,
    logBytes: bytes,
    over: { at: endedAt, ending },
  };
}

function toAttempt(row: Record<string, unknown>): AttemptRow {
  return { ...row, ending: JSON.parse(row.ending as string) } as AttemptRow;
}
