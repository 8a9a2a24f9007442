import type { DatabaseSync, StatementSync } from "node:sqlite";
import { type Attempt, attemptKey } from "../../job/attempt.ts";
import { must } from "../../must.ts";
import type { Logs, StoredLog } from "./logs.ts";
import type { Transactions } from "./transactions.ts";
import type { Usages } from "./usages.ts";

/** A log that nothing but its readers has any more. */
interface Orphan extends StoredLog {
  attempt: Attempt;
  /** The account of whom its job was of. */
  owner: number;
}

/**
 * The logs that somebody reads: one that is dropped meanwhile stays until its last reader is gone, or until
 * the next start.
 */
export class RetainedLogs {
  readonly #database: DatabaseSync;
  readonly #transactions: Transactions;
  readonly #logs: Logs;
  readonly #usages: Usages;
  readonly #keep: StatementSync;
  readonly #forget: StatementSync;
  /** The accounts of those who read a log, one for each, by the attempt's key. */
  readonly #readers = new Map<number, (number | undefined)[]>();
  readonly #orphans = new Map<number, Orphan>();

  constructor(database: DatabaseSync, transactions: Transactions, logs: Logs, usages: Usages) {
    this.#database = database;
    this.#transactions = transactions;
    this.#logs = logs;
    this.#usages = usages;
    usages.orphans = () => this.#readByOwners();
    this.#keep = database.prepare("INSERT INTO kept_logs (log) VALUES (?)");
    this.#forget = database.prepare("DELETE FROM kept_logs WHERE log = ?");
  }

  get(key: number): Orphan | undefined {
    return this.#orphans.get(key);
  }

  /** @param account Of who reads it; `undefined`: it is nobody's. */
  retain(key: number, account: number | undefined): AsyncDisposable {
    const readers = this.#readers.get(key);
    if (readers) readers.push(account);
    else this.#readers.set(key, [account]);
    const reading = new AsyncDisposableStack();
    reading.defer(() => this.#release(key, account));
    return reading;
  }

  /** Within a change: nothing but readers has this log any more. @param uid Whose the job is. */
  drop({ head, bytes, chunks }: StoredLog, attempt: Attempt, uid: number): void {
    const key = attemptKey(attempt.job, attempt.ordinal);
    const readers = this.#readers.get(key);
    if (!readers) {
      if (chunks !== null) this.#logs.drop(chunks);
      return;
    }
    if (chunks !== null) this.#keep.run(chunks);
    const owner = this.#usages.accountOf(uid);
    this.#orphans.set(key, { head, bytes, chunks, attempt, owner });
    if (readers.includes(owner)) this.#usages.orphaned(owner, bytes);
    this.#transactions.undo(() => this.#orphans.delete(key));
  }

  /** Those that their owners go on to read, who would else have more than their share by what they remove. */
  *#readByOwners(): Iterable<{ owner: number; bytes: number }> {
    for (const [key, orphan] of this.#orphans) {
      if (this.#readers.get(key)?.includes(orphan.owner)) yield orphan;
    }
  }

  async #release(key: number, account: number | undefined): Promise<void> {
    const readers = must(this.#readers.get(key), "who reads a log is known");
    readers.splice(readers.indexOf(account), 1);
    const orphan = this.#orphans.get(key);
    if (orphan && account === orphan.owner && !readers.includes(account)) {
      this.#usages.orphaned(account, -orphan.bytes);
    }
    if (readers.length > 0) return;
    this.#readers.delete(key);
    const chunks = orphan?.chunks ?? null;
    this.#orphans.delete(key);
    if (chunks === null || !this.#database.isOpen) return; // The next start drops it.
    await this.#transactions.run("relaxed", () => {
      this.#logs.drop(chunks);
      this.#forget.run(chunks);
    });
  }
}
