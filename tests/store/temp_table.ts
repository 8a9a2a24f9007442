import type { DatabaseSync } from "node:sqlite";
import { openDatabase } from "../../src/store/sqlite/schema.ts";
import { TempFile } from "./temp_file.ts";

/** What takes part in the store's transactions. */
interface Table<Lost> {
  write(): void;
  committed(): void;
  rolledBack(): Lost;
}

/** A table in memory over an empty state file, which goes with it. */
export function openTable<Lost, T extends Table<Lost>>(make: (database: DatabaseSync) => T & Table<Lost>) {
  using opening = new DisposableStack();
  const database = opening.adopt(
    openDatabase(opening.use(new TempFile()).path),
    (database) => database.close(),
  );
  const table = make(database);
  const within = (change: () => void, end: string) => {
    database.exec("BEGIN");
    change();
    table.write();
    database.exec(end);
  };
  const opened = opening.move();
  return {
    database,
    table,
    commit(change: () => void): void {
      within(change, "COMMIT");
      table.committed();
    },
    rollBack(change: () => void): Lost {
      within(change, "ROLLBACK");
      return table.rolledBack();
    },
    [Symbol.dispose]: () => opened.dispose(),
  };
}
