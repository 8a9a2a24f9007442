import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Leftover, RunToken, RunTraces } from "../../job/attempt.ts";
import { must } from "../../must.ts";
import type { StoredLog } from "./logs.ts";
import type { Slots } from "./slots.ts";
import type { Transactions } from "./transactions.ts";
import type { Usages } from "./usages.ts";

/** A run that may have processes, and the attempt that it is, with its log. */
export interface RunRow extends StoredLog, Leftover {
  readonly number: number;
  readonly ordinal: number;
  readonly startedAt: number;
  readonly loggedAt: number;
  /** Its job moved on, or was removed: what it was as an attempt is over. */
  readonly isAbandoned: boolean;
}

/** What of a run changes, and its columns. */
type Change = Partial<Pick<RunRow, "id" | "isAbandoned" | "bytes" | "loggedAt" | "head" | "chunks">>;

/**
 * The table of runs: a row from the claim until the last process is gone, so few that all are in memory too.
 * Its keys are promises: no two runs of a job at a time. Only this process writes it, and reads it once: what
 * a disk that fails does not give back then can't be missing when a change is taken back.
 */
export class Runs {
  readonly #transactions: Transactions;
  readonly #slots: Slots;
  readonly #usages: Usages;
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  readonly #identify: StatementSync;
  readonly #delete: StatementSync;
  readonly #runs = new Map<RunToken, RunRow>();
  readonly #ofJob = new Map<number, RunRow>();
  /** How many there are of each id. */
  readonly #ids = new Map<string, number>();

  constructor(database: DatabaseSync, transactions: Transactions, slots: Slots, usages: Usages) {
    this.#transactions = transactions;
    this.#slots = slots;
    this.#usages = usages;
    this.#insert = database.prepare(
      `INSERT INTO runs (job, id, run, ordinal, host, started_at, log, log_bytes, logged_at, head)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#update = database.prepare(
      "UPDATE runs SET id = ?, abandoned = ?, log_bytes = ?, logged_at = ?, log = ?, head = ? WHERE job = ?",
    );
    this.#identify = database.prepare(
      "UPDATE runs SET pid = ?, start_ticks = ?, boot_id = ?, cgroup = ?, uid = ? WHERE job = ?",
    );
    this.#delete = database.prepare("DELETE FROM runs WHERE job = ?");
    for (const row of database.prepare("SELECT * FROM runs").all()) this.#put(undefined, toRun(row));
  }

  byToken(run: RunToken): RunRow | undefined {
    return this.#runs.get(run);
  }

  /** The run of an active job. */
  of(number: number): RunRow | undefined {
    const run = this.#ofJob.get(number);
    return run?.isAbandoned ? undefined : run;
  }

  /** Whether a job has a run, which may be abandoned. */
  has(number: number): boolean {
    return this.#ofJob.has(number);
  }

  /** Whether a job has a run, or one has it that was renamed onto the job, or an earlier job of its id. */
  areLeftOf({ number, file, id }: { number: number; file: number; id: string }): boolean {
    return this.#ofJob.has(number) || this.#ofJob.has(file) || this.#ids.has(id);
  }

  all(): RunRow[] {
    return [...this.#runs.values()];
  }

  /** Within a change, as what follows. */
  add(run: RunRow, host: number): void {
    const { number, id, ordinal, startedAt, chunks, bytes, loggedAt, head } = run;
    this.#insert.run(number, id, run.run, ordinal, host, startedAt, chunks, bytes, loggedAt, head);
    this.#replace(undefined, run);
  }

  change(before: RunRow, change: Change): RunRow {
    const after = { ...before, ...change };
    const { id, isAbandoned, bytes, loggedAt, chunks, head } = after;
    this.#update.run(id, isAbandoned ? 1 : 0, bytes, loggedAt, chunks, head, before.number);
    this.#replace(before, after);
    return after;
  }

  identify(before: RunRow, traces: RunTraces): void {
    const { leader: { pid, startTicks, bootId }, cgroup, uid } = traces;
    this.#identify.run(pid, startTicks, bootId, cgroup ?? null, uid ?? null, before.number);
    this.#replace(before, { ...before, ...traces });
  }

  remove(run: RunRow): void {
    this.#delete.run(run.number);
    this.#replace(run, undefined);
    this.#slots.free(run.number);
  }

  #replace(before: RunRow | undefined, after: RunRow | undefined) {
    this.#put(before, after);
    this.#usages.logged((after ?? before)?.number ?? 0, (after?.bytes ?? 0) - (before?.bytes ?? 0));
    this.#transactions.undo(() => this.#put(after, before));
  }

  #put(before: RunRow | undefined, after: RunRow | undefined) {
    if (before) {
      this.#runs.delete(before.run);
      this.#ofJob.delete(before.number);
      const others = must(this.#ids.get(before.id), "a run that is known is counted by its id") - 1;
      if (others > 0) this.#ids.set(before.id, others);
      else this.#ids.delete(before.id);
    }
    if (after) {
      this.#runs.set(after.run, after);
      this.#ofJob.set(after.number, after);
      this.#ids.set(after.id, (this.#ids.get(after.id) ?? 0) + 1);
    }
  }
}

function toRun(row: Record<string, unknown>): RunRow {
  return {
    run: row.run as string,
    number: row.job as number,
    id: row.id as string,
    ordinal: row.ordinal as number,
    startedAt: row.started_at as number,
    isAbandoned: row.abandoned === 1,
    leader: row.pid === null ? undefined : {
      pid: row.pid as number,
      startTicks: row.start_ticks as number,
      bootId: row.boot_id as string,
    },
    cgroup: (row.cgroup ?? undefined) as string | undefined,
    uid: (row.uid ?? undefined) as number | undefined,
    chunks: row.log as number | null,
    bytes: row.log_bytes as number,
    loggedAt: row.logged_at as number,
    head: row.head as Uint8Array,
  };
}
