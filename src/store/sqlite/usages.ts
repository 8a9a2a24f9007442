import type { DatabaseSync, StatementSync } from "node:sqlite";
import { attemptKey } from "../../job/attempt.ts";
import { isUsedUp, type Share, type Submitted, type Usage } from "../../job/shares.ts";
import { Tally } from "../../job/tally.ts";
import type { JobRow } from "./job_columns.ts";

/** All that a scan finds, by user id. 100,000 jobs take some 30 ms, and as many logs 50. */
const COUNT: Record<keyof Usage, string> = {
  pendingJobs: `SELECT uid, count(*) AS used FROM jobs INDEXED BY jobs_open
    WHERE ended IS NULL AND state = 'pending' GROUP BY uid`,
  logBytes: `SELECT uid, sum(bytes) AS used FROM (
      SELECT attempt >> 20 AS job, log_bytes AS bytes FROM attempts
      UNION ALL SELECT job, log_bytes FROM runs WHERE NOT abandoned
    ) CROSS JOIN jobs ON number = job GROUP BY uid`,
};
const BYTES_OF_JOB = `SELECT total(bytes) AS bytes FROM (
    SELECT log_bytes AS bytes FROM attempts WHERE attempt BETWEEN ?2 AND ?3
    UNION ALL SELECT log_bytes FROM runs WHERE job = ?1 AND NOT abandoned
  )`;

/**
 * What each account has of the queue. It is counted when somebody asks, which only a setting has us do, and kept
 * up to date from then on: a queue without that setting pays nothing.
 *
 * A transaction that is taken back takes all of this with it, since part of its changes may be older than the
 * count; who asks next has it counted anew.
 */
export class Usages {
  /** Logs that no job has any more, and that count for an account. */
  orphans: () => Iterable<{ owner: number; bytes: number }> = () => [];
  readonly accountOf: (uid: number) => number;
  readonly #database: DatabaseSync;
  readonly #uidOf: StatementSync;
  readonly #bytesOf: StatementSync;
  #known: Partial<Record<keyof Usage, Tally>> = {};

  constructor(database: DatabaseSync, accountOf: (uid: number) => number) {
    this.#database = database;
    this.accountOf = accountOf;
    this.#uidOf = database.prepare("SELECT uid FROM jobs WHERE number = ?");
    this.#bytesOf = database.prepare(BYTES_OF_JOB);
  }

  of(uid: number, what: keyof Usage): number {
    const tally = this.#known[what] ??= this.#count(what);
    return tally.of(this.accountOf(uid));
  }

  /** Whether a submission of that user is more than the share allows. */
  areUsedUp(uid: number, share: Share, submitted: Submitted): boolean {
    const whats = Object.keys(share) as (keyof Usage)[];
    return whats.some((what) => isUsedUp(share, what, this.of(uid, what), submitted));
  }

  forget(): void {
    this.#known = {};
  }

  /** Within a change, as what follows: a row is another now, or new, or gone. */
  replaced(before: JobRow | undefined, after: JobRow | undefined): void {
    const { pendingJobs, logBytes } = this.#known;
    if (pendingJobs && before?.state === "pending") pendingJobs.add(this.accountOf(before.uid), -1);
    if (pendingJobs && after?.state === "pending") pendingJobs.add(this.accountOf(after.uid), 1);
    if (logBytes && before && after && before.uid !== after.uid) {
      const { number } = after;
      const [first, last] = [attemptKey(number, 0), attemptKey(number + 1, 0) - 1];
      const bytes = this.#bytesOf.get(number, first, last)?.bytes as number;
      logBytes.add(this.accountOf(before.uid), -bytes);
      logBytes.add(this.accountOf(after.uid), bytes);
    }
  }

  /** A log of a job has so many more bytes, or fewer. */
  logged(job: number, bytes: number): void {
    const { logBytes } = this.#known;
    if (!logBytes || bytes === 0) return;
    const row = this.#uidOf.get(job); // In a file that was salvaged, a log may be without its job.
    if (row) logBytes.add(this.accountOf(row.uid as number), bytes);
  }

  /** A log that no job has any more counts for that account, or does so no more. */
  orphaned(account: number, bytes: number): void {
    this.#known.logBytes?.add(account, bytes);
  }

  #count(what: keyof Usage): Tally {
    const tally = new Tally();
    if (what === "logBytes") { for (const { owner, bytes } of this.orphans()) tally.add(owner, bytes); }
    for (const { uid, used } of this.#database.prepare(COUNT[what]).all()) {
      tally.add(this.accountOf(uid as number), used as number);
    }
    return tally;
  }
}
