import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Durability } from "./store.ts";
import { isSqliteError, toStoreError } from "./sqlite_error.ts";

interface Waiting {
  /** Resolves or rejects what the caller awaits. */
  settle(failure: unknown): void;
}

/**
 * Group commit: changes that are asked for before the event loop gets to its microtasks share one transaction, and
 * so one fsync. Each is applied at once, in the order asked, and its promise settles with the transaction.
 */
export class Batch {
  readonly #database: DatabaseSync;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #rollback: StatementSync;
  #waiting: Waiting[] = [];
  #durability: Durability = "durable"; // of the open transaction, else of the last one

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#begin = database.prepare("BEGIN IMMEDIATE");
    this.#commit = database.prepare("COMMIT");
    this.#rollback = database.prepare("ROLLBACK");
  }

  /** @returns What `change` returned, once it is stored. @throws {StoreError} Then nothing of it is stored. */
  run<T>(durability: Durability, change: () => T): Promise<T> {
    try {
      this.#open(durability);
    } catch (error) {
      return Promise.reject(toStoreError(error, "Cannot write the state file"));
    }
    try {
      const value = change();
      return new Promise<T>((resolve, reject) => {
        this.#waiting.push({ settle: (failure) => failure === undefined ? resolve(value) : reject(failure) });
      });
    } catch (error) {
      // A statement that fails for want of disk may have taken the whole transaction with it.
      const failure = isSqliteError(error) ? toStoreError(error, "Cannot write the state file") : error;
      this.#abandon(failure);
      return Promise.reject(failure);
    }
  }

  /** Ends the open transaction, if any. */
  flush() {
    const waiting = this.#waiting;
    if (!this.#database.isTransaction) return;
    try {
      this.#commit.run();
    } catch (error) {
      this.#abandon(toStoreError(error, "Cannot write the state file"));
      return;
    }
    this.#waiting = [];
    for (const { settle } of waiting) settle(undefined);
  }

  #open(durability: Durability) {
    if (this.#database.isTransaction) {
      if (this.#durability === "durable" || durability === "relaxed") return;
      this.flush(); // The level can't be changed within a transaction, and what is relaxed costs no fsync.
    }
    if (this.#durability !== durability) {
      // In WAL mode FULL syncs the log at each commit, NORMAL only before a checkpoint: pragma.html#pragma_synchronous
      this.#database.exec(`PRAGMA synchronous = ${durability === "durable" ? "FULL" : "NORMAL"}`);
      this.#durability = durability;
    }
    this.#begin.run();
    queueMicrotask(() => this.flush());
  }

  #abandon(failure: unknown) {
    const waiting = this.#waiting;
    this.#waiting = [];
    if (this.#database.isTransaction) this.#rollback.run();
    for (const { settle } of waiting) settle(failure);
  }
}
