/** A file for a database, and what SQLite puts beside it. */
export class TempFile implements Disposable {
  readonly path = Deno.makeTempFileSync({ prefix: "filed-store-" });

  [Symbol.dispose]() {
    for (const suffix of ["", "-wal", "-shm"]) {
      try {
        Deno.removeSync(this.path + suffix);
      } catch { /* SQLite removed it. */ }
    }
  }
}
