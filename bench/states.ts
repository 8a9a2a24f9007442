/** State files with many jobs. Each is a real job that ran, and its log, copied row by row: the shape of real use. */
import { openDatabase } from "../src/store/sqlite/schema.ts";
import { isThere, pause, type Rig, run } from "./rig.ts";

/** In which state the jobs are; the ids are `job-0` and so on. */
export type Kind = "complete" | "pending";

export class StateFiles {
  readonly #rig: Rig;
  readonly #made = new Map<string, Promise<string>>();

  constructor(rig: Rig) {
    this.#rig = rig;
  }

  /** A state file of its own with `count` jobs. */
  async copy(kind: Kind, count: number): Promise<string> {
    const name = `${kind}-${count}`;
    const original = this.#made.get(name) ?? this.#make(kind, count);
    this.#made.set(name, original);
    const path = this.#rig.path(`${name}.db`);
    await Deno.copyFile(await original, path);
    await run(["sync", path]); // Else the first commit of filed would wait for all of it.
    return path;
  }

  async #make(kind: Kind, count: number): Promise<string> {
    const path = this.#rig.path(`original-${kind}-${count}.db`);
    await this.#makeOne(kind, path);
    multiply(path, count);
    return path;
  }

  /** One job, run by filed itself; the file is whole once filed has ended. */
  async #makeOne(kind: Kind, path: string): Promise<void> {
    await using filed = await this.#rig.start({
      state: path,
      config: { max_job_count: kind === "pending" ? 0 : 1 },
    });
    await Deno.writeTextFile(`${filed.mount}/pending/job-0`, "echo done");
    while (!await isThere(`${filed.mount}/${kind}/job-0`)) await pause(1);
    await filed.configure({ max_job_count: 0 });
  }
}

function multiply(path: string, count: number) {
  const database = openDatabase(path);
  try {
    const columns = database.prepare("SELECT name FROM pragma_table_info('jobs')").all()
      .map(({ name }) => name as string);
    const values: Record<string, string> = {
      number: "n",
      id: "'job-' || (n - 1)",
      turn: "turn + n - 1",
      ended: "ended + n - 1",
    };
    const series =
      `WITH RECURSIVE series(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM series WHERE n < ${count})`;
    database.exec(`
      PRAGMA synchronous = OFF; PRAGMA cache_size = -262144;
      BEGIN;
      ${series} INSERT INTO jobs (${columns.join(", ")})
        SELECT ${columns.map((name) => values[name] ?? name).join(", ")} FROM series, jobs WHERE number = 1;
      ${series} INSERT INTO logs (chunk, bytes) SELECT chunk + ((n - 1) << 32), bytes FROM series, logs WHERE chunk >> 32 = 1;
      ${series} INSERT INTO attempts SELECT (n << 20) | (attempt & 0xfffff), host, started_at, ended_at, ending, log,
        log_bytes, head FROM series, attempts WHERE attempt >> 20 = 1;
      UPDATE counters SET next = next + ${count};
      COMMIT;
      PRAGMA wal_checkpoint(TRUNCATE);
    `);
  } finally {
    database.close();
  }
}
