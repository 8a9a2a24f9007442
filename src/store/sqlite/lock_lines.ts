import type { DatabaseSync, StatementSync } from "node:sqlite";

/** So many of the jobs before a coalescing one are looked at: what has dependants stays, and more than that wait rarely. */
const LOOKED_AT = 1_000;

/** What a claim could take, were it not for its lock: as `jobs_locked` has it. */
const IN_LINE = `lock IS NOT NULL AND state = 'pending' AND turn IS NOT NULL AND NOT empty
  AND visible_at IS NULL AND blocked = 0`;
const IS_FRONT = "lock IS NOT NULL AND behind = 0";
/** What a newer one can replace. */
const REPLACEABLE = `lock IS NOT NULL AND state = 'pending' AND turn IS NOT NULL AND ordinal = 0
  AND asks ->> '$.lock.coalesce'`;

/** The indexes that these searches use. They have no row for a job without a lock. */
export const LOCK_INDEXES = `
  DROP INDEX jobs_lock;
  CREATE INDEX jobs_locked ON jobs (uid, lock, turn, number) WHERE ${IN_LINE};
  CREATE INDEX jobs_front ON jobs (uid, lock) WHERE ${IS_FRONT};
  CREATE INDEX jobs_coalescing ON jobs (uid, lock, turn) WHERE ${REPLACEABLE};
`;

/**
 * The lines before the locks, one for each owner and name. All of a line but its first are `behind`, and while
 * somebody has the lock, the first is, too: so a claim finds one of each line, however long they are.
 */
export class LockLines {
  readonly #isLocked: (uid: number, lock: string) => boolean;
  readonly #setBehind: (number: number, behind: 0 | 1) => void;
  readonly #first: StatementSync;
  readonly #front: StatementSync;
  readonly #replaceable: StatementSync;
  readonly #all: StatementSync;

  /** @param setBehind Changes that of a job. */
  constructor(
    database: DatabaseSync,
    isLocked: (uid: number, lock: string) => boolean,
    setBehind: (number: number, behind: 0 | 1) => void,
  ) {
    this.#isLocked = isLocked;
    this.#setBehind = setBehind;
    this.#first = database.prepare(
      `SELECT number FROM jobs INDEXED BY jobs_locked WHERE ${IN_LINE} AND uid = ? AND lock = ?
       ORDER BY turn, number LIMIT 1`,
    );
    this.#front = database.prepare(
      `SELECT number FROM jobs INDEXED BY jobs_front WHERE ${IS_FRONT} AND uid = ? AND lock = ?`,
    );
    this.#replaceable = database.prepare(
      `SELECT number FROM (
         SELECT number, turn FROM jobs INDEXED BY jobs_coalescing
         WHERE ${REPLACEABLE} AND uid = ?1 AND lock = ?2 AND number <> ?3 ORDER BY turn DESC LIMIT ${LOOKED_AT})
       WHERE turn & 0xfffffffffff < ?4 & 0xfffffffffff
         AND NOT EXISTS (SELECT 1 FROM edges INDEXED BY edges_open WHERE open AND parent = number)`,
    );
    this.#all = database.prepare(
      `SELECT DISTINCT uid, lock FROM (
         SELECT uid, lock FROM jobs INDEXED BY jobs_locked WHERE ${IN_LINE}
         UNION ALL SELECT uid, lock FROM jobs INDEXED BY jobs_front WHERE ${IS_FRONT})`,
    );
  }

  /** Within a change: something in this line is another, or the lock is taken or free. */
  settle(uid: number, lock: string): void {
    const first = this.#isLocked(uid, lock) ? undefined : this.#first.get(uid, lock)?.number;
    let isInFront = false;
    for (const { number } of this.#front.all(uid, lock)) {
      if (number === first) isInFront = true;
      else this.#setBehind(number as number, 1);
    }
    if (first !== undefined && !isInFront) this.#setBehind(first as number, 0);
  }

  /** Within a change: all lines, where a statement has changed the jobs at large. */
  settleAll(): void {
    for (const { uid, lock } of this.#all.all()) this.settle(uid as number, lock as string);
  }

  /** What a coalescing job replaces: those before it, by their submission, on which nothing depends. */
  replacedBy(
    { uid, lock, number, turn }: { uid: number; lock: string; number: number; turn: number },
  ): number[] {
    return this.#replaceable.all(uid, lock, number, turn).map(({ number }) => number as number);
  }
}
