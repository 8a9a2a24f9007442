import type { DatabaseSync, StatementSync } from "node:sqlite";
import { pageBytesOf } from "./wal_file.ts";

/**
 * What makes a new file able to get smaller; for one that has tables it changes nothing.
 * @see https://sqlite.org/pragma.html#pragma_auto_vacuum
 */
export const ABLE_TO_SHRINK = "PRAGMA auto_vacuum = INCREMENTAL";
const INCREMENTAL = 2;
/** Free pages that stay for what comes next. */
const KEPT_BYTES = 4_194_304;
/** Given back at once, in some 2 ms. */
const STEP_BYTES = 262_144;

/** The pages of the state file that nothing is in. */
export class FreePages {
  readonly #database: DatabaseSync;
  readonly #count: StatementSync;
  readonly #isAble: boolean;
  readonly #pageBytes: number;
  /** It has a row for each page: `exec` would stop at the first. */
  readonly #giveBack: StatementSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#count = database.prepare("PRAGMA freelist_count");
    this.#isAble = database.prepare("PRAGMA auto_vacuum").get()?.auto_vacuum === INCREMENTAL;
    this.#pageBytes = pageBytesOf(database);
    this.#giveBack = database.prepare(`PRAGMA incremental_vacuum(${STEP_BYTES / this.#pageBytes})`);
  }

  /** Whether there are more than are kept, in a file that can get smaller. */
  get areMany(): boolean {
    return this.#isAble && (this.#count.get()?.freelist_count as number) > KEPT_BYTES / this.#pageBytes;
  }

  /** Within a transaction: gives some of them back. */
  giveBackSome(): void {
    this.#giveBack.all();
  }

  /**
   * Between two transactions: what was given back of the file leaves the file system too. Waits for the disk.
   */
  truncateFile(): void {
    if (!this.#database.isTransaction) this.#database.exec("PRAGMA wal_checkpoint(PASSIVE)");
  }
}
