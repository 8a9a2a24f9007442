import type { Asks } from "../../src/job/header.ts";
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { PIECE_BYTES, Pieces } from "../../src/job/pieces.ts";
import { STATES } from "../../src/job/state.ts";
import { Line } from "../../src/store/sqlite/line.ts";
import { checkpoint, openDatabase } from "../../src/store/sqlite/schema.ts";
import { SqliteStore } from "../../src/store/sqlite/store.ts";
import { type JobChanges, type NewJob, StoreError } from "../../src/store/store.ts";
import { ok, sh } from "../harness.ts";
import { FailingStatements } from "./failing_statements.ts";
import { makeOldFile } from "./old_file.ts";
import { SqlitePlace } from "./sqlite_place.ts";
import { testStore } from "./suite.ts";

testStore("SqliteStore", () => SqlitePlace.make());

Deno.test("a state file and its log can be read by their owner only", async () => {
  await using place = await SqlitePlace.make();
  await using _store = await place.open();
  for (const name of ["filed.db", "filed.db-wal"]) {
    assert.equal((await Deno.stat(`${place.folder}/${name}`)).mode! & 0o777, 0o600, name);
  }
});

const REFUSED: [string, (path: string) => void | Promise<void>, StoreError["kind"], RegExp][] = [
  [
    "a missing directory",
    () => {},
    "unavailable",
    /its directory does not exist; create it, or name another/,
  ],
  [
    "a directory",
    (path) => Deno.mkdirSync(path, { recursive: true }),
    "unavailable",
    /it is a directory; name a file/,
  ],
  [
    "a text file",
    (path) => write(path, "x".repeat(4_096)),
    "not-filed",
    /not a database; name another file with --state/,
  ],
  [
    "another program's database",
    (path) => sql(path, "CREATE TABLE t (a)"),
    "not-filed",
    /of another program/,
  ],
  [
    "a newer filed's",
    (path) => newer(path),
    "newer",
    /a newer filed wrote it \(version 99, this one reads up to \d+\)/,
  ],
];
for (const [name, prepare, kind, message] of REFUSED) {
  Deno.test(`${name} as state file is refused, and left as it was`, async () => {
    await using place = await SqlitePlace.make();
    const path = `${place.folder}/directory/filed.db`;
    await prepare(path);
    const before = readIfFile(path);
    assert.throws(() => SqliteStore.open(path), (error) => {
      assert.ok(error instanceof StoreError);
      assert.equal(error.kind, kind);
      assert.match(error.message, message);
      return true;
    });
    assert.deepEqual(readIfFile(path), before);
  });
}

Deno.test("a device as state file is refused", () => {
  assert.throws(
    () => SqliteStore.open("/dev/null"),
    /it is not a regular file; name another one with --state$/,
  );
});

Deno.test("a second opener is refused, and told who holds the file", async () => {
  await using place = await SqlitePlace.make();
  const { path } = place;
  const store = SqliteStore.open(path);
  assert.throws(
    () => SqliteStore.open(path),
    new RegExp(`another filed uses it \\(pid ${Deno.pid}\\); stop that one`),
  );
  await store[Symbol.asyncDispose]();
  await SqliteStore.open(path)[Symbol.asyncDispose]();
});

Deno.test("an opener waits for what a dead holder was starting, which has its lock until then", async () => {
  await using place = await SqlitePlace.make();
  const { path } = place;
  // What has descriptor 9 from a shell that is gone ends once the file is open here.
  const child = `until ls -l /proc/${Deno.pid}/fd | grep -q ${path}; do :; done`;
  await ok(sh(`exec 9<> ${path}; flock 9; (${child}) > /dev/null 2>&1 &`));
  await SqliteStore.open(path)[Symbol.asyncDispose]();
});

Deno.test("an opener says so where what a dead holder was starting has its lock and stays", async () => {
  await using place = await SqlitePlace.make();
  const { path } = place;
  await ok(
    sh(`mkfifo ${place.folder}/end; exec 9<> ${path}; flock 9; cat ${place.folder}/end > /dev/null 2>&1 &`),
  );
  try {
    assert.throws(
      () => SqliteStore.open(path),
      /a process that an earlier filed \(pid \d+\) was starting .* end that one \(fuser\(1\) names it\), or name/,
    );
  } finally {
    await Deno.writeTextFile(`${place.folder}/end`, "");
  }
});

Deno.test("a job that can't be stored is refused, and nothing of it stays", async () => {
  await using place = await SqlitePlace.make();
  await using store = await place.open();
  const before = await submit(store, "before");
  using other = new DatabaseSync(place.path);
  other.exec("BEGIN IMMEDIATE");
  const refused = [
    store.create(newJob("a")), // It waits for the other first, and they share the refusal.
    store.update(before, PENDING, () => ({ mode: 0o600 }), "durable"),
  ];
  for (const change of refused) {
    await assert.rejects(change, (error) => error instanceof StoreError && error.kind === "unavailable");
  }
  other.exec("ROLLBACK");
  assert.equal(await store.byId("a"), undefined);
  assert.equal((await store.byNo(before))?.mode, 0o640);
  assert.deepEqual((await store.list("pending", 0, 9)).map(({ id }) => id), ["before"]);
  const job = await store.create(newJob("a"));
  assert.ok(job && job.number > before);
});

Deno.test("many jobs are not all kept in memory, and none of them is lost", async () => {
  await using place = await SqlitePlace.make();
  await using store = await place.open();
  const [many, mode] = [3_000, 8];
  const created = await Promise.all(
    Array.from({ length: many }, (_, index) => store.create(newJob(`job ${index}`))),
  );
  const change = (index: number) =>
    store.update(created[index]?.number as number, PENDING, () => ({ mode: index % mode }), "relaxed");
  await Promise.all(created.map((_, index) => change(index)));
  for (const [index, job] of created.entries()) {
    const found = await store.byId(`job ${index}`);
    assert.deepEqual([found?.number, found?.mode], [job?.number, index % mode]);
  }
});

const REFUSED_CHANGES = "where a change is refused,";

Deno.test(`${REFUSED_CHANGES} a hold that concerns nothing else stays`, async () => {
  using faults = new FailingStatements();
  await using place = await SqlitePlace.make();
  await using store = await place.open();
  const number = await submit(store, "a");
  await failCommit(store, faults, async () => {
    const chmod = store.update(number, PENDING, () => ({ mode: 0o600 }), "durable");
    const held = await store.update(number, PENDING, () => ({ held: true }), "relaxed");
    assert.ok(held?.state === "pending" && held.held, "it waits for no disk");
    await chmod;
  });
  const job = await store.byNo(number);
  assert.deepEqual([job?.state === "pending" && job.held, job?.mode], [true, 0o640]);
  assert.deepEqual(await store.claim(["1"], () => new Uint8Array()), []);
});

Deno.test(`${REFUSED_CHANGES} a draft that it would have closed is one as before, and does not run after a crash`, async () => {
  using faults = new FailingStatements();
  await using place = await SqlitePlace.make();
  await using store = await place.open();
  const job = await store.create(newJob("a"));
  const number = job?.number as number;
  const draft = { content: { is: "draft", bytes: Uint8Array.of(1, 2) } } as const;
  await store.update(number, PENDING, () => draft, "durable");
  await failCommit(store, faults, () => store.update(number, PENDING, () => CLOSED, "durable"));
  assert.deepEqual((await store.readCommand(number, "closed"))?.length, 0);
  await store.update(number, PENDING, () => ({ turn: "first", held: false }), "durable");
  await using again = await place.openAfterCrash();
  assert.deepEqual(await again.claim(["1"], () => new Uint8Array()), []);
});

Deno.test(`${REFUSED_CHANGES} a log that it would have left to its readers stays the job's`, async () => {
  using faults = new FailingStatements();
  await using place = await SqlitePlace.make();
  await using store = await place.open();
  const number = await submit(store, "a");
  await store.claim(["1"], () => new Uint8Array(3_000));
  await store.settle("1", () => endedWith("complete"));
  const reader = store.retainLog(number, 1);
  await failCommit(store, faults, () => store.remove(number, { state: "complete" }, "durable"));
  await reader[Symbol.asyncDispose]();
  assert.equal((await store.readLog(number, 1, 0, 5_000)).length, 3_000);
  await using again = await place.openAfterCrash();
  assert.equal((await again.readLog(number, 1, 0, 5_000)).length, 3_000);
});

Deno.test(`${REFUSED_CHANGES} what it would have had wait waits for nothing`, async () => {
  using faults = new FailingStatements();
  await using place = await SqlitePlace.make();
  await using store = await place.open();
  const number = await submit(store, "a");
  await failCommit(store, faults, async () => {
    const asked = store.update(number, PENDING, () => ({ visibleAt: place.now + 5 }), "durable");
    assert.equal(await store.nextVisibleAt(), place.now + 5);
    await asked;
  });
  assert.equal(await store.nextVisibleAt(), undefined);
  assert.equal((await store.claim(["1"], () => new Uint8Array())).length, 1);
});

Deno.test(`${REFUSED_CHANGES} no number of it that was given out is given again`, async () => {
  using faults = new FailingStatements();
  await using place = await SqlitePlace.make();
  await using store = await place.open();
  const given: { number: number; turn: number | null }[] = [];
  const seen = async (id: string) => {
    const job = await store.byId(id);
    assert.ok(job?.state === "pending");
    given.push({ number: job.number, turn: job.turn });
    return job.number;
  };
  for (const id of ["a", "b"]) {
    await store.create(newJob(id));
    const number = await seen(id);
    await failCommit(store, faults, async () => {
      const closed = store.update(number, PENDING, () => CLOSED, "durable");
      await seen(id);
      await closed;
    });
    assert.equal(await store.byId(id), undefined);
  }
  await submit(store, "c");
  await seen("c");
  const [a, , b, , c] = given.map(({ number }) => number);
  assert.equal(new Set([a, b, c]).size, 3, `jobs have the numbers ${[a, b, c]}`);
  const turns = given.map(({ turn }) => turn).filter((turn) => turn !== null);
  assert.equal(new Set(turns).size, 3, `they have the turns ${turns}`);

  // Who has the first one open still may write, and reaches nobody's.
  const draft = { content: { is: "draft", bytes: Uint8Array.of(1, 2, 3) } } as const;
  await assert.rejects(store.update(a as number, PENDING, () => draft, "durable"), StoreError);
  assert.deepEqual((await store.readCommand(c as number, "written"))?.subarray(), Uint8Array.of(1));
});

Deno.test(`${REFUSED_CHANGES} no log's number and no place among the ended is given again`, async () => {
  using faults = new FailingStatements();
  await using place = await SqlitePlace.make();
  await using store = await place.open();
  for (const id of ["a", "b", "c"]) await submit(store, id);
  const header = () => new Uint8Array(3_000);
  await failCommit(store, faults, async () => {
    const claimed = store.claim(["refused"], header);
    await store.byId("a");
    await claimed;
  });
  await store.claim(["1", "2"], header);
  const positions: number[] = [];
  const lastPosition = async () => positions.push((await store.list("complete", 0, 9)).at(-1)?.position ?? 0);
  await failCommit(store, faults, async () => {
    const settled = store.settle("1", () => endedWith("complete"));
    await lastPosition();
    await settled;
  });
  await store.settle("2", () => endedWith("complete"));
  await lastPosition();
  assert.ok(positions[1] as number > (positions[0] as number), `positions ${positions}`);
  using database = new DatabaseSync(place.copy());
  const logs = database.prepare("SELECT log FROM attempts").all().map(({ log }) => log);
  assert.deepEqual(logs, [3], "1 was of the claim that was refused, and 2 is of the run that goes on");
});

Deno.test(`${REFUSED_CHANGES} the line is searched anew once, however much it has changed`, async () => {
  using faults = new FailingStatements();
  await using place = await SqlitePlace.make();
  await using store = await place.open();
  const users = Array.from({ length: 100 }, (_, uid) => uid);
  const idsOf = (name: string) => users.map((uid) => `${name} of ${uid}`);
  const submitOfAll = (name: string) => users.map((uid) => submit(store, `${name} of ${uid}`, uid));
  await Promise.all(submitOfAll("first"));
  using line = new CountedResets();
  await failCommit(store, faults, async () => {
    const refused = await Promise.allSettled([
      ...submitOfAll("second"),
      ...idsOf("first").map(async (id) =>
        store.remove((await store.byId(id))?.number ?? 0, PENDING, "durable")
      ),
    ]);
    assert.ok(refused.every(({ status }) => status === "rejected"));
    throw new StoreError("full", "all of them are refused");
  });
  assert.equal(line.resets, 1);
  await Promise.all(submitOfAll("third"));
  const runs = Array.from({ length: 3 * users.length }, (_, run) => `${run}`);
  const claims = await store.claim(runs, () => new Uint8Array());
  assert.deepEqual(claims.map(({ job }) => job.id), [...idsOf("first"), ...idsOf("third")]);
});

Deno.test("a new state file has pages of 2048 bytes, and one that is there keeps its own", async () => {
  await using place = await SqlitePlace.make();
  await (await place.open())[Symbol.asyncDispose]();
  assert.equal(pageBytes(place.path), 2_048);
  const old = `${place.folder}/old.db`;
  makeOldFile(old, 6);
  await place.openAt(old)[Symbol.asyncDispose]();
  assert.equal(pageBytes(old), 4_096);
});

/** What a damaged file may have lost, and what becomes of the jobs a, b and c that wait in it. */
const SALVAGED = [
  ["the counters", "DELETE FROM counters"],
  ["the table of counters' submissions", "DELETE FROM counters WHERE name = 'submission'"],
  ["turns apart", "UPDATE jobs SET turn = 0"],
  ["its lanes", "DELETE FROM lanes"],
] as const;
for (const [what, sql] of SALVAGED) {
  Deno.test(`in a file that was salvaged without ${what}, each job starts, in its turn`, async () => {
    await using place = await SqlitePlace.make();
    {
      await using store = await place.open();
      for (const id of ["a", "b", "c"]) await submit(store, id);
    }
    place.execute(sql);
    await using store = await place.open();
    const claims = await store.claim(["first"], () => new Uint8Array());
    for (const id of ["x", "y", "z"]) await submit(store, id);
    claims.push(...await store.claim(["1", "2", "3", "4", "5", "6"], () => new Uint8Array()));
    assert.deepEqual(claims.map(({ job }) => job.id), ["a", "b", "c", "x", "y", "z"]);
  });
}

Deno.test("in a file that was salvaged without its lanes, each user's jobs start, also where the start has no room to store that", async () => {
  using faults = new FailingStatements();
  await using place = await SqlitePlace.make();
  {
    await using store = await place.open();
    const gone = await submit(store, "gone", 9); // It had the first lane.
    for (const [id, uid] of [["a", 3], ["b", 2], ["c", 1], ["d", 3]] as const) await submit(store, id, uid);
    await store.remove(gone, PENDING, "durable");
  }
  place.execute("DELETE FROM lanes");
  for (let writesBefore = 0;; writesBefore++) {
    const copied = `${place.folder}/salvaged-${writesBefore}.db`;
    Deno.copyFileSync(place.path, copied);
    const failuresBefore = faults.failures;
    faults.failAfter(writesBefore, "refused");
    await using store = place.openAt(copied);
    const hasFailed = faults.failures > failuresBefore;
    faults.stop();
    await submit(store, "new", 2);
    const claims = await store.claim(
      ["1", "2", "3", "4", "5"],
      () => new Uint8Array(),
      (uid) => uid === 3 ? 1 : 9,
    );
    assert.deepEqual(claims.map(({ job }) => job.id), ["a", "b", "c", "new"]);
    assert.equal((await store.claim(["6"], () => new Uint8Array())).at(0)?.job.id, "d");
    if (!hasFailed) break;
  }
});

for (const what of ["lanes", "runs", "slots", "lanes, runs and slots"]) {
  Deno.test(`in a file that was salvaged without its ${what}, jobs with pools and locks start, as their pools let them`, async () => {
    using faults = new FailingStatements();
    await using place = await SqlitePlace.make();
    const pools = { gpu: 1 };
    const claim = async (store: SqliteStore, ...runs: string[]) =>
      (await store.claim(runs, () => new Uint8Array(), undefined, pools)).map(({ job }) => job.id);
    {
      await using store = await place.open();
      const asks: Asks = { use: [["gpu", 1]], lock: { name: "l" } };
      for (const id of ["runs", "a", "b"]) {
        const number = await submit(store, id);
        await store.update(number, PENDING, () => ({ asks }), "durable");
      }
      assert.deepEqual(await claim(store, "lost"), ["runs"]);
    }
    for (const table of what.split(/, | and /)) place.execute(`DELETE FROM ${table}`);
    for (let writesBefore = 0;; writesBefore++) {
      const copied = `${place.folder}/salvaged-${writesBefore}.db`;
      Deno.copyFileSync(place.path, copied);
      const failuresBefore = faults.failures;
      faults.failAfter(writesBefore, "refused");
      await using store = place.openAt(copied);
      const hasFailed = faults.failures > failuresBefore;
      faults.stop();
      await submit(store, "plain");
      for (const { run } of await store.runBook.all()) await store.settle(run, () => endedWith("complete"));
      assert.deepEqual(await claim(store, "1", "2", "3", "4"), ["a", "plain"]);
      await store.settle("1", () => endedWith("complete"));
      assert.deepEqual(await claim(store, "5", "6"), ["b"]);
      if (!hasFailed) break;
    }
  });
}

Deno.test("in a file that was salvaged without its counters, new numbers are above those in use", async () => {
  await using place = await SqlitePlace.make();
  const long = new Uint8Array(3_000).fill(0x61);
  {
    await using store = await place.open();
    for (const id of ["a", "b", "c", "d"]) await submit(store, id);
    await store.claim(["a", "b", "c", "d"], () => long);
    for (const run of ["b", "a"]) await store.settle(run, () => endedWith("complete"));
    await store.settle("d", () => endedWith("complete"), new Uint8Array()); // Something is left of it.
    const d = await store.byId("d");
    await store.remove(d?.number as number, { state: "complete" }, "durable");
  }
  place.execute("DELETE FROM counters");
  await using store = await place.open();
  const [c, last] = [await store.byId("c"), await lastNumber(store)];
  await submit(store, "x");
  assert.ok((await store.byId("x"))?.number as number > last + 1, "d's number is not used again");
  await store.claim(["x"], () => new Uint8Array(3_000).fill(0x62));
  await store.settle("x", () => endedWith("complete"));
  assert.deepEqual((await store.list("complete", 0, 9)).map(({ id }) => id), ["b", "a", "x"]);
  assert.deepEqual(await store.readLog(c?.number as number, 1, 0, 5_000), long);
});

Deno.test("in a file that was salvaged without its runs, what ran waits for a word that it may start", async () => {
  await using place = await SqlitePlace.make();
  {
    await using store = await place.open();
    for (const id of ["a", "b"]) await submit(store, id);
    await store.claim(["1", "2"], () => new Uint8Array());
  }
  place.execute("DELETE FROM runs");
  await using store = await place.open();
  const [a, b] = [await store.byId("a"), await store.byId("b")];
  assert.ok(a?.state === "pending" && b?.state === "pending");
  assert.deepEqual([a.turn, a.held], [null, false]);
  assert.deepEqual((await store.list("pending", 0, 9)).map(({ id }) => id), ["a", "b"]);
  assert.deepEqual([await store.count("pending"), await store.count("active")], [2, 0]);
  await store.update(b.number, PENDING, () => ({ mode: 0o600 }), "durable");
  assert.deepEqual(await store.claim(["3"], () => new Uint8Array()), []);
  await store.update(b.number, PENDING, () => ({ turn: "first" }), "durable");
  const claims = await store.claim(["3", "4"], () => new Uint8Array());
  assert.deepEqual(claims.map(({ job }) => job.id), ["b"]);
  await store.remove(a.number, PENDING, "durable");
  assert.equal(await store.byId("a"), undefined);
});

const PENDING = { state: "pending" } as const;
const CLOSED = { content: { is: "closed", bytes: Uint8Array.of(1) }, turn: "first", held: false } as const;

function newJob(id: string, uid = 1): NewJob {
  return { id, uid, gid: 2, mode: 0o640 };
}

/** Counts how often a line forgets what is in memory. */
class CountedResets implements Disposable {
  readonly #reset = Line.prototype.reset;
  resets = 0;

  constructor() {
    const [reset, count] = [this.#reset, () => this.resets++];
    Line.prototype.reset = function () {
      count();
      reset.call(this);
    };
  }

  [Symbol.dispose]() {
    Line.prototype.reset = this.#reset;
  }
}

async function submit(store: SqliteStore, id: string, uid = 1): Promise<number> {
  const job = await store.create(newJob(id, uid));
  assert.ok(job);
  await store.update(job.number, PENDING, () => CLOSED, "durable");
  return job.number;
}

/** Has a change be refused when it is to be stored. */
async function failCommit(store: SqliteStore, faults: FailingStatements, change: () => Promise<unknown>) {
  store.commit();
  const asked = change();
  await Promise.resolve();
  faults.failAfter(0, "refused");
  store.commit();
  await assert.rejects(asked, StoreError);
}

function endedWith(state: "complete" | "failed"): JobChanges {
  return { state, over: { ending: { kind: "exited", status: 0 }, log: "more", bytes: new Uint8Array() } };
}

async function lastNumber(store: SqliteStore): Promise<number> {
  const all = await Promise.all(STATES.map((state) => store.list(state, 0, 99)));
  return Math.max(...all.flat().map(({ number }) => number));
}

function pageBytes(path: string): number {
  return new DataView(Deno.readFileSync(path).buffer).getUint16(16); // https://sqlite.org/fileformat.html
}

Deno.test("the log is as long from the start as it becomes, and no frame is taken for what is behind its own", async () => {
  await using place = await SqlitePlace.make();
  const { path } = place;
  await using store = await place.open();
  const { size } = Deno.statSync(`${path}-wal`);
  for (let job = 0; job < 1_500; job++) await store.create(newJob(`job ${job}`));
  await store.reserve("a counter", 1, 0);
  assert.equal(Deno.statSync(`${path}-wal`).size, size);
  const copied = place.copy();
  await using copy = place.openAt(copied); // as after a crash
  assert.equal(await copy.count("pending"), 1_500);
  assert.equal(Deno.statSync(`${copied}-wal`).size, size);
});

const DROPPED_BYTES = 10_000_000;
/** What a state file keeps free for what comes next, and more. */
const SMALL_BYTES = 6_000_000;

/** Opens a store whose file has had a log of DROPPED_BYTES. */
async function openWithRoom(path: string, id: string): Promise<SqliteStore> {
  const store = SqliteStore.open(path);
  const number = await submit(store, id);
  await store.claim([`run of ${id}`], () => new Uint8Array());
  await store.appendLog(`run of ${id}`, 0, new Uint8Array(DROPPED_BYTES));
  await store.remove(number, { state: "active" }, "durable");
  return store;
}

Deno.test("the room of logs that are gone is given back, in steps between which the store is used", async () => {
  await using place = await SqlitePlace.make();
  const { path } = place;
  await using store = await openWithRoom(path, "a");
  let steps = 0;
  while (await store.shrink()) await store.reserve(`counter ${steps++}`, 1, 0);
  assert.ok(steps > 10 && steps < 100, `${steps} steps`);
  const { size } = Deno.statSync(path);
  assert.ok(size < SMALL_BYTES, `${size} bytes are left`);
  assert.equal(await store.shrink(), false);
});

/** What the file has of contents. */
function contentsIn(path: string) {
  using database = new DatabaseSync(path, { readOnly: true });
  const chunks = database.prepare("SELECT count(*) AS count, max(chunk) AS last FROM contents").get();
  const inRows = database.prepare(
    "SELECT max(length(command) + length(coalesce(chunks, ''))) AS bytes FROM jobs",
  ).get();
  return {
    count: Number(chunks?.count),
    last: Number(chunks?.last ?? 0),
    inRows: Number(inRows?.bytes ?? 0),
  };
}

Deno.test("a long content is beside its job's row, and a change of it writes what is another now", async () => {
  await using place = await SqlitePlace.make();
  const { path } = place;
  await using store = await place.open();
  const number = await submit(store, "a");
  const save = (content: Pieces, is: "draft" | "closed") =>
    store.update(number, PENDING, () => ({ content: { is, bytes: content } }), "durable");
  let content = Pieces.of(new Uint8Array(16 * PIECE_BYTES).fill(1));
  await save(content, "closed");
  const before = contentsIn(path);
  assert.equal(before.count, 16);
  assert.ok(before.inRows < 100, `${before.inRows} bytes are in the row`);
  content = content.written(5 * PIECE_BYTES - 1, Uint8Array.of(2, 2));
  await save(content, "draft");
  assert.deepEqual([contentsIn(path).count, contentsIn(path).last], [18, before.last + 2]);
  await save(content, "closed");
  assert.deepEqual([contentsIn(path).count, contentsIn(path).last], [16, before.last + 2]);
  await store[Symbol.asyncDispose]();
  await using again = await place.open();
  const read = await again.readCommand(number, "written");
  await again.update(
    number,
    PENDING,
    () => ({ content: { is: "closed", bytes: read?.resized(16 * PIECE_BYTES + 9) ?? "as-saved" } }),
    "durable",
  );
  assert.equal(contentsIn(path).count, 17);
  const sparse = Pieces.EMPTY.resized(256 * PIECE_BYTES);
  await again.update(number, PENDING, () => ({ content: { is: "closed", bytes: sparse } }), "durable");
  assert.equal(contentsIn(path).count, 1);
  await again.update(
    number,
    PENDING,
    () => ({ content: { is: "closed", bytes: Uint8Array.of(1) } }),
    "durable",
  );
  assert.equal(contentsIn(path).count, 0);
});

Deno.test("no job has what is another's, whoever shares a content, and a removal leaves that one's", async () => {
  await using place = await SqlitePlace.make();
  await using store = await place.open();
  const content = Pieces.of(new Uint8Array(3 * PIECE_BYTES).fill(1));
  const numbers = [await submit(store, "a"), await submit(store, "b")];
  for (const number of numbers) {
    await store.update(number, PENDING, () => ({ content: { is: "closed", bytes: content } }), "durable");
  }
  assert.equal(contentsIn(place.path).count, 6);
  await store.remove(numbers[0] as number, PENDING, "durable");
  assert.equal(contentsIn(place.path).count, 3);
  assert.deepEqual((await store.readCommand(numbers[1] as number, "closed"))?.subarray(), content.subarray());
});

for (const fate of ["is-rewritten", "is-exchanged", "goes"] as const) {
  Deno.test(`long contents go with the files when another of the id ${fate}, and none is left behind or lost`, async () => {
    await using place = await SqlitePlace.make();
    await using store = await place.open();
    const numbers = [await submit(store, "a"), await submit(store, "b")] as const;
    const save = (number: number, is: "draft" | "closed", pieces: number) => {
      const bytes = new Uint8Array(pieces * PIECE_BYTES).fill(pieces);
      return store.update(number, PENDING, () => ({ content: { is, bytes } }), "durable");
    };
    await save(numbers[0], "closed", 3);
    await save(numbers[1], "closed", 4);
    await save(numbers[0], "draft", 5);
    assert.equal(contentsIn(place.path).count, 12);
    const bytesOf = async (id: string, version: "written" | "closed") =>
      (await store.readCommand((await store.byId(id))?.number as number, version))?.length ?? 0;
    await store.rename(numbers[1], PENDING, "a", () => fate, () => ({}));
    const [newer, older] = fate === "is-exchanged" ? ["b", "a"] : ["a", "none"];
    for (const version of ["closed", "written"] as const) {
      assert.equal(await bytesOf(newer, version), 4 * PIECE_BYTES);
      const expected = version === "closed" ? 3 : 5;
      if (older !== "none") assert.equal(await bytesOf(older, version), expected * PIECE_BYTES);
    }
    assert.equal(contentsIn(place.path).count, fate === "is-exchanged" ? 12 : 4);
    for (const id of ["a", "b"]) {
      const job = await store.byId(id);
      if (job) await store.remove(job.number, PENDING, "durable");
    }
    assert.equal(contentsIn(place.path).count, 0);
  });
}

Deno.test("in a file that was salvaged without a part of a content, that job is empty and does not start", async () => {
  await using place = await SqlitePlace.make();
  {
    await using store = await place.open();
    for (const id of ["a", "b"]) {
      const number = await submit(store, id);
      const bytes = new Uint8Array(3 * PIECE_BYTES).fill(32);
      await store.update(
        number,
        PENDING,
        () => ({ content: { is: "closed", bytes }, turn: "first" }),
        "durable",
      );
    }
  }
  place.execute("DELETE FROM contents WHERE chunk = (SELECT min(chunk) + 1 FROM contents)");
  await using store = await place.open();
  assert.deepEqual((await store.claim(["1", "2"], () => new Uint8Array())).map(({ job }) => job.id), ["b"]);
  const job = await store.byId("a");
  assert.deepEqual([job?.state, job?.commandBytes, job?.state === "pending" && job.isEmpty], [
    "pending",
    0,
    true,
  ]);
  assert.equal(contentsIn(place.path).count, 3);
});

Deno.test("a state file of version 7 has its jobs as they were, also one of 131,071 bytes", async () => {
  await using place = await SqlitePlace.make();
  const job = (number: number, id: string, command: string) =>
    `(${number}, '${id}', ${number}, 0, CAST(${command} AS BLOB), 'pending', 1, 1, 1, 384, 0, 0, 0)`;
  makeOldFile(
    place.path,
    7,
    `INSERT INTO lanes (lane, uid, host, use) VALUES (1, 1, '', '');
    INSERT INTO jobs (
      number, id, turn, empty, command, state, lane, uid, gid, mode, created_at, written_at, changed_at)
    VALUES ${job(1, "a", "'echo a'")}, ${job(2, "b", "printf('%.*c', 131071, 'x')")}`,
  );
  await using store = await place.open();
  const [a, b] = await store.claim(["1", "2"], () => new Uint8Array());
  assert.deepEqual([a?.job.id, a?.command.subarray()], ["a", new TextEncoder().encode("echo a")]);
  assert.deepEqual([b?.job.id, b?.command.length], ["b", 131_071]);
});

Deno.test("a state file that was not made to get smaller stays as it is, until it is made so by hand", async () => {
  await using place = await SqlitePlace.make();
  const { path } = place;
  await SqliteStore.open(path)[Symbol.asyncDispose]();
  sql(path, "PRAGMA auto_vacuum = 0; VACUUM");
  {
    await using store = await openWithRoom(path, "a");
    assert.equal(await store.shrink(), false);
  }
  assert.ok(Deno.statSync(path).size > DROPPED_BYTES);
  sql(path, "PRAGMA auto_vacuum=2; VACUUM"); // As the manual says.
  await using store = await openWithRoom(path, "b");
  assert.equal(await store.shrink(), true);
});

Deno.test("a checkpoint empties the log, or says that somebody reads it", async () => {
  await using place = await SqlitePlace.make();
  const { path } = place;
  Deno.writeTextFileSync(path, "");
  using database = openDatabase(path);
  using reader = new DatabaseSync(path);
  reader.exec("BEGIN; SELECT * FROM jobs");
  database.exec("PRAGMA busy_timeout = 0; INSERT INTO settings VALUES ('a', 'b')");
  assert.throws(() => checkpoint(database), StoreError);
  reader.exec("COMMIT");
  checkpoint(database);
  assert.equal(Deno.statSync(`${path}-wal`).size, 0);
});

function write(path: string, text: string) {
  Deno.mkdirSync(path.replace(/\/[^/]*$/, ""), { recursive: true });
  Deno.writeTextFileSync(path, text);
}

function sql(path: string, statements: string) {
  Deno.mkdirSync(path.replace(/\/[^/]*$/, ""), { recursive: true });
  const database = new DatabaseSync(path);
  database.exec(statements);
  database.close();
}

async function newer(path: string) {
  Deno.mkdirSync(path.replace(/\/[^/]*$/, ""), { recursive: true });
  await SqliteStore.open(path)[Symbol.asyncDispose]();
  sql(path, "PRAGMA user_version = 99");
}

function readIfFile(path: string): Uint8Array | undefined {
  try {
    return Deno.readFileSync(path);
  } catch {
    return undefined;
  }
}
