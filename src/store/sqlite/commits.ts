import type { DatabaseSync, StatementSync } from "node:sqlite";
import { clearImmediate, setImmediate } from "node:timers";
import type { Durability, Pace } from "../store.ts";
import { isSqliteError, toStoreError } from "./errors.ts";

interface Waiting {
  durability: Durability;
  /** Resolves what the caller awaits, or rejects it. */
  settle(failure?: unknown): void;
}

/** The database's write-ahead log. */
export interface WriteAheadLog {
  /** Takes what was written to disk, on another thread. */
  syncData(): Promise<void>;
  /** The same on this one, which waits for it. */
  syncDataNow(): void;
  /** Takes what is in it to the database, synced, and empties it. */
  checkpoint(): void;
}

/** Who has more to write for a transaction, and wants to hear how it ends. */
export interface Participant {
  /** Before it is committed. */
  write(): void;
  committed(): void;
  rolledBack(failure: unknown): void;
}

const TRIED = "Cannot write the state file";
/** A prompt change is on disk so much later than stored: most often something durable comes before that. */
const PROMPT_MS = 5;
/** A disk that syncs within this is waited for: to hand the sync to another thread, and to hear of it, takes as long. */
const QUICK_SYNC_MS = 1;
/** What the last sync counts in the mean of all. */
const LAST_SYNC_WEIGHT = 0.1;

/**
 * Group commit: changes that are asked for before the event loop gets to its microtasks share one transaction, and so do
 * those before them that need not be stored at once, within one turn of the loop. Each is applied at once, in the order
 * asked. A durable one settles after the fsync that follows, the others with the transaction. That fsync runs on another
 * thread, unless the disk is quick and changes come one by one: the transactions of that time share the next.
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
  readonly #now: () => number;
  #waiting: Waiting[] = [];
  #unsynced: Waiting[] = [];
  #syncing: Promise<void> | undefined;
  #isSyncAsked = false;
  #promptSync: ReturnType<typeof setTimeout> | undefined;
  #soon: ReturnType<typeof setTimeout> | undefined;
  /** What a sync takes, on average. */
  #syncMs = Infinity;
  /** How many waited for the last sync that somebody waited for. */
  #lastSynced = 1;
  /** Whether the last transaction was stored. */
  isSound = true;
  /** How many were not. */
  rollbacks = 0;
  /** What has to be done in a transaction before anything else. */
  #first: (() => void) | undefined;
  /** Who takes part in each transaction. */
  participant: Participant = { write() {}, committed() {}, rolledBack() {} };
  #isEndQueued = false;
  #lastEnd: ReturnType<typeof setImmediate> | undefined;
  /** A sync failed: the kernel has given up those pages, and the next sync would say that all is well. */
  #isUnsure = false;

  /** @param now A clock, ms. */
  constructor(database: DatabaseSync, log: WriteAheadLog, now: () => number = () => performance.now()) {
    this.#database = database;
    this.#log = log;
    this.#now = now;
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
    } catch (error) {
      if (this.#database.isTransaction) this.#rollback.run();
      if (!isSqliteError(error) || toStoreError(error, TRIED).kind !== "full") throw error;
      this.#first = change;
    }
  }

  /** @returns What `change` returned, once it is stored. @throws {StoreError} Then nothing of it is stored. */
  run<T>(durability: Durability, change: () => T, pace: Pace = "at-once"): Promise<T> {
    try {
      if (!this.#database.isTransaction) {
        if (this.#isUnsure) this.#makeSure();
        this.#begin.run();
        this.#lastEnd = setImmediate(() => this.#end());
        this.#first?.();
      }
      if (pace === "at-once" && !this.#isEndQueued) {
        this.#isEndQueued = true;
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

  /** Sees to it that there is a transaction soon, for what its participant has to write. */
  runSoon(): void {
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined;
      this.run("relaxed", () => {}).catch(() => {}); // It hears of it.
    }, PROMPT_MS);
  }

  /** Resolves once all that was asked for is on disk, or was refused. */
  async finish(): Promise<void> {
    this.#end();
    if (this.#promptSync !== undefined) this.#syncSoon();
    while (this.#syncing) await this.#syncing;
  }

  #end() {
    this.#isEndQueued = false;
    clearImmediate(this.#lastEnd);
    clearTimeout(this.#soon);
    this.#soon = undefined;
    if (!this.#database.isTransaction) return;
    try {
      this.participant.write();
      this.#commit.run();
    } catch (error) {
      return this.#abandon(isSqliteError(error) ? toStoreError(error, TRIED) : error);
    }
    this.isSound = true;
    this.#first = undefined;
    this.participant.committed();
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const one of waiting) {
      if (one.durability === "durable") this.#unsynced.push(one);
      else one.settle();
      if (one.durability === "prompt") this.#promptSync ??= setTimeout(() => this.#syncSoon(), PROMPT_MS);
    }
    if (this.#unsynced.length > 0) this.#syncSoon();
  }

  #syncSoon() {
    this.#isSyncAsked = true;
    clearTimeout(this.#promptSync);
    this.#promptSync = undefined;
    if (this.#syncing) return;
    // Where several wait for the disk, or nobody, or there were several a moment ago, this thread has something better to do.
    const isAlone = this.#unsynced.length === 1 && this.#lastSynced === 1;
    if (isAlone && this.#syncMs < QUICK_SYNC_MS) this.#syncNow();
    else this.#syncing = this.#sync();
  }

  #syncNow() {
    this.#isSyncAsked = false;
    const startedAt = this.#now();
    let failure: unknown;
    try {
      this.#log.syncDataNow();
    } catch (error) {
      failure = error;
    }
    this.#synced(this.#unsynced.splice(0), startedAt, failure);
  }

  async #sync() {
    while (this.#isSyncAsked) {
      this.#isSyncAsked = false;
      const startedAt = this.#now();
      const committed = this.#unsynced.splice(0);
      let failure: unknown;
      try {
        await this.#log.syncData();
      } catch (error) {
        failure = error;
      }
      this.#synced(committed, startedAt, failure);
    }
    this.#syncing = undefined;
  }

  #synced(committed: readonly Waiting[], startedAt: number, failure: unknown) {
    const ms = this.#now() - startedAt;
    this.#syncMs = this.#syncMs === Infinity ? ms : this.#syncMs + (ms - this.#syncMs) * LAST_SYNC_WEIGHT;
    if (committed.length > 0) this.#lastSynced = committed.length;
    if (failure !== undefined) this.#isUnsure = true;
    const reason = failure === undefined ? undefined : toStoreError(failure, TRIED);
    for (const { settle } of committed) settle(reason);
  }

  /** Writes once more what may not be on disk. */
  #makeSure() {
    this.#log.checkpoint();
    this.#isUnsure = false;
  }

  #abandon(failure: unknown) {
    this.isSound = false;
    this.rollbacks++;
    clearImmediate(this.#lastEnd);
    const waiting = this.#waiting;
    this.#waiting = [];
    if (this.#database.isTransaction) this.#rollback.run();
    this.participant.rolledBack(failure);
    for (const { settle } of waiting) settle(failure);
  }
}
