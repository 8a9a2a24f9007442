import { DatabaseSync } from "node:sqlite";
import { MIGRATIONS } from "../../src/store/sqlite/migrations.ts";

/** "fild", as each filed marks its files. */
const APPLICATION_ID = 0x66696c64;

/** Makes a state file as a filed left it whose schema had a version, SQLite's own page size included. */
export function makeOldFile(path: string, version: number, statements = ""): void {
  using database = new DatabaseSync(path);
  database.exec("PRAGMA auto_vacuum = INCREMENTAL; PRAGMA page_size = 4096; PRAGMA journal_mode = WAL");
  for (const migration of MIGRATIONS.slice(0, version)) database.exec(migration);
  database.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${version}; ${statements}`);
}
