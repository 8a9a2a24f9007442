import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { Batch } from "../../src/store/sqlite/commits.ts";
import { StoreError } from "../../src/store/store.ts";
import { TempFile } from "./temp_file.ts";

/** Stands for the write-ahead log: a disk that syncs when the test says so, or at once. */
class Log {
  readonly syncs: PromiseWithResolvers<void>[] = [];
  isSlow = false;
  checkpoints = 0;
  quickSyncs = 0;
  failure: Error | undefined;
  onSync = () => {};

  checkpoint() {
    this.checkpoints++;
  }

  syncData(): Promise<void> {
    const sync = Promise.withResolvers<void>();
    this.syncs.push(sync);
    if (!this.isSlow) sync.resolve();
    this.onSync();
    return sync.promise;
  }

  syncDataNow() {
    this.quickSyncs++;
    if (this.failure) throw this.failure;
  }
}

/** @param syncMs What each sync takes by the batch's clock. */
function open(syncMs = 10) {
  const file = new TempFile();
  const database = new DatabaseSync(file.path);
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; CREATE TABLE t (a BLOB) STRICT");
  const log = new Log();
  let now = 0;
  return {
    path: file.path,
    database,
    log,
    batch: new Batch(database, log, () => now += syncMs),
    rows: () => database.prepare("SELECT count(*) AS rows FROM t").get()?.rows,
    [Symbol.dispose]() {
      database.close();
      file[Symbol.dispose]();
    },
  };
}

Deno.test("changes asked for together are one transaction, and settle when it is committed", async () => {
  using place = open();
  const { batch } = place;
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
  const { batch } = place;
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
  const { batch } = place;
  const bug = new TypeError("bug");
  await assert.rejects(
    batch.run("durable", () => {
      throw bug;
    }),
    bug,
  );
  assert.equal(place.database.isTransaction, false);
});

Deno.test("a durable change settles after the sync that follows its commit, a relaxed one before", async () => {
  using place = open();
  place.log.isSlow = true;
  const settled: string[] = [];
  const change = (name: string, durability: "durable" | "relaxed") =>
    place.batch.run(durability, () => name).then((name) => settled.push(name));
  const first = change("first", "durable");
  await change("relaxed", "relaxed");
  assert.deepEqual(settled, ["relaxed"]);
  // These are committed during the first sync, which may have passed them by: they share the next.
  const second = change("second", "durable");
  await change("relaxed too", "relaxed");
  const third = change("third", "durable");
  await change("relaxed as well", "relaxed");
  assert.equal(place.log.syncs.length, 1);
  place.log.syncs[0]?.resolve();
  await first;
  assert.equal(settled.at(-1), "first");
  assert.equal(place.log.syncs.length, 2);
  place.log.syncs[1]?.resolve();
  await Promise.all([second, third]);
  await place.batch.finish();
  assert.equal(place.log.syncs.length, 2);
});

Deno.test("what can't be synced is refused, and written once more before anything else", async () => {
  using place = open();
  place.log.isSlow = true;
  const change = place.batch.run("durable", () => 1);
  const refused = assert.rejects(change, StoreError);
  await place.batch.run("relaxed", () => 2);
  place.log.syncs[0]?.reject(new Error("EIO"));
  await refused;
  assert.equal(place.log.checkpoints, 0);
  await place.batch.run("relaxed", () => 3);
  await place.batch.run("relaxed", () => 4);
  assert.equal(place.log.checkpoints, 1);
});

Deno.test("a quick disk is waited for, once it is known to be quick, for who is alone", async () => {
  using place = open(0.1);
  const { batch, log } = place;
  await batch.run("durable", () => 1);
  assert.deepEqual([log.quickSyncs, log.syncs.length], [0, 1]);
  await batch.run("durable", () => 2);
  await batch.run("relaxed", () => 3);
  assert.deepEqual([log.quickSyncs, log.syncs.length], [1, 1]);
  await Promise.all([batch.run("durable", () => 4), batch.run("durable", () => 5)]);
  await batch.run("durable", () => 6);
  assert.deepEqual([log.quickSyncs, log.syncs.length], [1, 3]); // There may be several again.
  await batch.run("durable", () => 7);
  assert.deepEqual([log.quickSyncs, log.syncs.length], [2, 3]);
  log.failure = new Error("EIO");
  await assert.rejects(batch.run("durable", () => 5), StoreError);
  await batch.run("relaxed", () => 6);
  assert.equal(log.checkpoints, 1);
});

Deno.test("a change that may wait shares the transaction of the next, within a turn of the event loop", async () => {
  using place = open();
  const { batch, database } = place;
  const patient = batch.run("relaxed", () => 1, "with-others");
  await Promise.resolve();
  assert.equal(database.isTransaction, true);
  await batch.run("relaxed", () => 2);
  assert.equal(database.isTransaction, false);
  await patient;
  await batch.run("relaxed", () => 3, "with-others");
  assert.equal(database.isTransaction, false);
});

Deno.test("who takes part writes before each commit, and hears how it ended", async () => {
  using place = open();
  const { batch, database } = place;
  const heard: unknown[] = [];
  batch.participant = {
    write: () => {
      heard.push("write");
      database.prepare("INSERT INTO t VALUES (zeroblob(100000))").run();
    },
    committed: () => heard.push("committed"),
    rolledBack: (failure) => heard.push(failure),
  };
  await batch.run("relaxed", () => {});
  assert.deepEqual([heard.splice(0), place.rows()], [["write", "committed"], 1]);
  database.exec("PRAGMA max_page_count = 1");
  const refused = await batch.run("durable", () => {}).catch((error: unknown) => error);
  assert.deepEqual([heard.splice(0), place.rows()], [["write", refused], 1]);
  database.exec("PRAGMA max_page_count = 100000");
  const committed = Promise.withResolvers<void>();
  batch.participant.committed = committed.resolve;
  batch.runSoon();
  await committed.promise;
  assert.equal(place.rows(), 2);
});

Deno.test("what has to come first is stored with the first change for which there is room", async () => {
  using place = open();
  const { batch, database } = place;
  database.exec("PRAGMA max_page_count = 1");
  batch.first(() => database.prepare("INSERT INTO t VALUES (?)").run(new Uint8Array(100_000)));
  assert.equal(batch.isReady, false);
  await assert.rejects(batch.run("relaxed", () => {}), StoreError);
  assert.equal(place.rows(), 0);
  database.exec("PRAGMA max_page_count = 100000");
  await batch.run("relaxed", () => {});
  assert.deepEqual([batch.isReady, place.rows()], [true, 1]);
});

Deno.test("a prompt change settles with its commit, and is synced soon, alone or with a durable one", async () => {
  using place = open(0.1);
  const { batch, log } = place;
  await batch.run("durable", () => 1);
  await batch.run("prompt", () => 2);
  assert.deepEqual([log.quickSyncs, log.syncs.length], [0, 1]);
  await batch.run("durable", () => 3);
  assert.deepEqual([log.quickSyncs, log.syncs.length], [1, 1]);
  const synced = Promise.withResolvers<void>();
  log.onSync = synced.resolve;
  await batch.run("prompt", () => 4);
  await synced.promise;
  await batch.run("prompt", () => 5);
  await batch.finish();
  assert.deepEqual([log.quickSyncs, log.syncs.length], [1, 3]);
});

Deno.test("a prompt change is synced soon also after one that came while a slow disk was at it", async () => {
  using place = open();
  const { batch, log } = place;
  log.isSlow = true;
  const nextSync = () => new Promise<void>((resolve) => log.onSync = resolve);
  const durable = batch.run("durable", () => 1);
  await batch.run("relaxed", () => 2); // It is committed, and the sync has begun.
  await batch.run("prompt", () => 3);
  await new Promise((resolve) => setTimeout(resolve, 20)); // Its time comes during that sync.
  const second = nextSync();
  log.syncs[0]?.resolve();
  await Promise.all([durable, second]);
  log.syncs[1]?.resolve();
  const third = nextSync();
  await batch.run("prompt", () => 4);
  await third;
  log.syncs[2]?.resolve();
  await batch.finish();
  assert.equal(log.syncs.length, 3);
});

Deno.test("what is to be stored soon is, also after a time when it could not be", async () => {
  using place = open();
  const { batch } = place;
  const other = new DatabaseSync(place.path);
  other.exec("BEGIN IMMEDIATE");
  const refused = Promise.withResolvers<void>();
  const committed = Promise.withResolvers<void>();
  batch.participant = { write() {}, committed: committed.resolve, rolledBack: () => refused.resolve() };
  batch.runSoon();
  await refused.promise;
  other.close();
  batch.runSoon();
  await committed.promise;
});
