import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Batch } from "./commits.ts";

type Row = Record<string, string | number>;

/** A table of few rows, by name, that only this process writes: each is read once. */
export class SmallTable {
  readonly #batch: Batch;
  readonly #columns: readonly string[];
  readonly #select: StatementSync;
  readonly #replace: StatementSync;
  readonly #known = new Map<string, Row | undefined>();

  constructor(database: DatabaseSync, batch: Batch, table: string, columns: readonly string[]) {
    this.#batch = batch;
    this.#columns = columns;
    this.#select = database.prepare(`SELECT ${columns.join(", ")} FROM ${table} WHERE name = ?`);
    this.#replace = database.prepare(
      `INSERT OR REPLACE INTO ${table} (name, ${columns.join(", ")}) VALUES (?${
        ", ?".repeat(columns.length)
      })`,
    );
  }

  read(name: string): Row | undefined {
    if (!this.#known.has(name)) this.#known.set(name, this.#select.get(name) as Row | undefined);
    return this.#known.get(name);
  }

  /** Resolves once it is on disk. @throws {StoreError} */
  async write(name: string, row: Row): Promise<void> {
    try {
      await this.#batch.run("durable", () => {
        this.#replace.run(name, ...this.#columns.map((column) => row[column] ?? null));
        this.#known.delete(name);
      });
    } finally {
      this.#known.delete(name); // Whoever read meanwhile may have seen what was not stored then.
    }
  }
}
