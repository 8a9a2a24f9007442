import { DatabaseSync } from "node:sqlite";
import { SqliteStore } from "../../src/store/sqlite/store.ts";
import { type StorePlace, T0 } from "./suite.ts";

/** A folder for a state file, and for copies of it. */
export class SqlitePlace implements StorePlace {
  readonly folder: string;
  readonly path: string;
  now = T0;
  accountOf = (uid: number) => uid;
  #copies = 0;

  private constructor(folder: string) {
    this.folder = folder;
    this.path = `${folder}/filed.db`;
  }

  /** @param dir Where the folder is to be; where temporary files are, if it is not given. */
  static async make(dir?: string): Promise<SqlitePlace> {
    return new SqlitePlace(
      await Deno.makeTempDir({ prefix: "filed-store-", ...dir === undefined ? {} : { dir } }),
    );
  }

  open(): Promise<SqliteStore> {
    return Promise.resolve(this.openAt(this.path));
  }

  openAfterCrash(): Promise<SqliteStore> {
    return Promise.resolve(this.openAt(this.copy()));
  }

  openAt(path: string): SqliteStore {
    return SqliteStore.open(path, () => this.now, (uid) => this.accountOf(uid));
  }

  /** Copies what a crash would leave of the file, with its log. @returns The path of the copy. */
  copy(): string {
    const path = `${this.folder}/copy-${this.#copies++}.db`;
    for (const suffix of ["", "-wal"]) Deno.copyFileSync(this.path + suffix, path + suffix);
    return path;
  }

  /** Runs statements on the file, which must not be open. */
  execute(statements: string, path = this.path): void {
    using database = new DatabaseSync(path);
    database.exec(statements);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.folder, { recursive: true });
  }
}
