import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { Batch } from "../../src/store/batch.ts";
import { StoreError } from "../../src/store/store.ts";

function open() {
  const path = Deno.makeTempFileSync({ prefix: "filed-batch-" });
  const database = new DatabaseSync(path);
  database.exec("PRAGMA journal_mode = WAL; CREATE TABLE t (a BLOB) STRICT");
  return {
    database,
    rows: () => database.prepare("SELECT count(*) AS rows FROM t").get()?.rows,
    [Symbol.dispose]() {
      database.close();
      for (const suffix of ["", "-wal", "-shm"]) {
        try {
          Deno.removeSync(path + suffix);
        } catch { /* SQLite removed it. */ }
      }
    },
  };
}

Deno.test("changes asked for together are one transaction, and settle when it is committed", async () => {
  using place = open();
  const batch = new Batch(place.database);
  const insert = place.database.prepare("INSERT INTO t VALUES (?)");
  const first = batch.run("relaxed", () => insert.run(Uint8Array.of(1)));
  const second = batch.run("relaxed", () => insert.run(Uint8Array.of(2)));
  assert.equal(place.database.isTransaction, true);
  await Promise.all([first, second]);
  assert.equal(place.database.isTransaction, false);
  assert.equal(place.rows(), 2);
});

Deno.test("what a full disk refuses is refused with all that shares its transaction; there is room, it goes on", async () => {
  using place = open();
  const batch = new Batch(place.database);
  const insert = place.database.prepare("INSERT INTO t VALUES (?)");
  await batch.run("durable", () => insert.run(Uint8Array.of(1)));
  // SQLite's own limit on a file gives the error of a full disk.
  place.database.exec("PRAGMA max_page_count = 1");
  const results = await Promise.allSettled([
    batch.run("durable", () => insert.run(Uint8Array.of(2))),
    batch.run("durable", () => insert.run(new Uint8Array(100_000))),
  ]);
  for (const result of results) {
    assert.ok(result.status === "rejected" && result.reason instanceof StoreError);
    assert.equal(result.reason.kind, "full");
  }
  assert.equal(place.rows(), 1);
  place.database.exec("PRAGMA max_page_count = 100000");
  await batch.run("durable", () => insert.run(new Uint8Array(100_000)));
  assert.equal(place.rows(), 2);
});

Deno.test("a bug in a change is not taken for a fault of the disk", async () => {
  using place = open();
  const batch = new Batch(place.database);
  const bug = new TypeError("bug");
  await assert.rejects(
    batch.run("durable", () => {
      throw bug;
    }),
    bug,
  );
  assert.equal(place.database.isTransaction, false);
});
