import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { Transactions } from "../../src/store/sqlite/transactions.ts";
import { StoreError, UnsyncedError } from "../../src/store/store.ts";
import { FailingStatements } from "./failing_statements.ts";
import { TempFile } from "./temp_file.ts";

/** Stands for the write-ahead log: a disk that syncs when the test says so, or at once. */
class Log {
  readonly syncs: PromiseWithResolvers<void>[] = [];
  isSlow = false;
  checkpoints = 0;
  quickSyncs = 0;
  failure: Error | undefined;
  onSync = () => {};

  isUnableToCheckpoint = false;

  checkpoint() {
    this.checkpoints++;
    if (this.isUnableToCheckpoint) throw new Error("EIO");
  }

  syncData(): Promise<void> {
    const sync = Promise.withResolvers<void>();
    this.syncs.push(sync);
    if (!this.isSlow) sync.resolve();
    this.onSync();
    return sync.promise;
  }

  syncDataSync() {
    this.quickSyncs++;
    if (this.failure) throw this.failure;
  }
}

/** @param syncMs What each sync takes by the clock of the transactions. */
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
    transactions: new Transactions(database, log, () => log.checkpoint(), () => now += syncMs),
    rows: () => database.prepare("SELECT count(*) AS rows FROM t").get()?.rows,
    [Symbol.dispose]() {
      database.close();
      file[Symbol.dispose]();
    },
  };
}

Deno.test("changes asked for together are one transaction, and settle when it is committed", async () => {
  using place = open();
  const { transactions } = place;
  const insert = place.database.prepare("INSERT INTO t VALUES (?)");
  const first = transactions.run("relaxed", () => insert.run(Uint8Array.of(1)));
  const second = transactions.run("relaxed", () => insert.run(Uint8Array.of(2)));
  assert.equal(place.database.isTransaction, true);
  await Promise.all([first, second]);
  assert.equal(place.database.isTransaction, false);
  assert.equal(place.rows(), 2);
});

Deno.test("what a full disk refuses is refused with all that shares its transaction; there is room, it goes on", async () => {
  using place = open();
  const { transactions } = place;
  const insert = place.database.prepare("INSERT INTO t VALUES (?)");
  await transactions.run("durable", () => insert.run(Uint8Array.of(1)));
  // SQLite's own limit on a file gives the error of a full disk.
  place.database.exec("PRAGMA max_page_count = 1");
  const results = await Promise.allSettled([
    transactions.run("durable", () => insert.run(Uint8Array.of(2))),
    transactions.run("durable", () => insert.run(new Uint8Array(100_000))),
  ]);
  for (const result of results) {
    assert.ok(result.status === "rejected" && result.reason instanceof StoreError);
    assert.equal(result.reason.kind, "full");
  }
  assert.equal(place.rows(), 1);
  place.database.exec("PRAGMA max_page_count = 100000");
  await transactions.run("durable", () => insert.run(new Uint8Array(100_000)));
  assert.equal(place.rows(), 2);
});

Deno.test("a bug in a change is not taken for a fault of the disk", async () => {
  using place = open();
  const { transactions } = place;
  const bug = new TypeError("bug");
  await assert.rejects(
    transactions.run("durable", () => {
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
    place.transactions.run(durability, () => name).then((name) => settled.push(name));
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
  await place.transactions.finish();
  assert.equal(place.log.syncs.length, 2);
});

Deno.test("what can't be synced in the log is taken to the database, and so is on disk", async () => {
  using place = open();
  place.log.isSlow = true;
  const change = place.transactions.run("durable", () => 1);
  await place.transactions.run("relaxed", () => 2);
  place.log.syncs[0]?.reject(new Error("EIO"));
  assert.equal(await change, 1);
  assert.equal(place.log.checkpoints, 1);
  await place.transactions.run("relaxed", () => 3);
  assert.equal(place.log.checkpoints, 1);
});

Deno.test("what can be taken to disk in no way is refused, with what it has made, and tried again before anything else", async () => {
  using place = open();
  place.log.isSlow = place.log.isUnableToCheckpoint = true;
  const change = place.transactions.run("durable", () => "made");
  const refused = assert.rejects(change, (error) => error instanceof UnsyncedError && error.made === "made");
  await place.transactions.run("relaxed", () => 2);
  place.log.syncs[0]?.reject(new Error("EIO"));
  await refused;
  await assert.rejects(place.transactions.run("relaxed", () => 3));
  place.log.isUnableToCheckpoint = false;
  await place.transactions.run("relaxed", () => 4);
  await place.transactions.run("relaxed", () => 5);
  assert.equal(place.log.checkpoints, 3);
});

Deno.test("a quick disk is waited for, once it is known to be quick, for who is alone", async () => {
  using place = open(0.1);
  const { transactions, log } = place;
  await transactions.run("durable", () => 1);
  assert.deepEqual([log.quickSyncs, log.syncs.length], [0, 1]);
  await transactions.run("durable", () => 2);
  await transactions.run("relaxed", () => 3);
  assert.deepEqual([log.quickSyncs, log.syncs.length], [1, 1]);
  await Promise.all([transactions.run("durable", () => 4), transactions.run("durable", () => 5)]);
  await transactions.run("durable", () => 6);
  assert.deepEqual([log.quickSyncs, log.syncs.length], [1, 3]); // There may be several again.
  await transactions.run("durable", () => 7);
  assert.deepEqual([log.quickSyncs, log.syncs.length], [2, 3]);
  log.failure = new Error("EIO");
  await transactions.run("durable", () => 5);
  assert.equal(log.checkpoints, 1);
});

Deno.test("a transaction ends when it is told to, else at the end of the turn of the event loop", async () => {
  using place = open();
  const { transactions, database } = place;
  const asked = transactions.run("relaxed", () => 1);
  await Promise.resolve();
  assert.equal(database.isTransaction, true);
  assert.equal(
    await Promise.all([asked, transactions.run("relaxed", () => 2)]).then(() => database.isTransaction),
    false,
  );
  const told = transactions.run("relaxed", () => 3);
  transactions.commit();
  assert.equal(database.isTransaction, false);
  await told;
  transactions.commit(); // There is none.
  assert.equal(database.isTransaction, false);
});

Deno.test("what is asked for after a commit is another transaction, which the first's end leaves alone", async () => {
  using place = open();
  const { transactions, database } = place;
  const insert = database.prepare("INSERT INTO t VALUES (?)");
  const first = transactions.run("relaxed", () => insert.run(Uint8Array.of(1)));
  transactions.commit();
  const second = transactions.run("relaxed", () => insert.run(Uint8Array.of(2)));
  await first;
  database.exec("PRAGMA max_page_count = 1");
  await assert.rejects(
    Promise.all([second, transactions.run("relaxed", () => insert.run(new Uint8Array(100_000)))]),
    StoreError,
  );
  assert.equal(place.rows(), 1);
});

/** What fails of a transaction with two changes, and how many writes are made before that. */
const FAILURES = [
  ["a statement fails", 2, "rejected"],
  ["the commit fails", 3, "rejected"],
  ["it can't begin", 0, "fulfilled"], // The second change begins another.
] as const;
for (const fault of ["refused", "rolled-back"] as const) {
  for (const [how, writesBefore, second] of FAILURES) {
    Deno.test(`where ${how} (${fault}), memory is taken back in reverse, and it goes on`, async () => {
      using faults = new FailingStatements();
      using place = open();
      const { transactions, database } = place;
      const insert = database.prepare("INSERT INTO t VALUES (?)");
      const steps: string[] = [];
      const change = (name: string) =>
        transactions.run("relaxed", () => {
          transactions.undo(() => {
            assert.equal(database.isTransaction, false, "the database is as it was by then");
            steps.push(`${name} 1`);
          });
          insert.run(Uint8Array.of(1));
          transactions.undo(() => steps.push(`${name} 2`));
        });
      await change("before");
      faults.failAfter(writesBefore, fault);
      const asked = [change("a"), change("b")];
      transactions.commit();
      const results = await Promise.allSettled(asked);
      assert.deepEqual(results.map(({ status }) => status), ["rejected", second]);
      const undone = {
        "a statement fails": ["b 1", "a 2", "a 1"],
        "the commit fails": ["b 2", "b 1", "a 2", "a 1"],
      };
      assert.deepEqual(steps, how === "it can't begin" ? [] : undone[how]);
      const [first] = results;
      assert.ok(
        first?.status === "rejected" && first.reason instanceof StoreError && first.reason.kind === "full",
      );
      await change("after");
      assert.equal(place.rows(), second === "fulfilled" ? 3 : 2);
    });
  }
}

Deno.test("what a committed transaction has noted is not taken back by a later one", async () => {
  using place = open();
  const { transactions } = place;
  await transactions.run("relaxed", () => transactions.undo(() => assert.fail("it is committed")));
  transactions.first(() => transactions.undo(() => assert.fail("it is committed")));
  const bug = new TypeError("bug");
  const steps: number[] = [];
  await assert.rejects(
    transactions.run("relaxed", () => {
      transactions.undo(() => steps.push(1));
      throw bug;
    }),
    bug,
  );
  assert.deepEqual(steps, [1]);
});

Deno.test("what has to come first is stored with the first change for which there is room", async () => {
  using place = open();
  const { transactions, database } = place;
  database.exec("PRAGMA max_page_count = 1");
  transactions.first(() => database.prepare("INSERT INTO t VALUES (?)").run(new Uint8Array(100_000)));
  assert.equal(transactions.isReady, false);
  await assert.rejects(transactions.run("relaxed", () => {}), StoreError);
  assert.equal(place.rows(), 0);
  database.exec("PRAGMA max_page_count = 100000");
  await transactions.run("relaxed", () => {});
  assert.deepEqual([transactions.isReady, place.rows()], [true, 1]);
});

Deno.test("a prompt change settles with its commit, and is synced soon, alone or with a durable one", async () => {
  using place = open(0.1);
  const { transactions, log } = place;
  await transactions.run("durable", () => 1);
  await transactions.run("prompt", () => 2);
  assert.deepEqual([log.quickSyncs, log.syncs.length], [0, 1]);
  await transactions.run("durable", () => 3);
  assert.deepEqual([log.quickSyncs, log.syncs.length], [1, 1]);
  const synced = Promise.withResolvers<void>();
  log.onSync = synced.resolve;
  await transactions.run("prompt", () => 4);
  await synced.promise;
  await transactions.run("prompt", () => 5);
  await transactions.finish();
  assert.deepEqual([log.quickSyncs, log.syncs.length], [1, 3]);
});

Deno.test("a prompt change is synced soon also after one that came while a slow disk was at it", async () => {
  using place = open();
  const { transactions, log } = place;
  log.isSlow = true;
  const nextSync = () => new Promise<void>((resolve) => log.onSync = resolve);
  const durable = transactions.run("durable", () => 1);
  await transactions.run("relaxed", () => 2); // It is committed, and the sync has begun.
  await transactions.run("prompt", () => 3);
  await new Promise((resolve) => setTimeout(resolve, 20)); // Its time comes during that sync.
  const second = nextSync();
  log.syncs[0]?.resolve();
  await Promise.all([durable, second]);
  log.syncs[1]?.resolve();
  const third = nextSync();
  await transactions.run("prompt", () => 4);
  await third;
  log.syncs[2]?.resolve();
  await transactions.finish();
  assert.equal(log.syncs.length, 3);
});
