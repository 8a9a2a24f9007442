import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Leader, RunRecord } from "./store.ts";

/** A run, and the job that it is or was of. */
interface Entry extends RunRecord {
  number: number;
  id: string;
}

/** The table of runs: a few, all of them in memory too. Only this process writes it. */
export class RunTable {
  readonly #select: StatementSync;
  readonly #insert: StatementSync;
  readonly #identify: StatementSync;
  readonly #delete: StatementSync;
  /** By token; `undefined`: to be read. */
  #entries: Map<string, Entry> | undefined;
  /** Tokens of those that were identified, of which the table does not know. */
  readonly #identified = new Set<string>();

  constructor(database: DatabaseSync) {
    this.#select = database.prepare("SELECT run, number, id, pid, start_ticks, boot_id, cgroup FROM runs");
    this.#insert = database.prepare("INSERT INTO runs (run, number, id) VALUES (?, ?, ?)");
    this.#identify = database.prepare(
      "UPDATE runs SET pid = ?, start_ticks = ?, boot_id = ?, cgroup = ? WHERE run = ?",
    );
    this.#delete = database.prepare("DELETE FROM runs WHERE run = ?");
  }

  /** The number of the job that a run is or was of. */
  jobOf(run: string): number | undefined {
    return this.#all().get(run)?.number;
  }

  all(): RunRecord[] {
    return [...this.#all().values()].map(({ run, leader, cgroup }) => ({ run, leader, cgroup }));
  }

  /** What says of a job whether it has a run, or an earlier job of its id has one. */
  busy(): { size: number; has(job: { number: number; id: string }): boolean } {
    const runs = [...this.#all().values()];
    const numbers = new Set(runs.map(({ number }) => number));
    const ids = new Set(runs.map(({ id }) => id));
    return { size: runs.length, has: ({ number, id }) => numbers.has(number) || ids.has(id) };
  }

  /** The table hears of it with the next `write`. */
  identify(run: string, leader: Leader, cgroup: string | undefined): void {
    const entry = this.#all().get(run);
    if (!entry) return;
    Object.assign(entry, { leader, cgroup });
    this.#identified.add(run);
  }

  /** This and what follows are called within a transaction. */
  add(run: string, number: number, id: string): void {
    this.#insert.run(run, number, id);
    this.#all().set(run, { run, number, id, leader: undefined, cgroup: undefined });
  }

  remove(run: string): void {
    this.#delete.run(run);
    this.#all().delete(run);
    this.#identified.delete(run);
  }

  write(): void {
    for (const run of this.#identified) {
      const { leader, cgroup } = this.#all().get(run) as Entry;
      const { pid, startTicks, bootId } = leader as Leader;
      this.#identify.run(pid, startTicks, bootId, cgroup ?? null, run);
    }
    this.#identified.clear();
  }

  /** The transaction was rolled back: what runs are known by may be to write again. */
  rolledBack(): void {
    const before = this.#entries;
    this.#entries = undefined;
    this.#identified.clear();
    for (const [run, { leader }] of this.#all()) {
      const known = before?.get(run);
      if (known?.leader && !leader) this.identify(run, known.leader, known.cgroup);
    }
  }

  #all(): Map<string, Entry> {
    return this.#entries ??= new Map(this.#select.all().map((row) => [row.run as string, toEntry(row)]));
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
  };
}
