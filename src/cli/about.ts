import { COMMIT, VERSION } from "../version.ts";

/** The text of `--version`: filed's version and commit, and the versions that its runtime has built in. */
export async function versionText(): Promise<string> {
  const { DatabaseSync } = await import("node:sqlite");
  using database = new DatabaseSync(":memory:"); // process.versions names the SQLite of the Node imitated.
  const sqlite = database.prepare("SELECT sqlite_version() AS version").get()?.version;
  const commit = COMMIT.startsWith("@") ? "none, run from the source tree" : COMMIT;
  return `filed ${VERSION}\ncommit ${commit}\nDeno ${Deno.version.deno}\nSQLite ${sqlite}\n`;
}

/**
 * The text of `--man`: the manual page, for `man -l -`.
 * @param page Where it is: `make` puts it into every build.
 */
export async function manual(page: URL): Promise<string> {
  try {
    return await Deno.readTextFile(page);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new ManualError("The manual is not built here: run make man, in the source tree", { cause: error });
  }
}

/** There is no manual to print: one line for who asked for it. */
export class ManualError extends Error {
  override readonly name = "ManualError";
}
