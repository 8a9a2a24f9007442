import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Slots as RunSlots, Use } from "../../job/pools.ts";
import type { Transactions } from "./transactions.ts";

/** A lock, as a pool of one: no name of a pool has a slash. */
function poolOf(uid: number, lock: string): string {
  return `${uid}/${lock}`;
}

interface Slot {
  pool: string;
  slot: number;
}

/**
 * The table of slots in use, of pools and of locks: a row from the claim of a job until the last process of its
 * run is gone. They are few, so that all are in memory too, as runs are.
 */
export class Slots {
  /** Called within the change that frees a lock. */
  onLockFreed: (uid: number, lock: string) => void = () => {};
  readonly #transactions: Transactions;
  readonly #insert: StatementSync;
  readonly #delete: StatementSync;
  /** Of each pool, who has its slots. */
  readonly #ofPool = new Map<string, Map<number, number>>();
  readonly #ofJob = new Map<number, Slot[]>();

  constructor(database: DatabaseSync, transactions: Transactions) {
    this.#transactions = transactions;
    this.#insert = database.prepare("INSERT INTO slots (pool, slot, job) VALUES (?, ?, ?)");
    this.#delete = database.prepare("DELETE FROM slots WHERE pool = ? AND slot = ?");
    for (const { pool, slot, job } of database.prepare("SELECT pool, slot, job FROM slots").all()) {
      this.#put(job as number, { pool: pool as string, slot: slot as number });
    }
  }

  /** How many slots of a pool runs have. */
  used(pool: string): number {
    return this.#ofPool.get(pool)?.size ?? 0;
  }

  isLocked(uid: number, lock: string): boolean {
    return this.used(poolOf(uid, lock)) > 0;
  }

  /** The job whose run has a lock. */
  holder(uid: number, lock: string): number | undefined {
    return this.#ofPool.get(poolOf(uid, lock))?.get(0);
  }

  /** Within a change, as what follows: a run gets the lowest slots that are free. */
  take(job: number, use: Use): RunSlots {
    return use.map(([pool, count]) => {
      const others = this.#ofPool.get(pool);
      const slots: number[] = [];
      for (let slot = 0; slots.length < count; slot++) if (!others?.has(slot)) slots.push(slot);
      for (const slot of slots) this.#add(job, { pool, slot });
      return [pool, slots];
    });
  }

  /** @param uid Whose the lock is. */
  lock(job: number, uid: number, lock: string): void {
    this.#add(job, { pool: poolOf(uid, lock), slot: 0 });
  }

  /** A run is gone: what it has is free. */
  free(job: number): void {
    for (const { pool, slot } of [...this.#ofJob.get(job) ?? []]) {
      this.#delete.run(pool, slot);
      this.#take(job, { pool, slot });
      this.#transactions.undo(() => this.#put(job, { pool, slot }));
      const [uid, lock] = splitAtFirst(pool, "/");
      if (lock !== undefined) this.onLockFreed(Number(uid), lock);
    }
  }

  /** Within a change: a file that was salvaged may have slots without their runs. */
  freeOthers(isRun: (job: number) => boolean): void {
    for (const job of [...this.#ofJob.keys()]) if (!isRun(job)) this.free(job);
  }

  #add(job: number, slot: Slot) {
    this.#insert.run(slot.pool, slot.slot, job);
    this.#put(job, slot);
    this.#transactions.undo(() => this.#take(job, slot));
  }

  #put(job: number, slot: Slot) {
    const ofPool = this.#ofPool.get(slot.pool) ?? new Map<number, number>();
    this.#ofPool.set(slot.pool, ofPool.set(slot.slot, job));
    this.#ofJob.set(job, [...this.#ofJob.get(job) ?? [], slot]);
  }

  #take(job: number, { pool, slot }: Slot) {
    const ofPool = this.#ofPool.get(pool);
    ofPool?.delete(slot);
    if (ofPool?.size === 0) this.#ofPool.delete(pool);
    const left = (this.#ofJob.get(job) ?? []).filter((other) => other.pool !== pool || other.slot !== slot);
    if (left.length > 0) this.#ofJob.set(job, left);
    else this.#ofJob.delete(job);
  }
}

function splitAtFirst(text: string, separator: string): [before: string, behind: string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}
