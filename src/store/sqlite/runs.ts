import type { Leftover, RunTraces } from "../../job/attempt.ts";
import type { DatabaseSync, StatementSync } from "node:sqlite";

/** A run, and the job that it is or was of. */
interface Entry extends Leftover {
  number: number;
}

/**
 * Runs of a user that have ended but for processes that nothing ends, each of which keeps a row, a cgroup and
 * a descriptor: with so many, no other job of that user starts.
 */
const OUTLIVING_OF_A_USER = 64;

/**
 * The table of runs: a few, all of them in memory too. Only this process writes it, so that it is read once: what a disk
 * that fails does not give back then cannot be missing when a transaction is rolled back.
 */
export class RunTable {
  readonly #insert: StatementSync;
  readonly #identify: StatementSync;
  readonly #rename: StatementSync;
  readonly #delete: StatementSync;
  /** By token. */
  readonly #entries: Map<string, Entry>;
  /** Tokens of those that were identified, of which the table does not know. */
  readonly #identified = new Set<string>();
  /** Tokens of those that are over, but for processes that nothing ends. */
  readonly #outliving = new Set<string>();
  /** What was written in the transaction that is open, as it was before; `undefined`: not there. */
  readonly #before = new Map<string, Entry | undefined>();

  constructor(database: DatabaseSync) {
    this.#insert = database.prepare("INSERT INTO runs (run, number, id) VALUES (?, ?, ?)");
    this.#identify = database.prepare(
      "UPDATE runs SET pid = ?, start_ticks = ?, boot_id = ?, cgroup = ?, uid = ? WHERE run = ?",
    );
    this.#rename = database.prepare("UPDATE runs SET id = ? WHERE run = ?");
    this.#delete = database.prepare("DELETE FROM runs WHERE run = ?");
    const rows = database.prepare(
      "SELECT run, number, id, pid, start_ticks, boot_id, cgroup, uid FROM runs",
    ).all();
    this.#entries = new Map(rows.map((row) => [row.run as string, toEntry(row)]));
  }

  /** The number of the job that a run is or was of. */
  jobOf(run: string): number | undefined {
    return this.#entries.get(run)?.number;
  }

  all(): Leftover[] {
    return [...this.#entries.values()].map(({ run, id, leader, cgroup, uid }) => ({
      run,
      id,
      leader,
      cgroup,
      uid,
    }));
  }

  /**
   * What says of a job whether it has a run, or an earlier job of its id has one, or its user too many that
   * don't end.
   */
  busy(): { has(job: { number: number; id: string; uid: number }): boolean } {
    const runs = [...this.#entries.values()];
    const numbers = new Set(runs.map(({ number }) => number));
    const ids = new Set(runs.map(({ id }) => id));
    const full = this.#fullUsers();
    return { has: ({ number, id, uid }) => numbers.has(number) || ids.has(id) || full.has(uid) };
  }

  /** The run is over, but for processes that nothing ends. */
  outlives(run: string): void {
    if (this.#entries.has(run)) this.#outliving.add(run);
  }

  /** The table hears of it with the next `write`. */
  identify(run: string, traces: RunTraces): void {
    const entry = this.#entries.get(run);
    if (!entry) return;
    Object.assign(entry, traces);
    this.#identified.add(run);
  }

  /** This and what follows are called within a transaction. */
  add(run: string, number: number, id: string): void {
    this.#remember(run);
    this.#insert.run(run, number, id);
    this.#entries.set(run, { run, number, id, leader: undefined, cgroup: undefined, uid: undefined });
  }

  /** The run's job has another id. */
  rename(run: string, id: string): void {
    const entry = this.#entries.get(run);
    if (!entry) return;
    this.#remember(run);
    this.#rename.run(id, run);
    this.#entries.set(run, { ...entry, id });
  }

  remove(run: string): void {
    this.#remember(run);
    this.#delete.run(run);
    this.#entries.delete(run);
    this.#identified.delete(run);
    this.#outliving.delete(run);
  }

  write(): void {
    for (const run of this.#identified) {
      this.#remember(run);
      const { leader, cgroup, uid } = this.#entries.get(run) as Entry & RunTraces;
      this.#identify.run(leader.pid, leader.startTicks, leader.bootId, cgroup ?? null, uid ?? null, run);
    }
    this.#identified.clear();
  }

  committed(): void {
    this.#before.clear();
  }

  /** Takes back what was not committed, but for what runs are known by: that is to write again. */
  rolledBack(): void {
    for (const [run, entry] of this.#before) {
      if (entry) this.#entries.set(run, entry);
      else this.#entries.delete(run);
      if (entry?.leader) this.#identified.add(run);
      else this.#identified.delete(run);
    }
    this.#before.clear();
  }

  #fullUsers(): Set<number | undefined> {
    if (this.#outliving.size < OUTLIVING_OF_A_USER) return new Set();
    const users = Map.groupBy(this.#outliving, (run) => this.#entries.get(run)?.uid);
    return new Set([...users].filter(([, runs]) => runs.length >= OUTLIVING_OF_A_USER).map(([uid]) => uid));
  }

  #remember(run: string) {
    if (!this.#before.has(run)) this.#before.set(run, this.#entries.get(run));
  }
}

function toEntry(row: Record<string, unknown>): Entry {
  return {
    run: row.run as string,
    number: row.number as number,
    id: row.id as string,
    leader: row.pid === null ? undefined : {
      pid: row.pid as number,
      startTicks: row.start_ticks as number,
      bootId: row.boot_id as string,
    },
    cgroup: (row.cgroup ?? undefined) as string | undefined,
    uid: (row.uid ?? undefined) as number | undefined,
  };
}
