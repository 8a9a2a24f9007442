/** State files of each filed before: they open, and every job in them is as it was. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import type { Bytes } from "../../src/job/pieces.ts";
import type { Job } from "../../src/job/job.ts";
import { STATES } from "../../src/job/state.ts";
import { MIGRATIONS } from "../../src/store/sqlite/migrations.ts";
import type { SqliteStore } from "../../src/store/sqlite/store.ts";
import { StoreError } from "../../src/store/store.ts";
import { makeOldFile } from "./old_file.ts";
import { SqlitePlace } from "./sqlite_place.ts";
import { T0 } from "./suite.ts";

const CURRENT = MIGRATIONS.length;
/** The last one in which a job was one row with one log. */
const LAST_OLD = 6;
const CHUNK_BYTES = 65_536;
const PENDING = { state: "pending" } as const;
const NO_HEADER = () => new Uint8Array();
const utf8 = (text: string) => new TextEncoder().encode(text);
const text = (bytes: Bytes | undefined) => bytes && new TextDecoder().decode(bytes.subarray());

interface OldJob {
  number: number;
  id: string;
  state: Job["state"];
  command?: string;
  unclosed?: string;
  attempts?: number;
  place?: number;
  visibleAt?: number;
  /** Of version 1 to 3. */
  held?: number;
  run?: string;
  uid?: number;
  /** From version 2 on. */
  foreignWriter?: number;
  changedAt?: number;
  accessedAt?: number;
  log?: string;
  /** From version 6 on. */
  logNumber?: number;
}

const LONG = "0123456789".repeat(15_000);
const JOBS: OldJob[] = [
  { number: 1, id: "third", state: "pending", place: 3 },
  { number: 2, id: "first", state: "pending", place: 1, uid: 7 },
  // Its attempt failed, and it waits.
  { number: 3, id: "retry", state: "pending", place: 2, visibleAt: T0 + 50, attempts: 2, log: "failed\n" },
  { number: 4, id: ".draft", state: "pending" },
  { number: 5, id: "half written", state: "pending", place: 4, command: "old", unclosed: "ne" },
  { number: 6, id: "never closed", state: "pending", command: "", unclosed: "echo new" },
  { number: 7, id: "held", state: "pending", place: 5, held: 1 },
  { number: 8, id: "running", state: "active", place: 0, attempts: 2, run: "run 8", log: LONG },
  {
    number: 9,
    id: "complete",
    state: "complete",
    attempts: 1,
    log: `${LONG}!`,
    changedAt: T0 + 9,
    logNumber: 30,
  },
  {
    number: 10,
    id: "failed",
    state: "failed",
    attempts: 3,
    place: 8,
    log: "no\n",
    changedAt: T0 + 8,
    uid: 7,
  },
  {
    number: 12,
    id: "sooner",
    state: "complete",
    attempts: 1,
    log: "yes\n",
    accessedAt: T0 - 5,
    changedAt: T0 + 3,
  },
  // Moved back to pending: what it said before is still there.
  { number: 13, id: "moved back", state: "pending", place: 6, log: "before\n", foreignWriter: 77 },
  { number: 14, id: "withdrawn", state: "failed", log: "not run\n", changedAt: T0 + 1 },
  { number: 15, id: "restarted", state: "pending", place: 7, held: 2 },
  { number: 16, id: "aborted", state: "failed", attempts: 1, log: "killed\n", changedAt: T0 + 2 },
  { number: 17, id: "just started", state: "active", place: 9, attempts: 1, run: "run 17" },
  { number: 18, id: "empty", state: "pending", place: 10, command: "" },
  { number: 19, id: "without a log", state: "complete", attempts: 1, changedAt: T0 + 4 },
];
/** Of removed jobs, which somebody read. */
const KEPT = [11, 31];
/** The last number that the old filed may have used, of a job or a log. */
const LAST_NUMBER = 40;

const RUNS = [
  { run: "run 8", number: 8, id: "running", pid: 80 },
  { run: "run 15", number: 15, id: "restarted", pid: 150 },
  { run: "run 16", number: 16, id: "aborted", pid: 160 },
  { run: "run 17", number: 17, id: "just started", pid: undefined },
  { run: "run 20", number: 20, id: "removed", pid: 200 },
];

function commandOf({ id, command }: OldJob): string {
  return command ?? `echo ${id}`;
}

/** Makes a file of a version that has these jobs. */
function makeFile(path: string, version: number) {
  makeOldFile(path, version);
  using database = new DatabaseSync(path);
  const insert = (table: string, row: Record<string, string | number | Uint8Array | null | undefined>) => {
    const known = Object.entries(row).filter(([, value]) => value !== undefined);
    const names = known.map(([name]) => name);
    database.prepare(`INSERT INTO ${table} (${names.join()}) VALUES (${names.map(() => "?").join()})`)
      .run(...known.map(([, value]) => value ?? null));
  };
  const insertLog = (number: number, log: string) => {
    const bytes = utf8(log);
    for (let start = 0; start < bytes.length; start += CHUNK_BYTES) {
      insert("logs", { chunk: number * 2 ** 32 + start, bytes: bytes.subarray(start, start + CHUNK_BYTES) });
    }
  };
  database.exec("BEGIN");
  for (const job of JOBS) {
    const isNumbered = version >= 6 && job.logNumber !== undefined;
    insert("jobs", {
      number: job.number,
      id: job.id,
      state: job.state,
      log_bytes: job.log?.length ?? 0,
      attempts: job.attempts ?? 0,
      place: job.place,
      visible_at: job.visibleAt,
      run: job.run,
      uid: job.uid ?? 5,
      gid: 6,
      mode: 0o640,
      created_at: T0 + job.number,
      written_at: T0 + job.number + 0.25,
      logged_at: T0 + job.number + 0.5,
      changed_at: job.changedAt ?? T0,
      accessed_at: job.accessedAt,
      unclosed: job.unclosed === undefined ? undefined : utf8(job.unclosed),
      command: utf8(commandOf(job)),
      held: version <= 3 ? job.held ?? 0 : undefined,
      foreign_writer: version >= 2 ? job.foreignWriter : undefined,
      log_number: isNumbered ? job.logNumber : undefined,
    });
    if (job.log !== undefined) insertLog(isNumbered ? job.logNumber as number : job.number, job.log);
  }
  for (const { pid, ...run } of RUNS) {
    insert("runs", {
      ...run,
      ...pid === undefined ? {} : { pid, start_ticks: 9, boot_id: "boot", cgroup: `/${run.run}` },
      uid: version >= 5 && pid !== undefined ? 5 : undefined,
    });
  }
  for (const number of KEPT) {
    insert("kept_logs", { number });
    insertLog(number, LONG);
  }
  insert("counters", { name: "place", next: 100 });
  insert("counters", { name: "new-id", next: 500 });
  insert("settings", { name: "identity", value: "q1" });
  insert("nodes", { name: "pending", uid: 1, gid: 2, mode: 0o1777 });
  database.exec(`UPDATE sqlite_sequence SET seq = ${LAST_NUMBER} WHERE name = 'jobs'; COMMIT`);
}

async function readLog(store: SqliteStore, job: Job | undefined): Promise<string | undefined> {
  return text(await store.readLog(job?.number as number, job?.ordinal as number, 0, 1_000_000));
}

for (let version = 1; version <= LAST_OLD; version++) {
  const test = (behaviour: string, run: (store: SqliteStore, place: SqlitePlace) => Promise<void>) =>
    Deno.test(`of a state file of version ${version}, ${behaviour}`, async () => {
      await using place = await SqlitePlace.make();
      makeFile(place.path, version);
      await using store = await place.open();
      await run(store, place);
    });

  test("every job is as it was", async (store) => {
    for (const old of JOBS) {
      const job = await store.byId(old.id);
      assert.ok(job, old.id);
      assert.deepEqual(await store.byNo(old.number), job);
      const { number, state, attempts, uid, gid, mode, foreignWriter } = job;
      assert.deepEqual({ number, state, attempts, uid, gid, mode, foreignWriter }, {
        number: old.number,
        state: old.state,
        attempts: old.attempts ?? 0,
        uid: old.uid ?? 5,
        gid: 6,
        mode: 0o640,
        foreignWriter: version >= 2 ? old.foreignWriter ?? null : null,
      });
      assert.deepEqual([job.createdAt, job.writtenAt, job.changedAt, job.accessedAt], [
        T0 + number,
        T0 + number + 0.25,
        old.changedAt ?? T0,
        old.accessedAt ?? null,
      ]);
      if (job.state === "pending") {
        assert.deepEqual([job.visibleAt, job.held], [old.visibleAt ?? null, false]);
      } else assert.deepEqual([job.log.bytes, job.log.writtenAt], [old.log?.length ?? 0, T0 + number + 0.5]);
      if (job.state === "active") assert.equal(job.run, old.run);
      assert.equal(await readLog(store, job), old.log ?? "", `the log of ${old.id}`);
      const isNeverClosed = old.command === "" && old.unclosed !== undefined;
      const command = isNeverClosed ? old.unclosed : commandOf(old);
      for (const text_ of ["written", "closed"] as const) {
        assert.equal(text(await store.readCommand(number, text_)), command, old.id);
      }
      assert.equal(job.commandBytes, command?.length);
    }
    const names = await Promise.all(STATES.map((state) => store.list(state, 0, 100)));
    assert.deepEqual(names.map((found) => found.map(({ id }) => id)), [
      JOBS.filter(({ state }) => state === "pending").map(({ id }) => id),
      ["running", "just started"],
      ["sooner", "without a log", "complete"],
      ["withdrawn", "aborted", "failed"],
    ]);
    assert.deepEqual(
      await Promise.all(STATES.map((state) => store.count(state))),
      names.map(({ length }) => length),
    );
  });

  test("jobs start in the order of the queue, before those that come", async (store, place) => {
    const claim = async (...runs: string[]) => (await store.claim(runs, NO_HEADER)).map(({ job }) => job.id);
    const added = await store.create({ id: "new", uid: 5, gid: 6, mode: 0o640 });
    assert.ok(added && added.number > LAST_NUMBER);
    const content = { is: "closed", bytes: utf8("echo new") } as const;
    await store.update(added.number, PENDING, () => ({ content, turn: "first", held: false }), "durable");
    assert.deepEqual(await claim("1", "2"), ["first", "third"]);
    place.now = T0 + 50;
    assert.deepEqual(await claim("3", "4"), ["retry", "half written"]);
    assert.deepEqual(await claim("5", "6", "7", "8"), ["held", "moved back", "new"]);
    await store.runBook.forget("run 15");
    assert.deepEqual(await claim("9", "10"), ["restarted"]);
    for (const id of [".draft", "never closed", "empty"]) {
      assert.equal((await store.byId(id))?.state, "pending");
    }
  });

  test("what runs, or may be left, is found by its token and by what it is known by", async (store) => {
    const all = (await store.runBook.all()).toSorted((one, other) => one.run.localeCompare(other.run));
    assert.deepEqual(
      all,
      RUNS.map(({ run, id, pid }) => ({
        run,
        id,
        leader: pid === undefined ? undefined : { pid, startTicks: 9, bootId: "boot" },
        cgroup: pid === undefined ? undefined : `/${run}`,
        uid: version >= 5 && pid !== undefined ? 5 : undefined,
      })).toSorted((one, other) => one.run.localeCompare(other.run)),
    );
    assert.deepEqual(await store.endOfLog("run 8"), { bytes: LONG.length, lastByte: 0x39 });
    assert.equal(await store.appendLog("run 8", LONG.length, utf8("more")), true);
    for (const run of ["run 15", "run 16", "run 20"]) {
      assert.equal(await store.appendLog(run, 0, utf8("late")), false);
      await store.settle(run, () => assert.fail(`no job is of ${run}`), utf8("left\n"));
    }
    assert.equal(await readLog(store, await store.byId("aborted")), "killed\nleft\n");
    const over = { ending: { kind: "exited", status: 0 }, log: "more", bytes: utf8("end") } as const;
    const ended = await store.settle("run 8", () => ({ state: "complete", over }));
    assert.equal(await readLog(store, ended), `${LONG}moreend`);
    const back = await store.settle("run 17", (job) => ({ state: "pending", attempts: job.attempts - 1 }));
    assert.deepEqual([back?.state, back?.attempts], ["pending", 0]);
  });

  test("an attempt's ending is not known, but when", async (store) => {
    for (const old of JOBS) {
      const job = await store.byId(old.id);
      const attempt = await store.attempt(old.number, job?.ordinal as number);
      if (old.log === undefined && old.run === undefined) assert.equal(attempt, undefined, old.id);
      else {
        const at = T0 + old.number + 0.5;
        assert.deepEqual(attempt, {
          job: old.number,
          ordinal: Math.max(1, old.attempts ?? 0),
          startedAt: at,
          logBytes: old.log?.length ?? 0,
          over: old.state === "active" ? undefined : { at, ending: { kind: "unknown" } },
        }, old.id);
      }
    }
  });

  test("logs of removed jobs are gone, and new ones are not written over the others", async (store) => {
    for (const number of KEPT) assert.equal((await store.readLog(number, 1, 0, 100)).length, 0);
    const claimed = await store.claim(["a", "b", "c"], () => utf8("x".repeat(70_000)));
    assert.equal(claimed.length, 3);
    for (const old of JOBS) {
      const job = await store.byId(old.id);
      if (job?.state === "active" && job.run.length === 1) continue;
      assert.equal(await readLog(store, job), old.log ?? "", old.id);
    }
    for (const { job } of claimed) assert.equal(await readLog(store, job), "x".repeat(70_000));
    // The next attempt takes the place of one that an older filed made.
    await store.rename(
      9,
      { state: "complete" },
      "complete",
      () => "stays",
      () => ({ state: "pending", turn: 0 }),
    );
    await store.claim(["again"], () => utf8("again"));
    const over = { ending: { kind: "exited", status: 0 }, log: "more", bytes: new Uint8Array() } as const;
    const ended = await store.settle("again", () => ({ state: "complete", over }));
    assert.deepEqual([ended?.ordinal, await readLog(store, ended)], [2, "again"]);
    assert.equal((await store.readLog(9, 1, 0, 100)).length, 0);
  });

  test("counters, settings and nodes are as they were, and the file is sound", async (store, place) => {
    assert.equal(await store.reserve("new-id", 1, 0), 500);
    assert.equal(await store.readSetting("identity"), "q1");
    assert.deepEqual({ ...await store.readNode("pending") }, { uid: 1, gid: 2, mode: 0o1777 });
    await store[Symbol.asyncDispose]();
    using database = new DatabaseSync(place.path);
    const value = (sql: string) => Object.values(database.prepare(sql).get() ?? {})[0];
    assert.equal(value("PRAGMA integrity_check"), "ok");
    assert.equal(value("PRAGMA user_version"), CURRENT);
    // What waits, or runs and may be put back, keeps the meaning that its text had.
    const isOld = `sum(asks = '{"old":true}') = count(*)`;
    assert.equal(value(`SELECT ${isOld} FROM jobs WHERE state IN ('pending', 'active')`), 1);
    assert.equal(value("SELECT count(*) FROM logs WHERE chunk >> 32 IN (11, 31)"), 0);
    const expected = new DatabaseSync(":memory:");
    for (const migration of MIGRATIONS) expected.exec(migration);
    const schema = "SELECT type, name, sql FROM sqlite_schema ORDER BY name";
    assert.deepEqual(database.prepare(schema).all(), expected.prepare(schema).all());
    expected.close();
  });
}

Deno.test("an empty state file becomes one of this version", async () => {
  await using place = await SqlitePlace.make();
  Deno.writeTextFileSync(place.path, "", { mode: 0o600 });
  await (await place.open())[Symbol.asyncDispose]();
  using database = new DatabaseSync(place.path);
  assert.deepEqual({ ...database.prepare("PRAGMA user_version").get() }, { user_version: CURRENT });
  assert.deepEqual({ ...database.prepare("PRAGMA quick_check").get() }, { quick_check: "ok" });
});

Deno.test("a state file without jobs is brought up to date", async () => {
  for (let version = 1; version <= LAST_OLD; version++) {
    await using place = await SqlitePlace.make();
    makeOldFile(place.path, version);
    await using store = await place.open();
    const job = await store.create({ id: "a", uid: 1, gid: 2, mode: 0o640 });
    assert.deepEqual([job?.number, job?.turn], [1, null]);
  }
});

Deno.test("a state file that can't be brought up to date is refused, and stays as it was", async () => {
  await using place = await SqlitePlace.make();
  makeFile(place.path, LAST_OLD);
  const dump = () => {
    using database = new DatabaseSync(place.path);
    const tables = ["sqlite_schema", "jobs", "runs", "logs", "counters", "kept_logs", "sqlite_sequence"];
    return tables.map((table) => database.prepare(`SELECT * FROM ${table}`).all());
  };
  place.execute("CREATE TABLE hosts (a)");
  const before = dump();
  assert.throws(() => place.openAt(place.path), StoreError);
  assert.deepEqual(dump(), before);
  place.execute("DROP TABLE hosts");
  await using store = await place.open();
  assert.equal(await readLog(store, await store.byId("running")), LONG);
});

/** What this process has given to be written by now, temporary files included. */
function writtenBytes(): number {
  const [, bytes] = Deno.readTextFileSync("/proc/self/io").match(/^wchar: (\d+)$/m) ?? [];
  return Number(bytes);
}

Deno.test("many ended jobs with large commands come in the order of their ends, and no command is written to sort them", async () => {
  const [jobs, commandBytes] = [2_000, 10_000];
  await using place = await SqlitePlace.make();
  const changedAt = `${T0} + i * 7919 % ${jobs}`; // A prime: each job has its own.
  makeOldFile(
    place.path,
    LAST_OLD,
    `BEGIN;
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${jobs})
    INSERT INTO jobs (number, id, state, log_bytes, attempts, place, uid, gid, mode, created_at, written_at,
      logged_at, changed_at, command)
    SELECT i, i, CASE i % 3 WHEN 0 THEN 'failed' ELSE 'complete' END, 0, 1, i, 5, 6, 416, 0, 0, 0, ${changedAt},
      zeroblob(${commandBytes}) FROM n;
    COMMIT`,
  );
  const before = writtenBytes();
  await using store = await place.open();
  const copies = (writtenBytes() - before) / (jobs * commandBytes);
  assert.ok(copies < 3, `${copies} copies were written: more than one to the log and one to the database`);
  const endOf = (number: number) => number * 7_919 % jobs;
  const numbers = Array.from({ length: jobs }, (_, index) => index + 1).toSorted((a, b) =>
    endOf(a) - endOf(b)
  );
  for (const state of ["failed", "complete"] as const) {
    const ended = numbers.filter((number) => (number % 3 === 0) === (state === "failed"));
    assert.deepEqual((await store.list(state, 0, jobs)).map(({ id }) => Number(id)), ended);
  }
});

Deno.test("a salvaged file of an older filed may know only of the numbers in use", async () => {
  await using place = await SqlitePlace.make();
  makeFile(place.path, LAST_OLD);
  place.execute("DELETE FROM sqlite_sequence; DELETE FROM counters; DELETE FROM kept_logs");
  await using store = await place.open();
  const job = await store.create({ id: "new", uid: 5, gid: 6, mode: 0o640 });
  assert.ok(job && job.number > 20, "a removed job's run is left");
  const claimed = await store.claim(["a", "b"], () => utf8("x".repeat(70_000)));
  assert.deepEqual(claimed.map(({ job }) => job.id), ["first", "third"]);
  for (const { job } of claimed) assert.equal(await readLog(store, job), "x".repeat(70_000));
  assert.equal(await readLog(store, await store.byId("complete")), `${LONG}!`);
});

Deno.test("a job that an older filed tried more often than there are ordinals is told from the next", async () => {
  await using place = await SqlitePlace.make();
  makeFile(place.path, LAST_OLD);
  place.execute("UPDATE jobs SET attempts = 3000000 WHERE number IN (3, 8, 9)");
  await using store = await place.open();
  for (const id of ["retry", "running", "complete"]) {
    const job = await store.byId(id);
    assert.equal(job?.attempts, 3_000_000);
    assert.equal(await readLog(store, job), JOBS.find((old) => old.id === id)?.log);
  }
  assert.equal(await store.attempt(5, 48), undefined);
  place.now = T0 + 100;
  const [, retry] = await store.claim(["1", "2"], NO_HEADER);
  assert.deepEqual([retry?.job.id, retry?.job.attempts, retry?.job.ordinal], ["retry", 3_000_001, 1]);
});
