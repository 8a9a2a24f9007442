import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Transactions } from "./transactions.ts";

type Row = Record<string, string | number>;

/** A table of few rows, by name, that only this process writes: each is read once. */
export class SettingsTable {
  readonly #transactions: Transactions;
  readonly #columns: readonly string[];
  readonly #select: StatementSync;
  readonly #replace: StatementSync;
  readonly #known = new Map<string, Row | undefined>();

  constructor(database: DatabaseSync, transactions: Transactions, table: string, columns: readonly string[]) {
    this.#transactions = transactions;
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
    await this.#transactions.run("durable", () => {
      const before = this.read(name);
      this.#replace.run(name, ...this.#columns.map((column) => row[column] ?? null));
      this.#known.set(name, row);
      this.#transactions.undo(() => this.#known.set(name, before));
    });
  }
}
