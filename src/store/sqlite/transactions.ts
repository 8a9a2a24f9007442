import type { DatabaseSync, StatementSync } from "node:sqlite";
import { clearImmediate, setImmediate } from "node:timers";
import { type Durability, type StoreError, UnsyncedError } from "../store.ts";
import { isSqliteError, toStoreError } from "./errors.ts";
import { type Syncable, Syncs } from "./syncs.ts";

/** When a change is stored: as the store's callers say, or `deferred`: with the next that comes, and soon in any case. */
export type When = Durability | "deferred";

interface Waiting {
  durability: Durability;
  /** Resolves what the caller awaits, or rejects it: nothing of it is stored. */
  settle(failure?: unknown): void;
  /** The same once it is stored, and on disk or not. */
  synced(failure?: StoreError): void;
}

const TRIED = "Cannot write the state file";
/** A change that is deferred waits no longer for another. */
const DEFERRED_MS = 5;

/**
 * Group commit: a change is applied at once, and stored together with those that come about the same time.
 *
 * 1. `run` begins a transaction, if none is open, and applies the change. Who asks after it sees it.
 * 2. What the change makes of our memory is noted with `undo`.
 * 3. `commit` ends the transaction: whoever has served all requests of a moment calls it, so that they share
 *    one; else it comes at the end of this turn of the event loop.
 * 4. If a statement or the commit fails, for want of disk say, SQLite may have taken all of the transaction
 *    back: so do we, memory included, and each of its changes is refused.
 * 5. A deferred change is settled at once, and stored with the next, or soon: it lasts only once that is so. A
 *    relaxed one settles with the commit, a durable one after the sync that follows (syncs.ts), a prompt
 *    one with the commit, and a sync comes soon.
 */
export class Transactions {
  /** Called when all that was noted of a transaction is taken back. */
  onRollback: () => void = () => {};
  readonly #database: DatabaseSync;
  readonly #syncs: Syncs;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #rollback: StatementSync;
  readonly #waiting: Waiting[] = [];
  /** What takes memory back to before the transaction, in the order noted. */
  #undo: ((failure: unknown) => void)[] = [];
  /** What is stored before anything else. */
  #first: (() => void) | undefined;
  #atTurnsEnd: ReturnType<typeof setImmediate> | undefined;
  #later: ReturnType<typeof setTimeout> | undefined;

  /** @param checkpoint As for `Syncs`. @param now A clock, ms. */
  constructor(database: DatabaseSync, wal: Syncable, checkpoint: () => void, now = () => performance.now()) {
    this.#database = database;
    this.#syncs = new Syncs(
      wal,
      () => {
        this.#end(); // There is none within a transaction.
        checkpoint();
      },
      now,
    );
    this.#begin = database.prepare("BEGIN IMMEDIATE");
    this.#commit = database.prepare("COMMIT");
    this.#rollback = database.prepare("ROLLBACK");
  }

  /** Whether a change given to `first` is stored. */
  get isReady(): boolean {
    return this.#first === undefined;
  }

  /** Stores a change before all others: now, or where the disk is full, together with the next for which there is room. */
  first(change: () => void): void {
    try {
      this.#begin.run();
      change();
      this.#commit.run();
      this.#undo = [];
    } catch (error) {
      this.#takeBack(error);
      if (!isSqliteError(error) || toStoreError(error, TRIED).kind !== "full") throw error;
      this.#first = change;
    }
  }

  /** @returns What `change` returned, once it is stored. @throws {StoreError} Then nothing of it is stored. */
  run<T>(when: When, change: () => T): Promise<T> {
    try {
      if (!this.#database.isTransaction) {
        this.#syncs.makeSure();
        this.#begin.run();
        this.#first?.();
      }
      const value = change();
      if (when === "deferred") {
        this.#later ??= setTimeout(() => this.#end(), DEFERRED_MS);
        return Promise.resolve(value);
      }
      this.#atTurnsEnd ??= setImmediate(() => this.#end());
      return new Promise<T>((resolve, reject) => {
        const settle = (failure?: unknown) => failure === undefined ? resolve(value) : reject(failure);
        const synced = (failure?: StoreError) => settle(failure && new UnsyncedError(value, failure));
        this.#waiting.push({ durability: when, settle, synced });
      });
    } catch (error) {
      return Promise.reject(this.#refuseAll(error));
    }
  }

  /** Within a change: notes what takes back what it has just changed in memory. */
  undo(step: (failure: unknown) => void): void {
    this.#undo.push(step);
  }

  /** Stores what was asked for by now, unless all of it is deferred. */
  commit(): void {
    if (this.#atTurnsEnd !== undefined) this.#end();
  }

  /** Resolves once all that was asked for is on disk, or was refused. */
  async finish(): Promise<void> {
    this.#end();
    await this.#syncs.finish();
  }

  #end() {
    this.#clearTimers();
    if (!this.#database.isTransaction) return;
    try {
      this.#commit.run();
    } catch (error) {
      return void this.#refuseAll(error);
    }
    this.#first = undefined;
    this.#undo = [];
    const durable: Waiting["synced"][] = [];
    for (const { durability, settle, synced } of this.#waiting.splice(0)) {
      if (durability === "durable") durable.push(synced);
      else settle();
      if (durability === "prompt") this.#syncs.soon();
    }
    if (durable.length > 0) this.#syncs.settleDurable(durable);
  }

  #clearTimers() {
    clearImmediate(this.#atTurnsEnd);
    clearTimeout(this.#later);
    this.#atTurnsEnd = this.#later = undefined;
  }

  /** @returns Why. */
  #refuseAll(error: unknown): unknown {
    const failure = isSqliteError(error) ? toStoreError(error, TRIED) : error;
    this.#clearTimers();
    const waiting = this.#waiting.splice(0);
    this.#takeBack(failure);
    for (const { settle } of waiting) settle(failure);
    return failure;
  }

  #takeBack(failure: unknown) {
    if (this.#database.isTransaction) this.#rollback.run();
    const steps = this.#undo;
    this.#undo = [];
    for (const step of steps.reverse()) step(failure);
    this.onRollback();
  }
}
