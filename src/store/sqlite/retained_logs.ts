import type { DatabaseSync, StatementSync } from "node:sqlite";
import { type Attempt, attemptKey } from "../../job/attempt.ts";
import type { Logs, StoredLog } from "./logs.ts";
import type { Transactions } from "./transactions.ts";

/** A log that nothing but its readers has any more. */
interface Orphan extends StoredLog {
  attempt: Attempt;
}

/**
 * The logs that somebody reads: one that is dropped meanwhile stays until its last reader is gone, or until
 * the next start.
 */
export class RetainedLogs {
  readonly #database: DatabaseSync;
  readonly #transactions: Transactions;
  readonly #logs: Logs;
  readonly #keep: StatementSync;
  readonly #forget: StatementSync;
  /** How many read a log, by the attempt's key. */
  readonly #readers = new Map<number, number>();
  readonly #orphans = new Map<number, Orphan>();

  constructor(database: DatabaseSync, transactions: Transactions, logs: Logs) {
    this.#database = database;
    this.#transactions = transactions;
    this.#logs = logs;
    this.#keep = database.prepare("INSERT INTO kept_logs (log) VALUES (?)");
    this.#forget = database.prepare("DELETE FROM kept_logs WHERE log = ?");
  }

  get(key: number): Orphan | undefined {
    return this.#orphans.get(key);
  }

  retain(key: number): AsyncDisposable {
    this.#readers.set(key, (this.#readers.get(key) ?? 0) + 1);
    const reading = new AsyncDisposableStack();
    reading.defer(() => this.#release(key));
    return reading;
  }

  /** Within a change: nothing but readers has this log any more. */
  drop({ head, bytes, chunks }: StoredLog, attempt: Attempt): void {
    const key = attemptKey(attempt.job, attempt.ordinal);
    if (!this.#readers.has(key)) {
      if (chunks !== null) this.#logs.drop(chunks);
      return;
    }
    if (chunks !== null) this.#keep.run(chunks);
    this.#orphans.set(key, { head, bytes, chunks, attempt });
    this.#transactions.undo(() => this.#orphans.delete(key));
  }

  async #release(key: number): Promise<void> {
    const others = (this.#readers.get(key) ?? 1) - 1;
    if (others > 0) return void this.#readers.set(key, others);
    this.#readers.delete(key);
    const chunks = this.#orphans.get(key)?.chunks ?? null;
    this.#orphans.delete(key);
    if (chunks === null || !this.#database.isOpen) return; // The next start drops it.
    await this.#transactions.run("relaxed", () => {
      this.#logs.drop(chunks);
      this.#forget.run(chunks);
    });
  }
}
