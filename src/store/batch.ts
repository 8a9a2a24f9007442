import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Durability } from "./store.ts";
import { isSqliteError, toStoreError } from "./sqlite_error.ts";

interface Waiting {
  durability: Durability;
  /** Resolves what the caller awaits, or rejects it. */
  settle(failure?: unknown): void;
}

/** The database's write-ahead log. */
export interface WriteAheadLog {
  /** Takes what was written to disk. */
  syncData(): Promise<void>;
  /** Takes what is in it to the database, synced, and empties it. */
  checkpoint(): void;
}

const TRIED = "Cannot write the state file";

/**
 * Group commit: changes that are asked for before the event loop gets to its microtasks share one transaction. Each is
 * applied at once, in the order asked. A relaxed one settles with the transaction, a durable one after the fsync that
 * follows, which runs on another thread: the transactions of that time share the next.
 *
 * The database must be in WAL mode at `synchronous = NORMAL`: then a commit is written to the log and not synced, and
 * syncing the log is all that FULL would do more (https://sqlite.org/pragma.html#pragma_synchronous).
 */
export class Batch {
  readonly #database: DatabaseSync;
  readonly #log: WriteAheadLog;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #rollback: StatementSync;
  #waiting: Waiting[] = [];
  #unsynced: Waiting[] = [];
  #syncing: Promise<void> | undefined;
  /** A sync failed: the kernel has given up those pages, and the next sync would say that all is well. */
  #isUnsure = false;

  constructor(database: DatabaseSync, log: WriteAheadLog) {
    this.#database = database;
    this.#log = log;
    this.#begin = database.prepare("BEGIN IMMEDIATE");
    this.#commit = database.prepare("COMMIT");
    this.#rollback = database.prepare("ROLLBACK");
  }

  /** @returns What `change` returned, once it is stored. @throws {StoreError} Then nothing of it is stored. */
  run<T>(durability: Durability, change: () => T): Promise<T> {
    try {
      if (!this.#database.isTransaction) {
        if (this.#isUnsure) this.#makeSure();
        this.#begin.run();
        queueMicrotask(() => this.#end());
      }
      const value = change();
      return new Promise<T>((resolve, reject) => {
        const settle = (failure?: unknown) => failure === undefined ? resolve(value) : reject(failure);
        this.#waiting.push({ durability, settle });
      });
    } catch (error) {
      // A statement that fails for want of disk may have taken the whole transaction with it.
      const failure = isSqliteError(error) ? toStoreError(error, TRIED) : error;
      this.#abandon(failure);
      return Promise.reject(failure);
    }
  }

  /** Resolves once all that was asked for is on disk, or was refused. */
  async finish(): Promise<void> {
    this.#end();
    while (this.#syncing) await this.#syncing;
  }

  #end() {
    if (!this.#database.isTransaction) return;
    try {
      this.#commit.run();
    } catch (error) {
      return this.#abandon(toStoreError(error, TRIED));
    }
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const one of waiting) {
      if (one.durability === "relaxed") one.settle();
      else this.#unsynced.push(one);
    }
    if (this.#unsynced.length > 0) this.#syncing ??= this.#sync();
  }

  async #sync() {
    while (this.#unsynced.length > 0) {
      const committed = this.#unsynced;
      this.#unsynced = [];
      let failure: unknown;
      try {
        await this.#log.syncData();
      } catch (error) {
        failure = toStoreError(error, TRIED);
        this.#isUnsure = true;
      }
      for (const { settle } of committed) settle(failure);
    }
    this.#syncing = undefined;
  }

  /** Writes once more what may not be on disk. */
  #makeSure() {
    this.#log.checkpoint();
    this.#isUnsure = false;
  }

  #abandon(failure: unknown) {
    const waiting = this.#waiting;
    this.#waiting = [];
    if (this.#database.isTransaction) this.#rollback.run();
    for (const { settle } of waiting) settle(failure);
  }
}
