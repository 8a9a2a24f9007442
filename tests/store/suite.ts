import type { FileNo, JobNo } from "../../src/job/id.ts";
import assert from "node:assert/strict";
import type { Ending } from "../../src/job/ending.ts";
import type { Asks } from "../../src/job/header.ts";
import { type Bytes, Pieces } from "../../src/job/pieces.ts";
import type { Job } from "../../src/job/job.ts";
import type { Pools } from "../../src/job/pools.ts";
import type { State } from "../../src/job/state.ts";
import {
  CLAIM_BYTES,
  type Displacing,
  type JobChanges,
  type NewJob,
  type Store,
} from "../../src/store/store.ts";

/** A place for stores: each `open` sees what the earlier ones stored. */
export interface StorePlace extends AsyncDisposable {
  /** The queue's clock, epoch ms, as tests set it. */
  now: number;
  /** As of `Store`, as tests set it before there are jobs. */
  accountOf: (uid: number) => number;
  open(): Promise<Store>;
  /** What a start finds that follows a crash of the store which is open, now. */
  openAfterCrash(): Promise<Store>;
}

export const T0 = 1_000_000;
const utf8 = (text: string) => new TextEncoder().encode(text);
const text = (bytes: Bytes | undefined) => bytes && new TextDecoder().decode(bytes.subarray());
const header = (command: Bytes) => utf8(`>>> ${text(command)}\n`);
const PENDING = { state: "pending" } as const;
const LONGEST_BYTES = 16_777_216;
const KEEP = (): Displacing => "stays";
const REPLACE = (): Displacing => "goes";
const REWRITE = (): Displacing => "is-rewritten";
const EXCHANGE = (): Displacing => "is-exchanged";
const SUCCESS: Ending = { kind: "exited", status: 0 };
const FAILURE: Ending = { kind: "exited", status: 7 };
const KILLED: Ending = { kind: "signaled", signal: "SIGKILL" };

/** The file that a job is made as. */
const fileOf = (job: JobNo): FileNo => job as number;

function newJob(id: string, uid = 1): NewJob {
  return { id, uid, gid: 2, mode: 0o640 };
}

const draft = (command: string): JobChanges => ({ content: { is: "draft", bytes: utf8(command) } });
const closed = (command: string): JobChanges => ({
  content: { is: "closed", bytes: utf8(command) },
  turn: "first",
});
const over = (ending: Ending, bytes = "", log: "more" | "new" = "more") => ({
  over: { ending, log, bytes: utf8(bytes) },
});

async function create(store: Store, id: string, uid?: number): Promise<JobNo> {
  const job = await store.create(newJob(id, uid));
  assert.ok(job);
  return job.number;
}

/** A job as after its close. */
async function submit(store: Store, id: string, command = `echo ${id}`, uid?: number): Promise<JobNo> {
  const number = await create(store, id, uid);
  await change(store, number, { ...closed(command), held: false });
  return number;
}

async function change(store: Store, number: JobNo, changes: JobChanges): Promise<Job> {
  const job = await store.update(number, PENDING, () => changes, "durable");
  assert.ok(job);
  return job;
}

/** What a claim finds. */
async function claim(store: Store, ...runs: string[]): Promise<string[]> {
  return (await store.claim(runs, header)).map(({ job }) => job.id);
}

/** Ends a run, its attempt over. */
async function end(store: Store, run: string, state: State, ending = SUCCESS, bytes = ""): Promise<Job> {
  const job = await store.settle(run, () => ({ state, ...over(ending, bytes) }));
  assert.ok(job);
  return job;
}

/** A log, whole. */
async function log(store: Store, number: JobNo, ordinal = 1): Promise<string | undefined> {
  return text(await store.readLog(number, ordinal, 0, 100_000));
}

async function ids(store: Store, state: State): Promise<string[]> {
  return (await store.list(state, 0, 100)).map(({ id }) => id);
}

/** What a new file held, what is read of it once it has rewritten a job, also after a crash, and what runs then. */
const REWRITTEN: [string, JobChanges[], (string | undefined)[], (string | undefined)[], string[]][] = [
  ["closed", [closed("new")], ["new", "new"], ["new", "new"], ["new"]],
  ["never closed", [draft("cut")], ["cut", ""], ["cut", "cut"], []],
  ["closed, and written to since", [closed("new"), draft("cut")], ["cut", "new"], ["new", "new"], ["new"]],
];

/** What every store promises. */
export function testStore(name: string, makePlace: () => Promise<StorePlace>) {
  const test = (behaviour: string, run: (store: Store, place: StorePlace) => Promise<void>) =>
    Deno.test(`${name}: ${behaviour}`, async () => {
      await using place = await makePlace();
      await using store = await place.open();
      await run(store, place);
    });

  test("an id is taken once, whatever the state of the job that has it", async (store) => {
    const number = await submit(store, "a");
    assert.equal(await store.create(newJob("a")), undefined);
    await claim(store, "run");
    assert.equal(await store.create(newJob("a")), undefined);
    assert.equal((await store.byId("a"))?.number, number);
  });

  test("a new job is empty, pending, held and has no turn", async (store) => {
    const job = await store.create(newJob("a"));
    assert.deepEqual(job, {
      number: job?.number,
      file: job?.number,
      id: "a",
      state: "pending",
      commandBytes: 0,
      isEmpty: true,
      blocked: 0,
      asks: {},
      attempts: 0,
      ordinal: 0,
      turn: null,
      visibleAt: null,
      deadlineAt: null,
      held: true,
      uid: 1,
      gid: 2,
      mode: 0o640,
      foreignWriter: null,
      createdAt: T0,
      writtenAt: T0,
      changedAt: T0,
      accessedAt: null,
    });
    assert.deepEqual(await store.byNo(job?.number as number), job);
  });

  test("all times are of the clock that now() tells", async (store, place) => {
    assert.equal(store.now(), T0);
    place.now = T0 + 5;
    assert.equal(store.now(), T0 + 5);
    const number = await submit(store, "a");
    assert.equal((await store.byNo(number))?.createdAt, T0 + 5);
    place.now = T0 + 9;
    const [claimed] = await store.claim(["1"], header);
    assert.deepEqual([claimed?.job.changedAt, claimed?.job.log.writtenAt], [T0 + 9, T0 + 9]);
  });

  test("numbers are never used twice, also after the last job was removed", async (store, place) => {
    const first = await submit(store, "a");
    await store.remove(first, PENDING, "durable");
    await store[Symbol.asyncDispose]();
    await using again = await place.open();
    assert.ok(await submit(again, "a") > first);
  });

  test("a change whose expectation does not hold changes nothing", async (store) => {
    const number = await submit(store, "a");
    const [claimed] = await store.claim(["run"], header);
    const refused = () => assert.fail("the job is not as expected");
    assert.equal(await store.update(number, PENDING, refused, "durable"), undefined);
    assert.equal(
      await store.update(number, { state: "active", run: "other" }, refused, "durable"),
      undefined,
    );
    assert.equal(await store.remove(number, PENDING, "durable"), false);
    assert.equal(await store.remove(number, { state: "active", run: "other" }, "durable"), false);
    assert.deepEqual(await store.rename(number, PENDING, "b", REPLACE, refused), { kind: "missing" });
    assert.deepEqual(await store.byNo(number), claimed?.job);
    assert.equal(await store.update(number + 1, PENDING, refused, "durable"), undefined);
  });

  test("what is given as changes is asked about the job as it is, and may be asked again", async (store) => {
    const number = await submit(store, "a");
    const other = await submit(store, "b");
    const before = await store.byNo(number);
    const again = (job: Job) => {
      assert.deepEqual(job, before);
      return { mode: job.mode + 1 };
    };
    again(before as Job);
    assert.equal((await store.update(number, PENDING, again, "durable"))?.mode, 0o641);
    assert.equal(
      (await store.update(number, PENDING, ({ mode }) => ({ mode: mode + 1 }), "durable"))?.mode,
      0o642,
    );
    const seen: unknown[] = [];
    await store.rename(number, PENDING, "b", REPLACE, (job, replaced) => {
      seen.push(job.id, replaced?.number);
      return {};
    });
    assert.deepEqual(seen.slice(-2), ["a", other]);
  });

  test("jobs are claimed in the order of submission, each once", async (store) => {
    for (const id of ["c", "a", "b"]) await submit(store, id);
    const first = await store.claim(["1", "2"], header);
    const second = await store.claim(["3", "4"], header);
    assert.deepEqual([...first, ...second].map(({ job, run }) => [job.id, run, job.state, job.attempts]), [
      ["c", "1", "active", 1],
      ["a", "2", "active", 1],
      ["b", "3", "active", 1],
    ]);
    assert.deepEqual(first.map(({ job }) => job.run), ["1", "2"]);
    assert.deepEqual(first.map(({ command }) => text(command)), ["echo c", "echo a"]);
    assert.equal(await log(store, first[0]?.job.number as number), ">>> echo c\n");
  });

  test("what is held, empty, without a turn or waiting is not claimed", async (store, place) => {
    const held = await submit(store, "held");
    await change(store, held, { held: true });
    await submit(store, "empty", "");
    const withoutTurn = await submit(store, "draft");
    await change(store, withoutTurn, { turn: null });
    const waiting = await submit(store, "waiting");
    await change(store, waiting, { visibleAt: T0 + 10 });
    assert.deepEqual(await claim(store, "1"), []);
    assert.equal(await store.nextVisibleAt(), T0 + 10);
    place.now = T0 + 10;
    assert.deepEqual(await claim(store, "1", "2"), ["waiting"]);
    assert.equal(await store.nextVisibleAt(), undefined);
  });

  test(
    "a retry whose attempt ended in the future waits from now, for as long as it had to",
    async (store, place) => {
      await submit(store, "retry");
      await claim(store, "1");
      await store.settle("1", () => ({ state: "pending", visibleAt: T0 + 10, ...over(FAILURE) }));
      const byHand = await submit(store, "by hand");
      await change(store, byHand, { visibleAt: T0 + 10 });
      await store.waitFromNow();
      assert.equal(await visibleAt(store, "retry"), T0 + 10);
      place.now = T0 - 1_000;
      await store.waitFromNow();
      assert.equal(await visibleAt(store, "retry"), T0 - 1_000 + 10);
      assert.equal(await visibleAt(store, "by hand"), T0 + 10);
      await store.waitFromNow();
      assert.equal(await visibleAt(store, "retry"), T0 - 1_000 + 10);
    },
  );

  test("a job held in line holds those behind it, and nobody before", async (store) => {
    await submit(store, "before");
    const held = await submit(store, "held");
    await submit(store, "behind");
    await change(store, held, { held: "in-line" });
    assert.deepEqual(await claim(store, "1", "2", "3"), ["before"]);
    await change(store, held, { held: false });
    assert.deepEqual(await claim(store, "2", "3"), ["held", "behind"]);
  });

  test("a job held in line holds no other user's of another priority", async (store) => {
    const held = await submit(store, "held");
    await change(store, held, { uid: 3 });
    const places = { first: [1, 0], second: [2, -1], third: [2, 1], own: [3, -1] } as const;
    for (const [id, [uid, priority]] of Object.entries(places)) {
      await change(store, await submit(store, id), { uid, priority });
    }
    await change(store, held, { held: "in-line" });
    assert.deepEqual(await claim(store, "1", "2", "3"), ["third", "second"]);
  });

  test("a job held in line holds those behind the turn that it has by then", async (store) => {
    const last = await submit(store, "last");
    const held = await submit(store, "held");
    await submit(store, "behind");
    await change(store, held, { held: "in-line" });
    await change(store, last, { turn: "next" });
    await change(store, held, { turn: "next" });
    assert.deepEqual(await claim(store, "1", "2", "3"), ["behind", "last"]);
    await submit(store, "more");
    await change(store, held, { turn: null });
    assert.deepEqual(await claim(store, "3", "4"), ["more"]);
  });

  test("a job that waited keeps its turn", async (store, place) => {
    const first = await submit(store, "first");
    await change(store, first, { visibleAt: T0 + 10 });
    await submit(store, "second");
    place.now = T0 + 10;
    assert.deepEqual(await claim(store, "1", "2"), ["first", "second"]);
  });

  test("those that have not ended and ask for a priority are found, page by page, in order", async (store) => {
    const numbers: JobNo[] = [];
    for (const id of ["a", "b", "c", "d", "e"]) {
      const number = await submit(store, id);
      await change(store, number, {
        asks: id === "b" ? { nice: 3, cwd: "/priority" } : { priority: id === "c" ? 0 : 5 },
      });
      if (id !== "b") numbers.push(number);
    }
    await submit(store, "plain");
    await claim(store, "1", "2", "3", "4", "5", "6");
    await end(store, "4", "failed", FAILURE); // d
    await end(store, "3", "pending", FAILURE);
    const [a, c, , e] = numbers as [JobNo, JobNo, JobNo, JobNo];
    assert.deepEqual(await store.withPriority(0, 2), [a, c]);
    assert.deepEqual(await store.withPriority(c, 2), [e]);
    assert.deepEqual(await store.withPriority(e, 2), []);
  });

  const usages = (store: Store, ...uids: number[]) =>
    Promise.all(
      uids.map(async (
        uid,
      ) => [await store.usageOf(uid, "pendingJobs"), await store.usageOf(uid, "logBytes")]),
    );

  test("what a user has in pending/ is counted, whatever it is, and by the owner", async (store) => {
    assert.deepEqual(await usages(store, 1, 2), [[0, 0], [0, 0]]);
    const number = await submit(store, "a");
    await create(store, "empty and held");
    const other = await submit(store, "b", "echo b", 2);
    assert.deepEqual(await usages(store, 1, 2, 3), [[2, 0], [1, 0], [0, 0]]);
    await change(store, number, { uid: 2 });
    await change(store, other, { turn: null, visibleAt: T0 + 9 });
    assert.deepEqual(await usages(store, 1, 2), [[1, 0], [2, 0]]);
    await claim(store, "run");
    assert.equal(await store.usageOf(2, "pendingJobs"), 1);
    await end(store, "run", "pending");
    assert.equal(await store.usageOf(2, "pendingJobs"), 2);
    await store.remove(number, PENDING, "durable");
    await store.rename(other, PENDING, "c", KEEP, () => ({ state: "failed", ...over(FAILURE) }));
    assert.deepEqual((await usages(store, 1, 2)).map(([pending]) => pending), [1, 0]);
  });

  test("the bytes of a user's logs are counted: of runs, of what has ended, of what was given away", async (store) => {
    await store.usageOf(1, "logBytes");
    const number = await submit(store, "a");
    const [claimed] = await store.claim(["run"], header);
    const bytes = claimed?.job.log.bytes as number;
    assert.equal(await store.usageOf(1, "logBytes"), bytes);
    await store.appendLog("run", bytes, new Uint8Array(5_000));
    assert.equal(await store.usageOf(1, "logBytes"), bytes + 5_000);
    await store.update(number, { state: "active" }, () => ({ uid: 2 }), "durable");
    assert.deepEqual([await store.usageOf(1, "logBytes"), await store.usageOf(2, "logBytes")], [
      0,
      bytes + 5_000,
    ]);
    await end(store, "run", "failed", FAILURE, "the end");
    assert.equal(await store.usageOf(2, "logBytes"), bytes + 5_007);
    await store.update(number, { state: "failed" }, () => ({ uid: 1 }), "durable");
    assert.deepEqual([await store.usageOf(1, "logBytes"), await store.usageOf(2, "logBytes")], [
      bytes + 5_007,
      0,
    ]);
    await store.rename(number, { state: "failed" }, "a", KEEP, () => ({ state: "pending", turn: "next" }));
    await store.claim(["again"], header);
    assert.equal(await store.usageOf(1, "logBytes"), 2 * bytes + 5_007); // The last log is there until this one ends.
    await end(store, "again", "complete");
    assert.equal(await store.usageOf(1, "logBytes"), bytes);
    await store.remove(number, { state: "complete" }, "durable");
    assert.equal(await store.usageOf(1, "logBytes"), 0);
  });

  test("a log that its owner reads counts until then, whatever becomes of the job, and one that others read does not", async (store) => {
    for (const reader of [1, 2, undefined]) {
      const number = await submit(store, "a");
      await store.claim([`run ${reader}`], header);
      const { ordinal } = await end(store, `run ${reader}`, "complete", SUCCESS, "x".repeat(5_000));
      const used = await store.usageOf(1, "logBytes");
      assert.ok(used > 5_000);
      const readers = [store.retainLog(number, ordinal, reader), store.retainLog(number, ordinal, reader)];
      await store.remove(number, { state: "complete" }, "durable");
      for (const reading of readers) {
        assert.equal(await store.usageOf(1, "logBytes"), reader === 1 ? used : 0);
        store.forgetUsage();
        assert.equal(await store.usageOf(1, "logBytes"), reader === 1 ? used : 0);
        await reading[Symbol.asyncDispose]();
      }
      assert.deepEqual([await store.usageOf(1, "logBytes"), await store.usageOf(2, "logBytes")], [0, 0]);
    }
  });

  test("no job is created past its owner's share, and those of others are", async (store) => {
    const share = { pendingJobs: 2 };
    const add = async (id: string, uid?: number) => await store.create(newJob(id, uid), share) !== undefined;
    // Asked for at once, as by requests of one moment.
    assert.deepEqual(await Promise.all(["a", "b", "c", "d"].map((id) => add(id))), [
      true,
      true,
      false,
      false,
    ]);
    assert.equal(await store.byId("c"), undefined);
    assert.equal(await add("e", 2), true);
    assert.equal(await store.create(newJob("f"), { logBytes: 0 }) !== undefined, true);
    await claim(store, "1");
    assert.equal(await add("g"), false);
    for (const id of ["a", "b"]) await store.remove((await store.byId(id))?.number ?? 0, PENDING, "durable");
    assert.equal(await add("g"), true);
    assert.equal(await add("h"), false);
  });

  test("logs past their owner's share keep a job from being created, up to it they do not", async (store) => {
    await submit(store, "a");
    const [claimed] = await store.claim(["run"], header);
    const logBytes = claimed?.job.log.bytes as number;
    assert.ok(await store.create(newJob("b"), { logBytes }));
    assert.equal(await store.create(newJob("c"), { logBytes: logBytes - 1 }), undefined);
    assert.ok(await store.create(newJob("c", 2), { logBytes: logBytes - 1 }));
  });

  test("all ids of an account have one share, and one room", async (store, place) => {
    place.accountOf = (uid) => uid >= 100 ? 100 : uid;
    for (const [id, uid] of [["a", 100], ["b", 101], ["c", 102], ["d", 1]] as const) {
      await submit(store, id, "true", uid);
    }
    assert.deepEqual((await usages(store, 1, 100, 101, 999)).map(([pending]) => pending), [1, 3, 3, 3]);
    assert.equal(await store.create(newJob("e", 107), { pendingJobs: 3 }), undefined);
    const claimed = await store.claim(["1", "2", "3", "4"], header, () => 2);
    assert.deepEqual(claimed.map(({ job }) => job.id), ["a", "b", "d"]);
  });

  test("what was counted is forgotten, and counted again", async (store) => {
    await submit(store, "a");
    assert.equal(await store.usageOf(1, "pendingJobs"), 1);
    store.forgetUsage();
    await submit(store, "b");
    assert.equal(await store.usageOf(1, "pendingJobs"), 2);
  });

  test("a claim takes no more of a user's jobs than there is room for, and of others past them", async (store) => {
    for (const id of ["a1", "a2", "a3"]) await submit(store, id, "x", 1);
    for (const id of ["b1", "b2"]) await submit(store, id, "x", 2);
    await submit(store, "c1", "x", 3);
    const room = (limits: Record<number, number>) => (uid: number) => limits[uid] ?? Infinity;
    const found = async (limits: Record<number, number>, ...runs: string[]) =>
      (await store.claim(runs, header, room(limits))).map(({ job }) => job.id);
    assert.deepEqual(await found({ 1: 2, 2: 0 }, "1", "2", "3", "4", "5"), ["a1", "a2", "c1"]);
    assert.deepEqual(await found({ 1: 0, 2: -1 }, "6"), []);
    assert.deepEqual(await found({ 2: 1 }, "7", "8", "9"), ["a3", "b1"]);
    assert.deepEqual(await found({}, "10"), ["b2"]);
  });

  test("a claim takes jobs whose pools have slots, which are taken until the run is gone", async (store) => {
    const wants = async (id: string, asks: Asks, uid?: number) =>
      await change(store, await submit(store, id, "x", uid), { asks });
    await wants("a", { use: [["gpu", 1]] });
    await wants("b", { use: [["api", 1], ["gpu", 2]] });
    await wants("c", { use: [["gpu", 1]] }, 2);
    await wants("d", { use: [["disk", 1]] });
    await wants("e", { use: [["api", 1]] });
    const found = async (pools: Pools, ...runs: string[]) =>
      (await store.claim(runs, header, undefined, pools)).map(({ job, slots }) => [job.id, slots]);
    const pools = { gpu: 2, api: 2, disk: 0 };
    assert.deepEqual(await found(pools, "1", "2", "3"), [["a", [["gpu", [0]]]]]);
    await store.settle("1", () => ({ state: "complete", ...over(SUCCESS) }), utf8("left\n"));
    assert.deepEqual(await found(pools, "2"), []);
    await store.runBook.forget("1");
    assert.deepEqual(await found(pools, "2", "3"), [["b", [["api", [0]], ["gpu", [0, 1]]]], ["e", [["api", [
      1,
    ]]]]]);
    assert.deepEqual(await found({ gpu: 3 }, "4", "5"), [["c", [["gpu", [2]]]]]);
    assert.deepEqual(await found({ disk: 9 }, "5", "6"), [["d", [["disk", [0]]]]]);
    assert.equal(await store.usesOf(2, [["gpu", 1]]), 1);
    assert.equal(await store.usesOf(2, [["gpu", 2]]), 2);
    assert.equal(await store.usesOf(3, [["gpu", 1]]), 1);
  });

  test("of an owner's jobs with a lock one runs at a time, in the order of their turns", async (store) => {
    const locks = async (id: string, uid: number, changes: JobChanges = {}) =>
      (await change(store, await submit(store, id, "x", uid), { asks: { lock: { name: "l" } }, ...changes }))
        .number;
    const a = await locks("a", 1);
    await locks("b", 1);
    await locks("c", 1, { priority: 1 });
    await locks("other", 2);
    assert.deepEqual(await claim(store, "1", "2", "3"), ["c", "other"]);
    await end(store, "1", "complete");
    await change(store, a, { visibleAt: T0 + 1_000 });
    assert.deepEqual(await claim(store, "3", "4"), ["b"]);
    await end(store, "3", "complete");
    assert.deepEqual(await claim(store, "5"), []);
    await change(store, a, { visibleAt: null });
    assert.deepEqual(await claim(store, "5"), ["a"]);
  });

  test("a job that coalesces replaces those before it that wait for the lock, and could as well", async (store) => {
    const lock = { name: "l", coalesce: true } as const;
    const locks = async (id: string, asks: Asks, uid = 1) =>
      (await change(store, await submit(store, id, "x", uid), { asks })).number;
    const first = await locks("a", { lock });
    await locks("plain", { lock: { name: "l" } });
    await locks("another", { lock: { name: "m", coalesce: true } });
    await locks("of another", { lock }, 2);
    const later = await locks("b", { lock });
    const last = await locks("c", { lock });
    assert.deepEqual(await store.replacedBy(later), [first]);
    assert.deepEqual((await store.replacedBy(last)).sort(), [first, later]);
    assert.deepEqual(await store.replacedBy(first), []);
  });

  test("a job that gets another owner counts as that one's", async (store) => {
    const number = await submit(store, "a", "x", 1);
    await submit(store, "b", "x", 2);
    await change(store, number, { uid: 2 });
    const room = (uid: number) => uid === 2 ? 1 : 0;
    assert.deepEqual((await store.claim(["1", "2"], header, room)).map(({ job }) => job.id), ["a"]);
  });

  test("no job starts while a run of it, or of an earlier job of its id, is left", async (store) => {
    const number = await submit(store, "a");
    await claim(store, "1");
    await store.remove(number, { state: "active", run: "1" }, "durable");
    await submit(store, "a");
    await submit(store, "b");
    assert.deepEqual(await claim(store, "2", "3"), ["b"]);
    assert.equal(await store.settle("1", () => assert.fail("the job is not of that run")), undefined);
    assert.deepEqual(await claim(store, "4"), ["a"]);
  });

  test("a run keeps the job that it was of and the next of its id, and no other", async (store) => {
    const first = await submit(store, "a");
    await claim(store, "run");
    const back = () => ({ state: "pending", turn: "next", ...over(KILLED) } as const);
    await store.rename(first, { state: "active" }, "moved", KEEP, back);
    await submit(store, "a");
    await submit(store, "b");
    assert.deepEqual(await claim(store, "1", "2", "3"), ["b"]);
    await store.runBook.forget("run");
    assert.deepEqual(await claim(store, "1", "2", "3"), ["moved", "a"]);
  });

  test("settle() applies to the job of the run, and forgets the run", async (store, place) => {
    await submit(store, "a");
    await claim(store, "1");
    place.now = T0 + 1;
    assert.equal(await store.appendLog("1", 11, utf8("output\n")), true);
    assert.equal(logOf(await store.byId("a"))?.writtenAt, T0 + 1);
    place.now = T0 + 2;
    const settled = await store.settle("1", (job) => {
      assert.deepEqual([job.state, job.run, job.log.bytes], ["active", "1", 18]);
      return { state: "failed", loggedAt: T0 + 2, changedAt: T0 + 2, ...over(FAILURE, "end\n") };
    });
    assert.equal(settled?.state, "failed");
    assert.deepEqual(logOf(settled), { ordinal: 1, bytes: 22, writtenAt: T0 + 2 });
    assert.equal(await log(store, settled?.number as number), ">>> echo a\noutput\nend\n");
    assert.deepEqual(await store.runBook.all(), []);
    assert.equal(await store.appendLog("1", 22, utf8("late")), false);
    assert.equal(await store.settle("1", () => assert.fail("the run is forgotten")), undefined);
    assert.equal(logOf(await store.byId("a"))?.bytes, 22);
  });

  test("a claim begins a new log", async (store) => {
    const number = await submit(store, "a");
    await claim(store, "1");
    await store.appendLog("1", 11, utf8("old"));
    await end(store, "1", "pending", FAILURE);
    const [second] = await store.claim(["2"], header);
    assert.deepEqual(second?.job.log, { ordinal: 2, bytes: 11, writtenAt: T0 });
    assert.equal(await log(store, number, 2), ">>> echo a\n");
  });

  test("a log is read at any position, across the pieces it was written in", async (store) => {
    await submit(store, "a");
    const [claimed] = await store.claim(["1"], () => utf8("0123456789"));
    const number = claimed?.job.number as number;
    const large = new Uint8Array(200_000).map((_, index) => index % 251);
    await store.appendLog("1", 10, large);
    await store.appendLog("1", 200_010, utf8("end"));
    const assertWhole = async () => {
      const read = (offset: number, size: number) => store.readLog(number, 1, offset, size);
      assert.equal(text(await read(0, 4)), "0123");
      assert.deepEqual(await read(200_009, 100), Uint8Array.of(...large.subarray(-1), ...utf8("end")));
      assert.deepEqual(await read(10, 200_000), large);
      for (const offset of [1_000, 1_014, 1_023, 1_024, 1_025, 65_530]) {
        assert.deepEqual(await read(offset, 40), large.slice(offset - 10, offset + 30), `from ${offset} on`);
      }
      assert.equal((await read(200_013, 10)).length, 0);
      assert.equal((await read(10_000_000, 10)).length, 0);
      assert.equal((await store.readLog(number, 2, 0, 10)).length, 0);
      assert.equal((await store.readLog(number + 1, 1, 0, 10)).length, 0);
    };
    await assertWhole();
    await end(store, "1", "complete");
    await assertWhole();
  });

  for (const [size, what] of [[5, "short"], [3_000, "long"]] as const) {
    test(`what is added twice at one position of a ${what} log is there once`, async (store) => {
      const number = await submit(store, "a", "x");
      await store.claim(["1"], () => new Uint8Array());
      const [first, second] = [utf8("a".repeat(size)), utf8("b".repeat(size))];
      assert.equal(await store.appendLog("1", 0, first), true);
      assert.equal(await store.appendLog("1", 0, first), true);
      assert.equal(await store.appendLog("1", size, second), true);
      assert.equal(await store.appendLog("1", size, second), true);
      assert.equal(await store.appendLog("1", 0, first), true);
      assert.equal(await log(store, number), "a".repeat(size) + "b".repeat(size));
      assert.equal(logOf(await store.byNo(number))?.bytes, 2 * size);
      // Part of it had come, and more is sent from where its owner knows that it ends.
      await store.appendLog("1", size, utf8("b".repeat(size) + "c"));
      assert.equal(await log(store, number), "a".repeat(size) + "b".repeat(size) + "c");
    });
  }

  test("endOfLog() tells where the log of a run ends, also once its job was taken from it", async (store) => {
    const number = await submit(store, "a");
    await claim(store, "1");
    assert.deepEqual(await store.endOfLog("1"), { bytes: 11, lastByte: 10 });
    await store.appendLog("1", 11, utf8("x".repeat(3_000)));
    assert.deepEqual(await store.endOfLog("1"), { bytes: 3_011, lastByte: 0x78 });
    await store.rename(number, { state: "active", run: "1" }, "a", KEEP, () => ({
      state: "failed",
      ...over(KILLED, "\nend\n"),
    }));
    assert.deepEqual(await store.endOfLog("1"), { bytes: 3_016, lastByte: 10 });
    await store.settle("1", () => assert.fail("the job is not of that run"));
    assert.equal(await store.endOfLog("1"), undefined);
    await submit(store, "empty");
    await store.claim(["2"], () => new Uint8Array());
    assert.deepEqual(await store.endOfLog("2"), { bytes: 0, lastByte: undefined });
    assert.equal(await store.endOfLog("other"), undefined);
  });

  test("an attempt is under way from its claim, and over with its ending", async (store, place) => {
    const number = await submit(store, "a");
    assert.equal(await store.attempt(number, 1), undefined);
    place.now = T0 + 1;
    await claim(store, "1");
    const facts = { job: number, ordinal: 1, startedAt: T0 + 1 };
    assert.deepEqual(await store.attempt(number, 1), { ...facts, logBytes: 11, over: undefined });
    await store.appendLog("1", 11, utf8("12345"));
    place.now = T0 + 2;
    const ending: Ending = {
      kind: "signaled",
      signal: "SIGSEGV",
      limit: { kind: "memory", bytes: 5 } as never,
    };
    await end(store, "1", "pending", ending, "end");
    const isOver = { ...facts, logBytes: 19, over: { at: T0 + 2, ending } };
    assert.deepEqual(await store.attempt(number, 1), isOver);
    assert.equal(await store.attempt(number, 2), undefined);
    assert.equal(await store.attempt(number + 1, 1), undefined);
    await store[Symbol.asyncDispose]();
    await using again = await place.open();
    assert.deepEqual(await again.attempt(number, 1), isOver);
    assert.equal(await log(again, number), ">>> echo a\n12345end");
  });

  test("the last attempt is known until the next is over", async (store, place) => {
    const number = await submit(store, "a");
    await claim(store, "1");
    await end(store, "1", "pending", FAILURE, "one");
    await claim(store, "2");
    assert.deepEqual((await store.attempt(number, 1))?.over, { at: T0, ending: FAILURE });
    assert.equal(await log(store, number, 1), ">>> echo a\none");
    await end(store, "2", "complete", SUCCESS, "two");
    assert.equal(await store.attempt(number, 1), undefined);
    assert.equal(await log(store, number, 1), "");
    assert.deepEqual((await store.attempt(number, 2))?.over, { at: place.now, ending: SUCCESS });
    assert.equal(await log(store, number, 2), ">>> echo a\ntwo");
  });

  test("ordinals count the attempts of a job's life, and attempts those since it came to pending", async (store) => {
    const number = await submit(store, "a");
    const counts = async () => {
      const job = await store.byNo(number);
      return [job?.state, job?.attempts, job?.ordinal];
    };
    await claim(store, "1");
    assert.deepEqual(await counts(), ["active", 1, 1]);
    await end(store, "1", "pending", FAILURE);
    await claim(store, "2");
    assert.deepEqual(await counts(), ["active", 2, 2]);
    await end(store, "2", "failed", FAILURE);
    assert.deepEqual(await counts(), ["failed", 2, 2]);
    await store.rename(number, { state: "failed" }, "a", KEEP, () => ({
      state: "pending",
      attempts: 0,
      turn: "next",
    }));
    assert.deepEqual(await counts(), ["pending", 0, 2]);
    const [third] = await store.claim(["3"], header);
    assert.deepEqual(await counts(), ["active", 1, 3]);
    assert.equal(third?.job.log.ordinal, 3);
    await store.settle("3", ({ attempts }) => ({ state: "pending", attempts: attempts - 1 }));
    assert.deepEqual(await counts(), ["pending", 0, 3]);
    await claim(store, "4");
    assert.deepEqual(await counts(), ["active", 1, 4]);
  });

  test("a job that is put back keeps its turn, and the attempt has not been made", async (store) => {
    const first = await submit(store, "first");
    await submit(store, "second");
    const before = await store.byNo(first);
    await claim(store, "1");
    await store.appendLog("1", 14, utf8("x".repeat(3_000)));
    const back = await store.settle("1", ({ attempts }) => ({ state: "pending", attempts: attempts - 1 }));
    assert.deepEqual(back, { ...before, ordinal: 1 });
    assert.equal(await store.attempt(first, 1), undefined);
    assert.equal(await log(store, first, 1), "");
    assert.deepEqual(await store.runBook.all(), []);
    assert.deepEqual(await claim(store, "2", "3"), ["first", "second"]);
    assert.equal(await log(store, first, 2), ">>> echo first\n");
  });

  test("an attempt that was not made leaves the one before as it was", async (store) => {
    const number = await submit(store, "a");
    await claim(store, "1");
    await end(store, "1", "pending", FAILURE, "one");
    await claim(store, "2");
    await store.settle("2", ({ attempts }) => ({ state: "pending", attempts: attempts - 1 }));
    assert.deepEqual((await store.attempt(number, 1))?.over, { at: T0, ending: FAILURE });
    assert.equal(await log(store, number, 1), ">>> echo a\none");
  });

  test(
    "an aborted attempt is over, and its run is left until its processes are gone",
    async (store, place) => {
      const number = await submit(store, "a");
      await claim(store, "1");
      await store.appendLog("1", 11, utf8("out\n"));
      const abort = () => ({ state: "failed", loggedAt: T0, ...over(KILLED, "killed\n") } as const);
      const aborted = await store.rename(number, { state: "active", run: "1" }, "a", KEEP, abort);
      assert.ok(aborted.kind === "renamed" && aborted.job.state === "failed");
      assert.deepEqual(aborted.job.log, { ordinal: 1, bytes: 22, writtenAt: T0 });
      assert.deepEqual((await store.attempt(number, 1))?.over, { at: T0, ending: KILLED });
      assert.equal(await store.appendLog("1", 22, utf8("late")), false);
      assert.equal(await log(store, number), ">>> echo a\nout\nkilled\n");
      assert.deepEqual((await store.runBook.all()).map(({ run }) => run), ["1"]);
      assert.deepEqual([await ids(store, "active"), await ids(store, "failed")], [[], ["a"]]);
      await store[Symbol.asyncDispose]();
      await using again = await place.open();
      assert.deepEqual((await again.runBook.all()).map(({ run }) => run), ["1"]);
      assert.equal(await again.settle("1", () => assert.fail("the job is not of that run")), undefined);
      assert.deepEqual(await again.runBook.all(), []);
      assert.equal(await log(again, number), ">>> echo a\nout\nkilled\n");
    },
  );

  test("a restarted job starts again once its processes are gone, with an attempt of its own", async (store) => {
    const number = await submit(store, "a");
    await claim(store, "1");
    const restart = () =>
      ({ state: "pending", attempts: 0, turn: "next", ...over(KILLED, "killed\n") }) as const;
    const restarted = await store.rename(number, { state: "active", run: "1" }, "a", KEEP, restart);
    assert.ok(restarted.kind === "renamed" && restarted.job.state === "pending");
    assert.deepEqual([restarted.job.attempts, restarted.job.ordinal], [0, 1]);
    assert.deepEqual(await claim(store, "2"), []);
    await store.settle("1", () => assert.fail("the job is not of that run"));
    assert.deepEqual(await claim(store, "2"), ["a"]);
    assert.deepEqual((await store.attempt(number, 1))?.over?.ending, KILLED);
    assert.equal(await log(store, number, 1), ">>> echo a\nkilled\n");
    assert.equal(await log(store, number, 2), ">>> echo a\n");
  });

  test("a job that is withdrawn before it ran has the log that it is given", async (store) => {
    const number = await submit(store, "a");
    const withdraw = () => ({ state: "failed", ...over({ kind: "withdrawn" }, "not run\n", "new") } as const);
    const withdrawn = await store.rename(number, PENDING, "a", KEEP, withdraw);
    assert.ok(withdrawn.kind === "renamed" && withdrawn.job.state === "failed");
    assert.deepEqual(withdrawn.job.log, { ordinal: 1, bytes: 8, writtenAt: T0 });
    assert.equal(await log(store, number), "not run\n");
    assert.deepEqual((await store.attempt(number, 1))?.over, { at: T0, ending: { kind: "withdrawn" } });
    assert.deepEqual(await claim(store, "1"), []);
  });

  test("a job that is withdrawn after it ran has what it said, and that it was withdrawn", async (store) => {
    const number = await submit(store, "a");
    await claim(store, "1");
    await store.appendLog("1", 11, utf8("x".repeat(3_000)));
    await end(store, "1", "pending", FAILURE);
    const withdraw = () => ({ state: "failed", ...over({ kind: "withdrawn" }, "withdrawn\n") } as const);
    const withdrawn = await store.rename(number, PENDING, "a", KEEP, withdraw);
    assert.ok(withdrawn.kind === "renamed" && withdrawn.job.state === "failed");
    assert.deepEqual([withdrawn.job.ordinal, withdrawn.job.log.bytes], [1, 3_021]);
    assert.equal(await log(store, number), `>>> echo a\n${"x".repeat(3_000)}withdrawn\n`);
    assert.deepEqual((await store.attempt(number, 1))?.over?.ending, { kind: "withdrawn" });
  });

  test("processes that are left keep the run of a job that has ended", async (store) => {
    const number = await submit(store, "a");
    await claim(store, "1");
    const settled = await store.settle("1", () => ({
      state: "pending",
      visibleAt: null,
      ...over(FAILURE, "left: 7\n"),
    }), utf8("left: 7\n"));
    assert.equal(settled?.state, "pending");
    assert.equal(await log(store, number), ">>> echo a\nleft: 7\n");
    assert.deepEqual((await store.runBook.all()).map(({ run }) => run), ["1"]);
    assert.equal(await store.appendLog("1", 19, utf8("late")), false);
    assert.deepEqual(await claim(store, "2"), []);
    await store.runBook.forget("1");
    assert.deepEqual(await claim(store, "2"), ["a"]);
  });

  test(
    "what is left of a run is said in the log of a job that somebody took from it",
    async (store, place) => {
      const number = await submit(store, "a");
      await claim(store, "1");
      const abort = () => ({ state: "failed", ...over(KILLED, "killed\n") } as const);
      await store.rename(number, { state: "active", run: "1" }, "b", KEEP, abort);
      place.now = T0 + 3;
      const settled = await store.settle(
        "1",
        () => assert.fail("the job is not of that run"),
        utf8("left: 7\n"),
      );
      assert.equal(settled, undefined);
      assert.equal(await log(store, number), ">>> echo a\nkilled\nleft: 7\n");
      const job = await store.byNo(number);
      assert.deepEqual(logOf(job), { ordinal: 1, bytes: 26, writtenAt: T0 + 3 });
      assert.deepEqual((await store.attempt(number, 1))?.over, { at: T0, ending: KILLED });
      assert.deepEqual(
        (await store.runBook.all()).map(({ run }) => run),
        ["1"],
      );
      await store.runBook.forget("1");
      assert.deepEqual(await store.runBook.all(), []);
    },
  );

  test("what is left of a run does not get into the log of a later attempt", async (store) => {
    const number = await submit(store, "a");
    await claim(store, "1");
    await store.rename(number, { state: "active", run: "1" }, "b", KEEP, () => ({
      state: "pending",
      turn: "next",
      ...over(KILLED, "killed\n"),
    }));
    await store.settle("1", () => assert.fail("the job is not of that run"), utf8("left: 7\n"));
    assert.equal(await log(store, number, 1), ">>> echo a\nkilled\nleft: 7\n");
    await store.runBook.forget("1");
    await claim(store, "2");
    await end(store, "2", "complete");
    assert.deepEqual(logOf(await store.byNo(number))?.bytes, 11);
    assert.equal(await log(store, number, 2), ">>> echo a\n");
  });

  test(
    "a job that ends without an attempt has the log of its last one, if that has been made",
    async (store, place) => {
      const number = await submit(store, "a");
      const bytesAtEnd = async () => {
        const failed = await store.update(number, PENDING, () => ({ state: "failed" }), "durable");
        await using again = await place.openAfterCrash();
        assert.deepEqual(await again.byNo(number), failed);
        await store.rename(
          number,
          { state: "failed" },
          "a",
          KEEP,
          () => ({ state: "pending", turn: "next" }),
        );
        return logOf(failed)?.bytes;
      };
      assert.equal(await bytesAtEnd(), 0);
      await claim(store, "1");
      await store.rename(number, { state: "active" }, "a", KEEP, () => ({
        state: "pending",
        turn: "next",
        ...over(KILLED, "killed\n"),
      }));
      assert.equal(await bytesAtEnd(), 18);
      await store.settle("1", () => assert.fail("the job is not of that run"), utf8("left: 7\n"));
      assert.equal(await bytesAtEnd(), 26);
      await store.runBook.forget("1");
      await claim(store, "2");
      await store.settle("2", () => ({ state: "pending" }));
      assert.equal(await bytesAtEnd(), 0);
    },
  );

  test("a removed job's log is gone, or stays while somebody retains it", async (store, place) => {
    for (const size of [10, 3_000]) {
      for (const isRetained of [false, true]) {
        const number = await submit(store, "a", "x");
        const [claimed] = await store.claim(["1"], () => new Uint8Array(size));
        await end(store, claimed?.run as string, "complete");
        const attempt = await store.attempt(number, 1);
        const readers = isRetained ? [store.retainLog(number, 1), store.retainLog(number, 1)] : [];
        await store.remove(number, { state: "complete" }, "durable");
        for (const reader of readers) {
          assert.equal((await store.readLog(number, 1, 0, 10_000)).length, size);
          assert.deepEqual(await store.attempt(number, 1), attempt);
          await reader[Symbol.asyncDispose]();
          await reader[Symbol.asyncDispose]();
        }
        assert.equal((await store.readLog(number, 1, 0, 10_000)).length, 0);
        assert.equal(await store.attempt(number, 1), undefined);
      }
    }
    const number = await submit(store, "left", "x");
    await store.claim(["left"], () => new Uint8Array(3_000));
    await end(store, "left", "complete");
    const reader = store.retainLog(number, 1);
    await store.remove(number, { state: "complete" }, "durable");
    await store[Symbol.asyncDispose]();
    await using again = await place.open();
    assert.equal((await again.readLog(number, 1, 0, 100)).length, 0);
    await reader[Symbol.asyncDispose]();
  });

  test(
    "a retained log stays as it is when its job gets another, until nobody reads it",
    async (store, place) => {
      const number = await submit(store, "a", "one");
      const first = store.retainLog(number, 1);
      await claim(store, "1");
      await store.settle("1", () => ({ state: "pending", ...closed("two"), ...over(FAILURE, "said\n") }));
      await claim(store, "2");
      await store.appendLog("2", 8, utf8("new\n"));
      const second = store.retainLog(number, 2);
      await end(store, "2", "pending", FAILURE);
      assert.equal(await log(store, number, 1), ">>> one\nsaid\n");
      assert.deepEqual((await store.attempt(number, 1))?.over, { at: T0, ending: FAILURE });
      assert.equal(await log(store, number, 2), ">>> two\nnew\n");
      await first[Symbol.asyncDispose]();
      assert.equal(await log(store, number, 1), "");
      const withdraw = () => ({ state: "failed", ...over({ kind: "withdrawn" }, "end", "new") } as const);
      await store.rename(number, PENDING, "a", KEEP, withdraw);
      assert.equal(await log(store, number, 2), ">>> two\nnew\n");
      assert.equal(await log(store, number, 3), "end");
      await store[Symbol.asyncDispose]();
      await using again = await place.open();
      assert.equal(await log(again, number, 2), "");
      assert.equal(await log(again, number, 3), "end");
      assert.equal(logOf(await again.byNo(number))?.ordinal, 3);
      await second[Symbol.asyncDispose]();
    },
  );

  test("a retained log stays when what runs is put back, or removed", async (store) => {
    for (
      const [number, how] of [[await submit(store, "a"), "put back"], [
        await submit(store, "b"),
        "removed",
      ]] as const
    ) {
      await store.claim(["1"], () => utf8("x".repeat(3_000)));
      await using _reader = store.retainLog(number, 1);
      if (how === "removed") await store.remove(number, { state: "active" }, "durable");
      else await store.settle("1", () => ({ state: "pending", turn: null }));
      assert.equal((await log(store, number, 1))?.length, 3_000, how);
      assert.equal((await store.attempt(number, 1))?.logBytes, 3_000, how);
      await store.runBook.forget("1");
    }
  });

  test("list() pages by position, and skips nobody when jobs go in between", async (store) => {
    const numbers: number[] = [];
    for (let index = 0; index < 10; index++) numbers.push(await submit(store, `job ${index}`));
    const seen: string[] = [];
    for (let after = 0;;) {
      const page = await store.list("pending", after, 3);
      if (page.length === 0) break;
      for (const { number, id, position, ordinal } of page) {
        seen.push(id);
        assert.equal(ordinal, 0);
        await store.remove(number, PENDING, "relaxed");
        after = position;
      }
    }
    assert.deepEqual(seen, numbers.map((_, index) => `job ${index}`));
    assert.equal(await store.count("pending"), 0);
  });

  test("complete/ and failed/ are listed in the order in which jobs ended", async (store, place) => {
    for (const id of ["a", "b", "c", "d", "e"]) await submit(store, id);
    await claim(store, "a", "b", "c", "d", "e");
    for (const id of ["d", "b", "a"]) await end(store, id, "complete");
    for (const id of ["e", "c"]) await end(store, id, "failed", FAILURE);
    assert.deepEqual([await ids(store, "complete"), await ids(store, "failed")], [["d", "b", "a"], [
      "e",
      "c",
    ]]);
    const [first] = await store.list("complete", 0, 1);
    assert.deepEqual((await store.list("complete", first?.position as number, 9)).map(({ id }) => id), [
      "b",
      "a",
    ]);
    assert.equal(first?.ordinal, 1);
    // Who pages sees each job once, also one that ends again.
    const b = await store.byId("b");
    await store.rename(b?.number as number, { state: "complete" }, "b", KEEP, () => ({
      state: "pending",
      turn: "next",
    }));
    await claim(store, "b again");
    await end(store, "b again", "complete");
    assert.deepEqual(await ids(store, "complete"), ["d", "a", "b"]);
    await store[Symbol.asyncDispose]();
    await using again = await place.open();
    assert.deepEqual(await ids(again, "complete"), ["d", "a", "b"]);
    await submit(again, "f");
    await claim(again, "f");
    await end(again, "f", "complete");
    assert.deepEqual(await ids(again, "complete"), ["d", "a", "b", "f"]);
  });

  test("pending/ and active/ are listed by number, without what is in the other", async (store) => {
    for (const id of ["a", "b", "c", "d", "e", "f"]) await submit(store, id);
    assert.deepEqual(await claim(store, "1", "2", "3", "4"), ["a", "b", "c", "d"]);
    await end(store, "2", "pending", FAILURE);
    const d = await store.byId("d");
    await store.remove(d?.number as number, { state: "active" }, "durable");
    assert.deepEqual(await ids(store, "active"), ["a", "c"]);
    assert.deepEqual(await ids(store, "pending"), ["b", "e", "f"]);
    const [first] = await store.list("active", 0, 1);
    assert.deepEqual([first?.id, first?.ordinal], ["a", 1]);
    assert.deepEqual((await store.list("active", first?.position as number, 9)).map(({ id }) => id), ["c"]);
    assert.deepEqual((await store.list("pending", 0, 2)).map(({ id }) => id), ["b", "e"]);
    const counts = await Promise.all(
      (["pending", "active", "complete", "failed"] as const).map((state) => store.count(state)),
    );
    assert.deepEqual(counts, [3, 2, 0, 0]);
  });

  test("listJobs() gives what list() names, the whole of it", async (store) => {
    for (const id of ["a", "b", "c", "d"]) await submit(store, id);
    for (const id of ["x", "y", "z"]) await create(store, id);
    await claim(store, "1", "2", "3", "4");
    await end(store, "2", "complete");
    await end(store, "1", "complete");
    for (const state of ["pending", "active", "complete"] as const) {
      const [skipped] = await store.list(state, 0, 1);
      const after = skipped?.position as number;
      const names = await store.list(state, after, 2);
      const jobs = await store.listJobs(state, after, 2);
      assert.ok(jobs.length > 0);
      assert.deepEqual(
        jobs.map(({ job }) => job),
        await Promise.all(names.map(({ number }) => store.byNo(number))),
      );
      assert.deepEqual(jobs.map(({ position }) => position), names.map(({ position }) => position));
    }
  });

  test("rename() gives another id, replaces where it may, and tells what it replaced", async (store) => {
    const a = await submit(store, "a");
    const b = await submit(store, "b");
    const changes = () => ({});
    assert.deepEqual(await store.rename(a, PENDING, "b", KEEP, changes), { kind: "taken" });
    const renamed = await store.rename(
      a,
      PENDING,
      "b",
      REPLACE,
      (_, replaced) => ({ mode: replaced?.number === b ? 1 : 2 }),
    );
    assert.ok(renamed.kind === "renamed");
    assert.deepEqual([renamed.job.number, renamed.job.id, renamed.job.mode, renamed.replaced?.number], [
      a,
      "b",
      1,
      b,
    ]);
    assert.equal(await store.byNo(b), undefined);
    assert.equal(await store.byId("a"), undefined);
    assert.deepEqual(await store.rename(b, PENDING, "c", REPLACE, changes), { kind: "missing" });
    const active = await submit(store, "active");
    await change(store, a, { held: true });
    await claim(store, "1");
    assert.equal((await store.byNo(active))?.state, "active");
    const inPending = ({ state }: { state: string }): Displacing => state === "pending" ? "goes" : "stays";
    assert.deepEqual(await store.rename(a, PENDING, "active", inPending, changes), { kind: "taken" });
    const same = await store.rename(a, PENDING, "b", KEEP, () => ({ state: "failed" }));
    assert.ok(same.kind === "renamed" && same.job.state === "failed" && same.replaced === undefined);
  });

  test("rename() onto a job that is rewritten leaves its row, which is the other's file and text then", async (store) => {
    const a = await submit(store, "a", "echo of a", 1);
    await submit(store, "between");
    const b = await submit(store, "b", "echo b", 2);
    await claim(store, "1");
    await end(store, "1", "pending", FAILURE, "failed\n");
    const before = await store.byNo(a);
    const by = await store.byNo(b);
    const changes: JobChanges = { uid: 2, mode: 0o600 };
    const renamed = await store.rename(b, PENDING, "a", REWRITE, (job, other) => {
      assert.deepEqual([job.number, other?.number], [b, a]);
      return changes;
    });
    const job = { ...before, file: b, uid: 2, mode: 0o600, commandBytes: 6 };
    assert.deepEqual(renamed, { kind: "rewritten", job, before, by });
    assert.deepEqual(await store.byId("a"), job);
    assert.deepEqual([await store.byId("b"), await store.byNo(b)], [undefined, undefined]);
    assert.deepEqual([await store.byFile(fileOf(b)), await store.byFile(fileOf(a))], [job, undefined]);
    assert.deepEqual(await commands(store, a), ["echo b", "echo b"]);
    assert.equal(await log(store, a), ">>> echo of a\nfailed\n");
    assert.deepEqual(await claim(store, "2", "3"), ["a", "between"]);
  });

  test("what is for a file is not for another that took its place", async (store) => {
    const [a, b] = [await submit(store, "a"), await submit(store, "b")];
    const isHeld = async (number: JobNo) => {
      const job = await store.byNo(number);
      return job?.state === "pending" && job.held;
    };
    await store.rename(b, PENDING, "a", REWRITE, () => ({}));
    assert.equal(await store.updateFile(fileOf(a), () => ({ held: true }), "relaxed"), undefined);
    assert.equal(await store.updateFile(fileOf(a), () => closed("of the one before"), "durable"), undefined);
    assert.equal(
      await store.update(a, { ...PENDING, file: fileOf(a) }, () => ({ mode: 0 }), "durable"),
      undefined,
    );
    assert.deepEqual(await store.rename(a, { ...PENDING, file: fileOf(a) }, "c", KEEP, () => ({})), {
      kind: "missing",
    });
    assert.equal(await store.remove(a, { ...PENDING, file: fileOf(a) }, "durable"), false);
    assert.deepEqual([await isHeld(a), await commands(store, a)], [false, ["echo b", "echo b"]]);
    assert.equal((await store.updateFile(fileOf(b), () => ({ held: true }), "relaxed"))?.number, a);
    await store.updateFile(fileOf(b), () => ({ ...closed("again"), held: false }), "durable");
    assert.deepEqual([await isHeld(a), await commands(store, a)], [false, ["again", "again"]]);
  });

  test(
    "a job may be rewritten by rename again and again, and is one file at a time",
    async (store, place) => {
      const a = await submit(store, "a");
      for (const id of ["b", "c", "d"]) {
        const number = await submit(store, id);
        await store.rename(number, PENDING, "a", REWRITE, () => ({}));
        assert.deepEqual([(await store.byNo(a))?.file, (await store.byFile(fileOf(number)))?.number], [
          number,
          a,
        ]);
      }
      // A job that was rewritten so is renamed onto another, as any.
      const other = await submit(store, "other");
      await store.rename(a, PENDING, "other", REWRITE, () => ({}));
      const { file } = await store.byNo(other) ?? {};
      assert.deepEqual([file, await commands(store, other)], [other - 1, ["echo d", "echo d"]]);
      await store.remove(other, PENDING, "durable");
      assert.equal(await store.byFile(other - 1), undefined);
      await using again = await place.openAfterCrash();
      assert.deepEqual(await ids(again, "pending"), []);
      assert.ok(await create(again, "new") > other);
    },
  );

  test("what is forgotten of attempts at a rewrite counts on, and their logs are gone", async (store) => {
    const a = await submit(store, "a");
    await claim(store, "1");
    await end(store, "1", "pending", FAILURE, "secret\n");
    const b = await submit(store, "b");
    await store.rename(b, PENDING, "a", REWRITE, () => ({ forgetsAttempts: true }));
    const job = await store.byNo(a);
    assert.deepEqual([job?.attempts, job?.ordinal], [1, 1]);
    assert.deepEqual([await store.attempt(a, 1), await log(store, a)], [undefined, ""]);
    await claim(store, "2");
    const over = await end(store, "2", "complete");
    assert.deepEqual([over.ordinal, await log(store, a, 2)], [2, ">>> echo b\n"]);
  });

  test(
    "rename() onto a job that is exchanged has both rows stay, with each other's files, texts and ids",
    async (store, place) => {
      const old = await submit(store, "x", "echo old", 1);
      await claim(store, "1");
      await end(store, "1", "pending", FAILURE);
      await change(store, old, { asks: { nice: 3 }, visibleAt: T0 + 9 });
      await store.rename(old, PENDING, "x~", KEEP, () => ({ turn: null }));
      const made = await create(store, "x", 2);
      const renamed = await store.rename(
        made,
        PENDING,
        "x~",
        EXCHANGE,
        () => ({ turn: 5, uid: 2, held: true }),
      );
      assert.ok(renamed.kind === "exchanged" && renamed.job.state === "pending");
      const { job, aside } = renamed;
      assert.deepEqual([job.number, job.id, job.file, job.turn, job.uid, job.held], [
        old,
        "x",
        made,
        5,
        2,
        true,
      ]);
      assert.deepEqual([job.ordinal, job.attempts, job.commandBytes, job.isEmpty], [1, 1, 0, true]);
      assert.deepEqual([aside.number, aside.id, aside.file, aside.uid, aside.attempts], [
        made,
        "x~",
        old,
        1,
        0,
      ]);
      assert.deepEqual([aside.asks, aside.state === "pending" && aside.visibleAt], [{ nice: 3 }, T0 + 9]);
      assert.deepEqual([await commands(store, old), await commands(store, made)], [["", ""], [
        "echo old",
        "echo old",
      ]]);
      assert.deepEqual([(await store.byFile(fileOf(made)))?.id, (await store.byFile(fileOf(old)))?.id], [
        "x",
        "x~",
      ]);
      assert.equal(await log(store, old), ">>> echo old\n");
      await store.updateFile(
        fileOf(made),
        () => ({ ...closed("new"), visibleAt: null, held: false }),
        "durable",
      );
      await using again = await place.openAfterCrash();
      assert.deepEqual(await ids(again, "pending"), ["x", "x~"]);
      assert.deepEqual(await claim(again, "2", "3"), ["x"]);
      assert.deepEqual([(await again.byId("x"))?.ordinal, (await again.byId("x~"))?.file], [2, old]);
    },
  );

  test("a job that was rewritten by one whose processes are left waits for them", async (store) => {
    await submit(store, "a");
    const b = await submit(store, "b");
    await change(store, b, { turn: 1 });
    await claim(store, "1");
    await store.rename(b, { state: "active" }, "b", KEEP, () => ({ state: "pending", turn: "next" }));
    await store.rename(b, PENDING, "a", REWRITE, () => ({}));
    assert.deepEqual(await claim(store, "2"), []);
    await store.settle("1", () => ({}));
    assert.deepEqual(await claim(store, "3"), ["a"]);
  });

  test("a job that runs may get another id, which no new job starts under before the run has ended", async (store) => {
    const number = await submit(store, "x.1");
    const [claimed] = await store.claim(["1"], header);
    const active = { state: "active", run: "1" } as const;
    const renamed = await store.rename(number, active, "x", REPLACE, () => ({}));
    assert.deepEqual(renamed, {
      kind: "renamed",
      job: { ...claimed?.job, id: "x" },
      replaced: undefined,
    });
    assert.deepEqual((await store.runBook.all()).map(({ id }) => id), ["x"]);
    await store.remove(number, active, "durable");
    await submit(store, "x.1");
    await submit(store, "x");
    assert.deepEqual(await claim(store, "2", "3"), ["x.1"]);
    await store.settle("1", () => ({}));
    assert.deepEqual(await claim(store, "4"), ["x"]);
  });

  test("turns: the first is kept, the next is the end of the queue, and one can be given", async (store) => {
    const a = await submit(store, "a");
    const b = await submit(store, "b");
    const turnOf = async (number: JobNo) => {
      const job = await store.byNo(number);
      return job?.state === "pending" ? job.turn : undefined;
    };
    const before = await turnOf(a);
    await change(store, a, { turn: "first" });
    assert.equal(await turnOf(a), before);
    assert.deepEqual(await claim(store, "1"), ["a"]);
    await store.settle("1", () => ({ state: "pending", turn: "next" }));
    const c = await submit(store, "c");
    await change(store, c, { turn: await turnOf(b) as number });
    await store.remove(b, PENDING, "durable");
    assert.deepEqual(await claim(store, "2", "3"), ["c", "a"]);
  });

  test("an unclosed command is what readers see, and what a new start forgets", async (store, place) => {
    const number = await submit(store, "a", "old");
    await change(store, number, { held: true });
    await change(store, number, draft("half wri"));
    assert.deepEqual(await commands(store, number), ["half wri", "old"]);
    assert.equal((await store.byNo(number))?.commandBytes, 8);
    await store[Symbol.asyncDispose]();
    await using again = await place.open();
    assert.deepEqual(await commands(again, number), ["old", "old"]);
    const job = await again.byNo(number);
    assert.equal(job?.state === "pending" && job.held, false);
    assert.deepEqual((await again.claim(["1"], header)).map(({ command }) => text(command)), ["old"]);
  });

  test(
    "a content of 16 MiB is as it was written, whatever becomes of a part of it, also after a crash",
    async (store, place) => {
      const number = await create(store, "a");
      const save = (content: Pieces, is: "draft" | "closed") =>
        change(store, number, { content: { is, bytes: content } });
      let content = Pieces.of(new Uint8Array(LONGEST_BYTES).map((_, index) => index % 251));
      const assertIs = async (store: Store, version: "written" | "closed", expected: Pieces) => {
        const found = await store.readCommand(number, version);
        assert.equal(found?.length, expected.length);
        assert.ok(found?.all.every((piece, index) => isSame(piece, expected.all[index])));
      };
      await save(content, "draft");
      await change(store, number, { ...asSaved(), held: false });
      await assertIs(store, "closed", content);
      await store.rename(number, PENDING, "b", KEEP, () => ({}));
      assert.equal((await store.byNo(number))?.commandBytes, LONGEST_BYTES);
      const closed = content;
      for (const at of [0, 65_535, 3_000_000, LONGEST_BYTES - 5]) {
        content = content.written(at, utf8("other"));
        await save(content, "draft");
        await assertIs(store, "written", content);
        await assertIs(store, "closed", closed);
      }
      {
        await using crashed = await place.openAfterCrash();
        await assertIs(crashed, "written", closed);
      }
      await change(store, number, asClosed());
      await assertIs(store, "written", closed);
      for (const length of [5_000_000, 65_536, 65_537, 3]) {
        content = content.resized(length);
        await save(content, "closed");
        await assertIs(store, "written", content);
        await using crashed = await place.openAfterCrash();
        await assertIs(crashed, "closed", content);
      }
      await save(closed, "closed");
      const [claimed] = await store.claim(["1"], () => utf8(">>>\n"));
      assert.equal(claimed?.command.length, LONGEST_BYTES);
      await end(store, "1", "failed", FAILURE);
      await assertIs(store, "closed", closed);
      assert.equal(await store.remove(number, { state: "failed" }, "durable"), true);
      assert.equal(await store.readCommand(number, "written"), undefined);
    },
  );

  test("a claim takes no more once its commands come to 8 MiB, and the next goes on", async (store) => {
    for (
      const [id, bytes] of [["a", 3], ["b", CLAIM_BYTES - 4], ["c", 2], ["d", CLAIM_BYTES], ["e", 2]] as const
    ) {
      await submit(store, id, "x".repeat(bytes));
    }
    const claimed = async (...runs: string[]) =>
      (await store.claim(runs, () => utf8(">>>\n"))).map(({ job }) => job.id);
    assert.deepEqual(await claimed("1", "2", "3", "4", "5"), ["a", "b", "c"]);
    assert.deepEqual(await claimed("4", "5"), ["d"]);
    assert.deepEqual(await claimed("5", "6"), ["e"]);
  });

  test(
    "a new start keeps what was written and never closed, and does not let it start",
    async (store, place) => {
      const fresh = await create(store, "fresh");
      await change(store, fresh, draft("echo fresh"));
      const emptied = await submit(store, "emptied", "echo old");
      await change(store, emptied, { held: true, content: { is: "closed", bytes: utf8("") } });
      await change(store, emptied, draft("echo new"));
      await store[Symbol.asyncDispose]();
      await using again = await place.open();
      assert.equal(text(await again.readCommand(fresh, "closed")), "echo fresh");
      assert.equal(text(await again.readCommand(emptied, "closed")), "echo new");
      assert.deepEqual(await claim(again, "1", "2"), []);
      await change(again, emptied, { turn: "first" });
      assert.deepEqual(await claim(again, "1", "2"), ["emptied"]);
    },
  );

  /** What changes make of a job, of which somebody has just written `cut`: [as written, as closed], with the store open and after a crash. */
  const CONTENTS: [string, Content[], open: Texts, afterCrash: Texts, runs: string | undefined][] = [
    ["a first draft", [draft("cut")], ["cut", ""], ["cut", "cut"], undefined],
    ["a first draft, written on", [draft("c"), draft("cut")], ["cut", ""], ["cut", "cut"], undefined],
    ["a first draft that is taken back", [draft("cut"), asClosed()], ["", ""], ["", ""], undefined],
    ["a first draft that was closed as saved", [draft("whole"), asSaved()], ["whole", "whole"], [
      "whole",
      "whole",
    ], "whole"],
    ["a first draft that was closed as another", [draft("cut"), closed("whole")], ["whole", "whole"], [
      "whole",
      "whole",
    ], "whole"],
    ["a draft of an empty file that was closed", [{ ...closed(""), turn: null }, draft("cut")], ["cut", ""], [
      "cut",
      "cut",
    ], undefined],
    ["a draft of what was closed", [closed("old"), draft("cut")], ["cut", "old"], ["old", "old"], "old"],
    ["a draft of what was closed, taken back", [closed("old"), draft("cut"), asClosed()], ["old", "old"], [
      "old",
      "old",
    ], "old"],
    [
      "a draft of what was closed, closed as saved",
      [closed("old"), draft("new"), asSaved()],
      ["new", "new"],
      [
        "new",
        "new",
      ],
      "new",
    ],
    ["a draft of what was closed, closed empty", [closed("old"), draft("cut"), closed("")], ["", ""], [
      "",
      "",
    ], undefined],
    ["a draft of what was closed and emptied", [closed("old"), closed(""), draft("cut")], ["cut", ""], [
      "cut",
      "cut",
    ], undefined],
    [
      "a first draft that gets a turn",
      [draft("cut"), { turn: "first" }],
      ["cut", ""],
      ["cut", "cut"],
      undefined,
    ],
    [
      "a first draft that gets a turn, written on",
      [draft("c"), { turn: "first" }, draft("cut")],
      ["cut", ""],
      [
        "cut",
        "cut",
      ],
      undefined,
    ],
    ["a first draft that gets a turn and is taken back", [draft("cut"), { turn: "next" }, asClosed()], [
      "",
      "",
    ], [
      "",
      "",
    ], undefined],
    [
      "a first draft that gets a turn and is closed as saved",
      [draft("whole"), { turn: "first" }, asSaved()],
      [
        "whole",
        "whole",
      ],
      ["whole", "whole"],
      "whole",
    ],
    ["a first draft that comes with a turn", [{ ...draft("cut"), turn: "first" }], ["cut", ""], [
      "cut",
      "cut",
    ], undefined],
    ["a first draft with a turn taken from it", [draft("cut"), { turn: "first" }, { turn: null }], [
      "cut",
      "",
    ], [
      "cut",
      "cut",
    ], undefined],
    [
      "a saved draft that is saved again with a turn",
      [draft("c"), { ...draft("cut"), turn: 5 }],
      ["cut", ""],
      [
        "cut",
        "cut",
      ],
      undefined,
    ],
  ];
  for (const [what, changes, open, afterCrash, runs] of CONTENTS) {
    test(`what was cut short never runs after a crash: ${what}`, async (store, place) => {
      const number = await create(store, "a");
      for (const content of changes) await change(store, number, content);
      assert.deepEqual(await commands(store, number), open);
      assert.equal((await store.byNo(number))?.commandBytes, open[0].length);
      await using again = await place.openAfterCrash();
      assert.deepEqual(await commands(again, number), afterCrash);
      const found = await again.claim(["1"], header);
      assert.deepEqual(found.map(({ command }) => text(command)), runs === undefined ? [] : [runs]);
      if (found.length > 0 || afterCrash[0] === "") return;
      // Somebody says that it is whole.
      await change(again, number, { turn: "first" });
      const saidWhole = await again.claim(["1"], header);
      assert.deepEqual(saidWhole.map(({ command }) => text(command)), [afterCrash[0]]);
    });
  }

  test(
    "what was cut short does not run after a crash where it was renamed to a job that has a turn",
    async (store, place) => {
      const old = await submit(store, "a", "old");
      const turn = await store.byNo(old);
      const number = await create(store, ".a.new");
      await change(store, number, draft("cut"));
      const renamed = await store.rename(number, PENDING, "a", REPLACE, (_, replaced) => ({
        turn: replaced?.state === "pending" ? replaced.turn : null,
      }));
      assert.ok(renamed.kind === "renamed" && renamed.job.state === "pending" && turn?.state === "pending");
      assert.equal(renamed.job.turn, turn.turn);
      assert.deepEqual(await commands(store, number), ["cut", ""]);
      await using again = await place.openAfterCrash();
      assert.deepEqual(await claim(again, "1"), []);
      assert.deepEqual(await commands(again, number), ["cut", "cut"]);
    },
  );

  for (const [what, changes, open, afterCrash, runs] of REWRITTEN) {
    test(
      `what was cut short does not run after a crash where it has rewritten a job: ${what}`,
      async (store, place) => {
        const a = await submit(store, "a", "old");
        const b = await create(store, ".a.new");
        for (const content of changes) await change(store, b, content);
        await store.rename(b, PENDING, "a", REWRITE, () => ({ held: false, isEmpty: false }));
        assert.deepEqual(await commands(store, a), open);
        await using again = await place.openAfterCrash();
        assert.deepEqual(await commands(again, a), afterCrash);
        assert.deepEqual((await again.claim(["1"], header)).map(({ command }) => text(command)), runs);
      },
    );
  }

  test("a job that was rewritten by a text that nobody closes has nothing to run", async (store) => {
    await submit(store, "a", "old");
    const b = await create(store, ".a.new");
    await change(store, b, draft("cut"));
    await store.rename(b, PENDING, "a", REWRITE, () => ({ held: true, isEmpty: false }));
    await store.updateFile(fileOf(b), () => ({ ...asClosed(), held: false }), "relaxed");
    assert.deepEqual(await claim(store, "1"), []);
    const job = await store.byId("a");
    assert.deepEqual([job?.commandBytes, job?.state === "pending" && job.isEmpty], [0, true]);
    await store.updateFile(fileOf(b), () => ({ ...closed("new"), isEmpty: false }), "durable");
    assert.deepEqual((await store.claim(["1"], header)).map(({ command }) => text(command)), ["new"]);
  });

  test("holds end with a crash", async (store, place) => {
    await submit(store, "held");
    const inLine = await submit(store, "in line");
    await submit(store, "behind");
    await change(store, inLine, { held: "in-line", mode: 0o600 });
    await using again = await place.openAfterCrash();
    assert.deepEqual(await claim(again, "1", "2", "3"), ["held", "in line", "behind"]);
  });

  test("runs are remembered, with what they are known by", async (store, place) => {
    await submit(store, "a");
    await submit(store, "b");
    await claim(store, "1", "2");
    const traces = { leader: { pid: 5, startTicks: 7, bootId: "boot" }, cgroup: "/cgroup", uid: 9 };
    await store.runBook.identify("1", traces);
    await store.runBook.identify("other", traces);
    const runs = [
      { run: "1", id: "a", ...traces },
      { run: "2", id: "b", leader: undefined, cgroup: undefined, uid: undefined },
    ];
    const all = async (store: Store) =>
      (await store.runBook.all()).toSorted((one, other) => one.run.localeCompare(other.run));
    assert.deepEqual(await all(store), runs);
    await store[Symbol.asyncDispose]();
    await using again = await place.open();
    assert.deepEqual(await all(again), runs);
    const a = await again.byId("a");
    assert.equal(a?.state === "active" && a.run, "1");
    assert.equal((await again.settle("1", () => ({ state: "complete", ...over(SUCCESS) })))?.id, "a");
    await again.runBook.forget("2");
    await again.runBook.forget("other");
    assert.deepEqual(await all(again), []);
  });

  test("counters, settings and nodes survive", async (store, place) => {
    assert.deepEqual(
      [await store.reserve("x", 5, 0), await store.reserve("x", 2, 3), await store.reserve("y", 1, 8)],
      [0, 5, 8],
    );
    await store.writeSetting("config", "{}");
    await store.writeSetting("config", '{"a":1}');
    await store.writeNode("pending", { uid: 1, gid: 2, mode: 0o1777 });
    await store[Symbol.asyncDispose]();
    await using again = await place.open();
    assert.equal(await again.reserve("x", 1, 9), 7);
    assert.equal(await again.readSetting("config"), '{"a":1}');
    assert.equal(await again.readSetting("other"), undefined);
    assert.deepEqual({ ...await again.readNode("pending") }, { uid: 1, gid: 2, mode: 0o1777 });
    assert.equal(await again.readNode("active"), undefined);
  });

  test("many changes at once are all stored, in the order asked", async (store) => {
    const jobs = await Promise.all(
      Array.from({ length: 100 }, (_, index) => store.create(newJob(`job ${index}`))),
    );
    await Promise.all(jobs.map((job, index) =>
      store.update(
        job?.number as number,
        PENDING,
        () => ({ ...closed("x"), held: false }),
        index % 2 ? "durable" : "relaxed",
      )
    ));
    const claimed = await store.claim(jobs.map((_, index) => `run ${index}`), header);
    assert.deepEqual(claimed.map(({ job }) => job.id), jobs.map((_, index) => `job ${index}`));
  });
}

type Content = JobChanges;
type Texts = [written: string, closed: string];

function asSaved(): JobChanges {
  return { content: { is: "closed", bytes: "as-saved" }, turn: "first" };
}

function asClosed(): JobChanges {
  return { content: { is: "as-closed" } };
}

async function commands(store: Store, number: JobNo): Promise<(string | undefined)[]> {
  return [text(await store.readCommand(number, "written")), text(await store.readCommand(number, "closed"))];
}

async function visibleAt(store: Store, id: string): Promise<number | null | undefined> {
  const job = await store.byId(id);
  return job?.state === "pending" ? job.visibleAt : undefined;
}

function logOf(job: Job | undefined) {
  return job?.state === "pending" ? undefined : job?.log;
}

/** Many bytes: deepEqual is a hundred times slower. */
function isSame(one: Uint8Array, other: Uint8Array | undefined): boolean {
  return one.length === other?.length && one.every((byte, index) => byte === other[index]);
}
