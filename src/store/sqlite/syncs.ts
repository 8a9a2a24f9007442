import type { StoreError } from "../store.ts";
import { toStoreError } from "./errors.ts";

/** A file that is taken to disk: on another thread, or on this one, which waits for it. */
export type Syncable = Pick<Deno.FsFile, "syncData" | "syncDataSync">;

/** Settles a change: with a failure it was not taken to disk. */
type Settle = (failure?: StoreError) => void;

/** A prompt change is on disk so much later than stored: most often something durable comes before that. */
const PROMPT_MS = 5;
/** A disk that syncs within this is waited for: to hand the sync to another thread, and to hear of it, takes as long. */
const QUICK_SYNC_MS = 1;
/** Weight of the newest sync in the moving average. */
const LAST_SYNC_WEIGHT = 0.1;

/**
 * Takes committed transactions to disk. The database is in WAL mode at `synchronous = NORMAL`: a commit is
 * written to the log and not synced, and to sync the log is all that FULL would do more
 * (https://sqlite.org/pragma.html#pragma_synchronous).
 *
 * - When: at once after a commit that somebody waits for; 5 ms after one that need only be prompt. What is
 *   committed while a sync is under way shares the next.
 * - Where: on another thread; on this one where a single change waits, as did a moment ago, and the disk is
 *   quick.
 * - If it fails: the kernel has given up the pages, and the next sync would say that all is well. So we take
 *   the whole log into the database, synced, which has those who waited on disk after all. Where that fails
 *   too, they are refused, though their changes stand, and the next transaction first tries again.
 */
export class Syncs {
  readonly #wal: Syncable;
  readonly #checkpoint: () => void;
  readonly #now: () => number;
  #waiting: Settle[] = [];
  #syncing: Promise<void> | undefined;
  #isAsked = false;
  #promptTimer: ReturnType<typeof setTimeout> | undefined;
  /** What a sync takes, on average. */
  #meanMs = Infinity;
  /** How many waited for the last sync that somebody waited for. */
  #lastWaiting = 1;
  #hasFailed = false;

  /**
   * @param checkpoint Takes what is in the write-ahead log to the database, synced, and empties it.
   * @param now A clock, ms.
   */
  constructor(wal: Syncable, checkpoint: () => void, now: () => number) {
    this.#wal = wal;
    this.#checkpoint = checkpoint;
    this.#now = now;
  }

  /** Before a transaction: writes once more what may not be on disk. */
  makeSure(): void {
    if (!this.#hasFailed) return;
    this.#checkpoint();
    this.#hasFailed = false;
  }

  /** Settles these once what is committed by now is on disk. */
  settleDurable(settles: readonly Settle[]): void {
    this.#waiting.push(...settles);
    this.#begin();
  }

  /** What is committed by now is to be on disk soon. */
  soon(): void {
    this.#promptTimer ??= setTimeout(() => this.#begin(), PROMPT_MS);
  }

  /** Resolves once all of it is on disk, or was refused. */
  async finish(): Promise<void> {
    if (this.#promptTimer !== undefined) this.#begin();
    while (this.#syncing) await this.#syncing;
  }

  #begin() {
    this.#isAsked = true;
    clearTimeout(this.#promptTimer);
    this.#promptTimer = undefined;
    if (this.#syncing) return;
    const isAlone = this.#waiting.length === 1 && this.#lastWaiting === 1;
    if (isAlone && this.#meanMs < QUICK_SYNC_MS) this.#syncHere();
    else this.#syncing = this.#sync();
  }

  #syncHere() {
    this.#isAsked = false;
    const startedAt = this.#now();
    let failure: unknown;
    try {
      this.#wal.syncDataSync();
    } catch (error) {
      failure = error;
    }
    this.#synced(this.#waiting.splice(0), startedAt, failure);
  }

  async #sync() {
    while (this.#isAsked) {
      this.#isAsked = false;
      const startedAt = this.#now();
      const committed = this.#waiting.splice(0);
      let failure: unknown;
      try {
        await this.#wal.syncData();
      } catch (error) {
        failure = error;
      }
      this.#synced(committed, startedAt, failure);
    }
    this.#syncing = undefined;
  }

  #synced(committed: readonly Settle[], startedAt: number, failure: unknown) {
    const ms = this.#now() - startedAt;
    this.#meanMs = this.#meanMs === Infinity ? ms : this.#meanMs + (ms - this.#meanMs) * LAST_SYNC_WEIGHT;
    if (committed.length > 0) this.#lastWaiting = committed.length;
    const reason = failure === undefined ? undefined : this.#recover();
    for (const settle of committed) settle(reason);
  }

  /** @returns Why nothing of it is on disk; `undefined`: it is. */
  #recover(): StoreError | undefined {
    this.#hasFailed = true;
    try {
      this.makeSure();
    } catch (error) {
      return toStoreError(error, "Cannot write the state file");
    }
  }
}
