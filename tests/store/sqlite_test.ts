import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { checkpoint, openDatabase } from "../../src/store/sqlite/schema.ts";
import { SqliteStore } from "../../src/store/sqlite/store.ts";
import { StoreError } from "../../src/store/store.ts";
import { ok, sh } from "../harness.ts";
import { testStore } from "./suite.ts";

async function makeFolder() {
  const path = await Deno.makeTempDir({ prefix: "filed-store-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

testStore("SqliteStore", async () => {
  const folder = await makeFolder();
  return {
    open: () => Promise.resolve(SqliteStore.open(`${folder.path}/filed.db`)),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
});

Deno.test("a state file and its log can be read by their owner only", async () => {
  await using folder = await makeFolder();
  await using _store = SqliteStore.open(`${folder.path}/filed.db`);
  for (const name of ["filed.db", "filed.db-wal"]) {
    assert.equal((await Deno.stat(`${folder.path}/${name}`)).mode! & 0o777, 0o600, name);
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
    /a newer filed wrote it \(version 99, this one reads up to 6\)/,
  ],
];
for (const [name, prepare, kind, message] of REFUSED) {
  Deno.test(`${name} as state file is refused, and left as it was`, async () => {
    await using folder = await makeFolder();
    const path = `${folder.path}/directory/filed.db`;
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
  await using folder = await makeFolder();
  const path = `${folder.path}/filed.db`;
  const store = SqliteStore.open(path);
  assert.throws(
    () => SqliteStore.open(path),
    new RegExp(`another filed uses it \\(pid ${Deno.pid}\\); stop that one`),
  );
  await store[Symbol.asyncDispose]();
  await SqliteStore.open(path)[Symbol.asyncDispose]();
});

Deno.test("an opener waits for what a dead holder was starting, which has its lock until then", async () => {
  await using folder = await makeFolder();
  const path = `${folder.path}/filed.db`;
  // What has descriptor 9 from a shell that is gone ends once the file is open here.
  const child = `until ls -l /proc/${Deno.pid}/fd | grep -q ${path}; do :; done`;
  await ok(sh(`exec 9<> ${path}; flock 9; (${child}) > /dev/null 2>&1 &`));
  await SqliteStore.open(path)[Symbol.asyncDispose]();
});

Deno.test("an opener says so where what a dead holder was starting has its lock and stays", async () => {
  await using folder = await makeFolder();
  const path = `${folder.path}/filed.db`;
  await ok(
    sh(`mkfifo ${folder.path}/end; exec 9<> ${path}; flock 9; cat ${folder.path}/end > /dev/null 2>&1 &`),
  );
  try {
    assert.throws(
      () => SqliteStore.open(path),
      /a process that an earlier filed \(pid \d+\) was starting .* end that one \(fuser\(1\) names it\), or name/,
    );
  } finally {
    await Deno.writeTextFile(`${folder.path}/end`, "");
  }
});

Deno.test("a state file of version 1 is brought up to date, with its jobs", async () => {
  await using folder = await makeFolder();
  const path = `${folder.path}/filed.db`;
  {
    await using store = SqliteStore.open(path);
    await store.create({ id: "old", uid: 1, gid: 2, mode: 0o644, held: false, now: 0 });
  }
  sql(
    path,
    `ALTER TABLE runs DROP COLUMN uid;
     ALTER TABLE jobs DROP COLUMN foreign_writer;
     DROP INDEX jobs_by_log;
     ALTER TABLE jobs DROP COLUMN log_number;
     DROP INDEX jobs_unclosed;
     DROP INDEX jobs_ready;
     ALTER TABLE jobs ADD COLUMN held INTEGER NOT NULL DEFAULT 0;
     CREATE INDEX jobs_ready ON jobs (place)
       WHERE state = 'pending' AND held = 0 AND place IS NOT NULL AND visible_at IS NULL AND length(command) > 0;
     CREATE INDEX jobs_held ON jobs (held, place) WHERE held <> 0;
     CREATE INDEX runs_by_number ON runs (number);
     CREATE INDEX runs_by_id ON runs (id);
     CREATE UNIQUE INDEX jobs_by_run ON jobs (run) WHERE run IS NOT NULL;
     PRAGMA user_version = 1`,
  );
  await using store = SqliteStore.open(path);
  const job = await store.find("old");
  assert.deepEqual([job?.uid, job?.foreignWriter], [1, null]);
});

Deno.test("of jobs that could not be stored, those are refused later that were answered for", async () => {
  await using folder = await makeFolder();
  const path = `${folder.path}/filed.db`;
  await using store = SqliteStore.open(path);
  const other = new DatabaseSync(path);
  other.exec("BEGIN IMMEDIATE");
  const made: number[] = [];
  const failure = await (async () => {
    for (;;) {
      const id = `job ${made.length}`;
      const job = await store.create({ id, uid: 1, gid: 2, mode: 0o644, held: true, now: 0 });
      made.push(job?.number ?? 0);
    }
  })().catch((error: unknown) => error);
  other.close();
  assert.ok(failure instanceof StoreError);
  const last = made.at(-1) ?? 0;
  const chmod = (number: number) =>
    store.update(number, { state: "pending" }, () => ({ mode: 0o600 }), "durable");
  for (const number of made) await assert.rejects(chmod(number), StoreError);
  assert.equal(await chmod(last + 1), undefined);
});

for (
  const [what, sql] of [
    ["the counter of places", "DELETE FROM counters"],
    ["the places apart", "UPDATE jobs SET place = 0"],
  ] as const
) {
  Deno.test(`in a file that was salvaged without ${what}, each job starts, in its turn`, async () => {
    await using folder = await makeFolder();
    const path = `${folder.path}/filed.db`;
    {
      await using store = SqliteStore.open(path);
      for (const id of ["a", "b", "c"]) await submit(store, id);
    }
    {
      using database = new DatabaseSync(path);
      database.exec(sql);
    }
    await using store = SqliteStore.open(path);
    const claims = await store.claim(0, ["first"], () => new Uint8Array());
    for (const id of ["x", "y", "z"]) await submit(store, id);
    claims.push(...await store.claim(0, ["1", "2", "3", "4", "5", "6"], () => new Uint8Array()));
    assert.deepEqual(claims.map(({ job }) => job.id), ["a", "b", "c", "x", "y", "z"]);
  });
}

async function submit(store: SqliteStore, id: string): Promise<void> {
  const job = await store.create({ id, uid: 1, gid: 2, mode: 0o640, held: true, now: 0 });
  const changes = { command: Uint8Array.of(1), place: "first", held: false } as const;
  await store.update(job?.number ?? 0, { state: "pending" }, () => changes, "durable");
}

Deno.test("the log is as long from the start as it becomes, and no frame is taken for what is behind its own", async () => {
  await using folder = await makeFolder();
  const path = `${folder.path}/filed.db`;
  const store = SqliteStore.open(path);
  await using _closed = store;
  const { size } = Deno.statSync(`${path}-wal`);
  const submit = (id: string) => store.create({ id, uid: 1, gid: 2, mode: 0o640, held: true, now: 0 });
  for (let job = 0; job < 1_500; job++) await submit(`job ${job}`);
  await store.reserve("a counter", 1, 0);
  assert.equal(Deno.statSync(`${path}-wal`).size, size);
  for (const suffix of ["", "-wal"]) Deno.copyFileSync(path + suffix, `${folder.path}/copy.db${suffix}`);
  await using copy = SqliteStore.open(`${folder.path}/copy.db`); // as after a crash
  assert.equal(await copy.count("pending"), 1_500);
  assert.equal(Deno.statSync(`${folder.path}/copy.db-wal`).size, size);
});

const DROPPED_BYTES = 10_000_000;
/** What a state file keeps free for what comes next, and more. */
const SMALL_BYTES = 6_000_000;

/** Opens a store whose file has had a log of DROPPED_BYTES. */
async function openWithRoom(path: string, id: string): Promise<SqliteStore> {
  const store = SqliteStore.open(path);
  const job = await store.create({ id, uid: 1, gid: 2, mode: 0o640, held: true, now: 0 });
  const changes = { command: Uint8Array.of(1), place: "first", held: false } as const;
  await store.update(job?.number ?? 0, { state: "pending" }, () => changes, "durable");
  await store.claim(0, [`run of ${id}`], () => new Uint8Array());
  await store.appendLog(`run of ${id}`, new Uint8Array(DROPPED_BYTES), 0);
  await store.remove(job?.number ?? 0, { state: "active" }, "drop", "durable");
  return store;
}

Deno.test("the room of logs that are gone is given back, in steps between which the store is used", async () => {
  await using folder = await makeFolder();
  const path = `${folder.path}/filed.db`;
  await using store = await openWithRoom(path, "a");
  let steps = 0;
  while (await store.shrink()) await store.reserve(`counter ${steps++}`, 1, 0);
  assert.ok(steps > 10, `${steps} steps`);
  const { size } = Deno.statSync(path);
  assert.ok(size < SMALL_BYTES, `${size} bytes are left`);
  assert.equal(await store.shrink(), false);
});

Deno.test("a state file that was not made to get smaller stays as it is, until it is made so by hand", async () => {
  await using folder = await makeFolder();
  const path = `${folder.path}/filed.db`;
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
  await using folder = await makeFolder();
  const path = `${folder.path}/filed.db`;
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
