import assert from "node:assert/strict";
import type { NewJob, Store } from "../../src/store/store.ts";

/** A place for stores: each `open` sees what the earlier ones stored. */
export interface StorePlace extends AsyncDisposable {
  open(): Promise<Store>;
}

const T0 = 1_000_000;
const utf8 = (text: string) => new TextEncoder().encode(text);
const text = (bytes: Uint8Array | undefined) => bytes && new TextDecoder().decode(bytes);
const header = (command: Uint8Array) => utf8(`>>> ${text(command)}\n`);
const PENDING = { state: "pending" } as const;
const NOBODY = { has: () => false };
const KEEP = () => false;
const REPLACE = () => true;

function newJob(id: string): NewJob {
  return { id, uid: 1, gid: 2, mode: 0o640, held: true, now: T0 };
}

/** A job as after its close. */
async function submit(store: Store, id: string, command = `echo ${id}`) {
  const job = await store.create(newJob(id));
  assert.ok(job);
  const changes = { command: utf8(command), unclosed: null, place: "first", held: false } as const;
  await store.update(job.number, PENDING, () => changes, "durable");
  return job.number;
}

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
    await store.claim(T0, ["run"], header);
    assert.equal(await store.create(newJob("a")), undefined);
    assert.equal((await store.find("a"))?.number, number);
  });

  test("a new job is empty, pending, held and has no place", async (store) => {
    const job = await store.create(newJob("a"));
    assert.deepEqual(job, {
      number: job?.number,
      id: "a",
      state: "pending",
      commandBytes: 0,
      logBytes: 0,
      logNumber: 1,
      attempts: 0,
      place: null,
      visibleAt: null,
      held: true,
      run: null,
      uid: 1,
      gid: 2,
      mode: 0o640,
      foreignWriter: null,
      createdAt: T0,
      writtenAt: T0,
      loggedAt: T0,
      changedAt: T0,
      accessedAt: null,
    });
    assert.deepEqual(await store.get(job?.number as number), job);
  });

  test("numbers are never used twice, also after the last job was removed", async (store, place) => {
    const first = await submit(store, "a");
    await store.remove(first, PENDING, "drop", "durable");
    await store[Symbol.asyncDispose]();
    await using again = await place.open();
    assert.ok(await submit(again, "a") > first);
  });

  test("a change whose expectation does not hold changes nothing", async (store) => {
    const number = await submit(store, "a");
    const [claimed] = await store.claim(T0, ["run"], header);
    assert.equal(await store.update(number, PENDING, () => ({ mode: 0 }), "durable"), undefined);
    assert.equal(
      await store.update(number, { state: "active", run: "other" }, () => ({ mode: 0 }), "durable"),
      undefined,
    );
    assert.equal(await store.remove(number, PENDING, "drop", "durable"), false);
    assert.deepEqual(await store.get(number), claimed?.job);
  });

  test("jobs are claimed in the order of submission, each once", async (store) => {
    for (const id of ["c", "a", "b"]) await submit(store, id);
    const first = await store.claim(T0, ["1", "2"], header);
    const second = await store.claim(T0, ["3", "4"], header);
    assert.deepEqual([...first, ...second].map(({ job, run }) => [job.id, run, job.state, job.attempts]), [
      ["c", "1", "active", 1],
      ["a", "2", "active", 1],
      ["b", "3", "active", 1],
    ]);
    assert.deepEqual(first.map(({ command }) => text(command)), ["echo c", "echo a"]);
    assert.equal(text(await store.readLog(first[0]?.job.number as number, 0, 100)), ">>> echo c\n");
  });

  test("what is held, empty, without a place or waiting is not claimed", async (store) => {
    const held = await submit(store, "held");
    await store.update(held, PENDING, () => ({ held: true }), "relaxed");
    await submit(store, "empty", "");
    const draft = await submit(store, "draft");
    await store.update(draft, PENDING, () => ({ place: null }), "relaxed");
    const waiting = await submit(store, "waiting");
    await store.update(waiting, PENDING, () => ({ visibleAt: T0 + 10 }), "relaxed");
    assert.deepEqual(await store.claim(T0, ["1"], header), []);
    assert.equal(await store.nextVisibleAt(), T0 + 10);
    const [claimed] = await store.claim(T0 + 10, ["1"], header);
    assert.equal(claimed?.job.id, "waiting");
    assert.equal(await store.nextVisibleAt(), undefined);
  });

  test("a retry whose attempt ended in the future waits from now, for as long as it had to", async (store) => {
    await submit(store, "retry");
    await store.claim(T0, ["1"], header);
    await store.settle("1", () => ({ state: "pending", run: null, loggedAt: T0, visibleAt: T0 + 10 }));
    const byHand = await submit(store, "by hand");
    await store.update(byHand, PENDING, () => ({ visibleAt: T0 + 10 }), "relaxed");
    await store.waitFromNow(T0);
    assert.equal((await store.find("retry"))?.visibleAt, T0 + 10);
    await store.waitFromNow(T0 - 1_000);
    assert.equal((await store.find("retry"))?.visibleAt, T0 - 1_000 + 10);
    assert.equal((await store.find("by hand"))?.visibleAt, T0 + 10);
    await store.waitFromNow(T0 - 1_000);
    assert.equal((await store.find("retry"))?.visibleAt, T0 - 1_000 + 10);
  });

  test("a job held in line holds those behind it, and nobody before", async (store) => {
    await submit(store, "before");
    const held = await submit(store, "held");
    await submit(store, "behind");
    await store.update(held, PENDING, () => ({ held: "in-line" }), "relaxed");
    assert.deepEqual((await store.claim(T0, ["1", "2", "3"], header)).map(({ job }) => job.id), ["before"]);
    await store.update(held, PENDING, () => ({ held: false }), "relaxed");
    assert.deepEqual((await store.claim(T0, ["2", "3"], header)).map(({ job }) => job.id), [
      "held",
      "behind",
    ]);
  });

  test("a job that waited keeps its place", async (store) => {
    const first = await submit(store, "first");
    await store.update(first, PENDING, () => ({ visibleAt: T0 + 10 }), "relaxed");
    await submit(store, "second");
    const claimed = await store.claim(T0 + 10, ["1", "2"], header);
    assert.deepEqual(claimed.map(({ job }) => job.id), ["first", "second"]);
  });

  test("no job starts while a run of it, or of an earlier job of its id, is left", async (store) => {
    const number = await submit(store, "a");
    await store.claim(T0, ["1"], header);
    await store.remove(number, { state: "active", run: "1" }, "drop", "durable");
    await submit(store, "a");
    await submit(store, "b");
    assert.deepEqual((await store.claim(T0, ["2", "3"], header)).map(({ job }) => job.id), ["b"]);
    assert.equal(await store.settle("1", () => assert.fail("the job is not of that run")), undefined);
    assert.deepEqual((await store.claim(T0, ["4"], header)).map(({ job }) => job.id), ["a"]);
  });

  test("a run keeps the job that it was of and the next of its id, and no other", async (store) => {
    const first = await submit(store, "a");
    await store.claim(T0, ["run"], header);
    const back = () => ({ state: "pending", run: null, place: "next" } as const);
    await store.rename(first, { state: "active" }, "moved", KEEP, back, NOBODY);
    await submit(store, "a");
    await submit(store, "b");
    assert.deepEqual((await store.claim(T0, ["other"], header)).map(({ job }) => job.id), ["b"]);
  });

  test("settle() applies to the job of the run, and forgets the run", async (store) => {
    await submit(store, "a");
    await store.claim(T0, ["1"], header);
    await store.appendLog("1", utf8("output\n"), T0 + 1);
    assert.equal((await store.jobOf("1"))?.loggedAt, T0 + 1);
    const settled = await store.settle("1", ({ attempts }) => ({
      state: "failed",
      run: null,
      attempts,
      loggedAt: T0 + 2,
      appendix: utf8("end\n"),
    }));
    assert.deepEqual([settled?.state, settled?.logBytes, settled?.loggedAt], ["failed", 22, T0 + 2]);
    assert.equal(text(await store.readLog(settled?.number as number, 0, 100)), ">>> echo a\noutput\nend\n");
    assert.deepEqual(await store.runs(), []);
    await store.appendLog("1", utf8("late"), T0 + 3);
    assert.equal((await store.find("a"))?.logBytes, 22);
  });

  test("a claim begins a new log", async (store) => {
    const number = await submit(store, "a");
    await store.claim(T0, ["1"], header);
    await store.appendLog("1", utf8("old"), T0);
    await store.settle("1", () => ({ state: "pending", run: null }));
    await store.claim(T0, ["2"], header);
    assert.equal(text(await store.readLog(number, 0, 100)), ">>> echo a\n");
  });

  test("a log is read at any position, across the pieces it was written in", async (store) => {
    await submit(store, "a");
    const [claimed] = await store.claim(T0, ["1"], () => utf8("0123456789"));
    const number = claimed?.job.number as number;
    const large = new Uint8Array(200_000).map((_, index) => index % 251);
    await store.appendLog("1", large, T0);
    await store.appendLog("1", utf8("end"), T0);
    assert.equal(text(await store.readLog(number, 0, 4)), "0123");
    assert.equal(
      text(await store.readLog(number, 200_009, 100)),
      text(Uint8Array.of(...large.subarray(-1), ...utf8("end"))),
    );
    assert.deepEqual(await store.readLog(number, 10, 200_000), large);
    assert.deepEqual(await store.readLog(number, 65_530, 20), large.slice(65_520, 65_540));
    assert.equal((await store.readLog(number, 200_013, 10)).length, 0);
    assert.equal((await store.readLog(number, 10_000_000, 10)).length, 0);
    assert.equal((await store.readLog(number + 1, 0, 10)).length, 0);
  });

  test("a removed job's log is gone, or stays until it is dropped", async (store, place) => {
    for (const keep of ["drop", "keep"] as const) {
      const number = await submit(store, keep);
      const [claimed] = await store.claim(T0, [keep], header);
      await store.settle(claimed?.run as string, () => ({ state: "complete", run: null }));
      await store.remove(number, { state: "complete" }, keep, "durable");
      const length = (await store.readLog(number, 0, 100)).length;
      assert.equal(length, keep === "keep" ? ">>> echo keep\n".length : 0);
      await store.dropLog(number);
      assert.equal((await store.readLog(number, 0, 100)).length, 0);
    }
    const number = await submit(store, "left");
    const [claimed] = await store.claim(T0, ["left"], header);
    await store.settle(claimed?.run as string, () => ({ state: "complete", run: null }));
    await store.remove(number, { state: "complete" }, "keep", "durable");
    await store[Symbol.asyncDispose]();
    await using again = await place.open();
    assert.equal((await again.readLog(number, 0, 100)).length, 0);
  });

  test(
    "a log in use stays when its job gets another, until it is dropped, or a new start",
    async (store, place) => {
      const inUse = { has: () => true };
      const number = await submit(store, "a", "one");
      const [first] = await store.claim(T0, ["1"], header, inUse);
      assert.deepEqual([first?.keptLog, first?.job.logNumber], [undefined, number]);
      const end = { state: "pending", run: null } as const;
      await store.settle("1", () => ({ ...end, command: utf8("two"), appendix: utf8("said\n") }));
      const [second] = await store.claim(T0, ["2"], header, inUse);
      const next = second?.job.logNumber as number;
      assert.notEqual(next, number);
      assert.deepEqual([second?.keptLog?.logNumber, second?.keptLog?.logBytes], [number, 13]);
      await store.appendLog("2", utf8("new\n"), T0);
      assert.equal(text(await store.readLog(number, 0, 100)), ">>> one\nsaid\n");
      assert.equal(text(await store.readLog(next, 0, 100)), ">>> two\nnew\n");
      await store.dropLog(number);
      assert.equal((await store.readLog(number, 0, 100)).length, 0);
      await store.settle("2", () => end);
      const withdrawn = await store.rename(number, PENDING, "a", KEEP, () => ({
        state: "failed",
        log: "new",
        appendix: utf8("end"),
      }), inUse);
      assert.ok(withdrawn.kind === "renamed" && withdrawn.keptLog?.logNumber === next);
      const last = withdrawn.job.logNumber;
      await store[Symbol.asyncDispose]();
      await using again = await place.open();
      assert.equal((await again.readLog(next, 0, 100)).length, 0);
      assert.equal((await again.get(number))?.logNumber, last);
      assert.equal(text(await again.readLog(last, 0, 100)), "end");
      const other = await again.create(newJob("b"));
      assert.ok(![number, next, last].includes(other?.number as number));
    },
  );

  test("list() pages by number, and skips nobody when jobs go in between", async (store) => {
    const numbers: number[] = [];
    for (let index = 0; index < 10; index++) numbers.push(await submit(store, `job ${index}`));
    const seen: string[] = [];
    for (let after = 0;;) {
      const page = await store.list("pending", after, 3);
      if (page.length === 0) break;
      for (const { number, id } of page) {
        seen.push(id);
        await store.remove(number, PENDING, "drop", "relaxed");
        after = number;
      }
    }
    assert.deepEqual(seen, numbers.map((_, index) => `job ${index}`));
    assert.equal(await store.count("pending"), 0);
  });

  test("listJobs() gives what list() names, the whole of it", async (store) => {
    for (const id of ["a", "b", "c"]) await store.create(newJob(id));
    const names = await store.list("pending", 1, 2);
    const jobs = await store.listJobs("pending", 1, 2);
    assert.deepEqual(jobs, await Promise.all(names.map(({ number }) => store.get(number))));
    assert.deepEqual(jobs.map(({ id }) => id), ["b", "c"]);
  });

  test("rename() gives another id, replaces where it may, and tells what it replaced", async (store) => {
    const a = await submit(store, "a");
    const b = await submit(store, "b");
    const changes = () => ({});
    assert.deepEqual(await store.rename(a, PENDING, "b", KEEP, changes, NOBODY), { kind: "taken" });
    const renamed = await store.rename(
      a,
      PENDING,
      "b",
      REPLACE,
      (_, replaced) => ({ mode: replaced?.number === b ? 1 : 2 }),
      NOBODY,
    );
    assert.equal(renamed.kind, "renamed");
    assert.ok(renamed.kind === "renamed");
    assert.deepEqual([renamed.job.number, renamed.job.id, renamed.job.mode, renamed.replaced?.number], [
      a,
      "b",
      1,
      b,
    ]);
    assert.equal(await store.get(b), undefined);
    assert.equal(await store.find("a"), undefined);
    assert.deepEqual(await store.rename(b, PENDING, "c", REPLACE, changes, NOBODY), { kind: "missing" });
    const active = await submit(store, "active");
    await store.update(a, PENDING, () => ({ held: true }), "relaxed");
    await store.claim(T0, ["1"], header);
    assert.equal((await store.get(active))?.state, "active");
    const inPending = ({ state }: { state: string }) => state === "pending";
    assert.deepEqual(await store.rename(a, PENDING, "active", inPending, changes, NOBODY), { kind: "taken" });
    const same = await store.rename(a, PENDING, "b", KEEP, () => ({ state: "failed" }), NOBODY);
    assert.ok(same.kind === "renamed" && same.job.state === "failed" && same.replaced === undefined);
  });

  test("a job that runs may get another id, which no new job starts under before the run has ended", async (store) => {
    const number = await submit(store, "x.1");
    const [claimed] = await store.claim(T0, ["1"], header);
    const active = { state: "active", run: "1" } as const;
    const renamed = await store.rename(number, active, "x", KEEP, () => ({ changedAt: T0 + 1 }), NOBODY);
    assert.ok(renamed.kind === "renamed");
    assert.deepEqual([renamed.job.state, renamed.job.id], ["active", "x"]);
    assert.equal((await store.jobOf(claimed?.run as string))?.id, "x");
    await store.remove(number, active, "drop", "durable");
    await submit(store, "x.1");
    await submit(store, "x");
    assert.deepEqual((await store.claim(T0, ["2", "3"], header)).map(({ job }) => job.id), ["x.1"]);
    await store.settle("1", () => ({}));
    assert.deepEqual((await store.claim(T0, ["4"], header)).map(({ job }) => job.id), ["x"]);
  });

  test("places: the first is kept, the next is the end of the queue", async (store) => {
    const a = await submit(store, "a");
    await submit(store, "b");
    await store.update(a, PENDING, () => ({ place: "first" }), "durable");
    assert.equal((await store.claim(T0, ["1"], header))[0]?.job.id, "a");
    await store.settle("1", () => ({ state: "pending", run: null, place: "next" }));
    assert.deepEqual((await store.claim(T0, ["2", "3"], header)).map(({ job }) => job.id), ["b", "a"]);
  });

  test("an unclosed command is what readers see, and what a new start forgets", async (store, place) => {
    const number = await submit(store, "a", "old");
    await store.update(number, PENDING, () => ({ held: true }), "relaxed");
    await store.update(number, PENDING, () => ({ unclosed: utf8("half wri") }), "durable");
    assert.equal(text(await store.readCommand(number, "written")), "half wri");
    assert.equal(text(await store.readCommand(number, "closed")), "old");
    assert.equal((await store.get(number))?.commandBytes, 8);
    await store[Symbol.asyncDispose]();
    await using again = await place.open();
    assert.equal(text(await again.readCommand(number, "written")), "old");
    assert.equal((await again.get(number))?.held, false);
    assert.equal((await again.claim(T0, ["1"], header)).length, 1);
  });

  test(
    "a new start keeps what was written and never closed, and does not let it start",
    async (store, place) => {
      const fresh = await store.create(newJob("fresh"));
      assert.ok(fresh);
      await store.update(fresh.number, PENDING, () => ({ unclosed: utf8("echo fresh") }), "durable");
      const emptied = await submit(store, "emptied", "echo old");
      await store.update(emptied, PENDING, () => ({ held: true, command: utf8("") }), "durable");
      await store.update(emptied, PENDING, () => ({ unclosed: utf8("echo new") }), "durable");
      await store[Symbol.asyncDispose]();
      await using again = await place.open();
      assert.equal(text(await again.readCommand(fresh.number, "closed")), "echo fresh");
      assert.equal(text(await again.readCommand(emptied, "closed")), "echo new");
      assert.deepEqual(await again.claim(T0, ["1", "2"], header), []);
      await again.update(emptied, PENDING, () => ({ place: "first" }), "durable");
      assert.equal((await again.claim(T0, ["1", "2"], header))[0]?.job.id, "emptied");
    },
  );

  test("runs are remembered, with what they are known by", async (store, place) => {
    await submit(store, "a");
    await submit(store, "b");
    await store.claim(T0, ["1", "2"], header);
    await store.identify("1", {
      leader: { pid: 5, startTicks: 7, bootId: "boot" },
      cgroup: "/cgroup",
      uid: 9,
    });
    await store[Symbol.asyncDispose]();
    await using again = await place.open();
    const runs = (await again.runs()).toSorted((one, other) => one.run.localeCompare(other.run));
    assert.deepEqual(runs, [
      { run: "1", id: "a", leader: { pid: 5, startTicks: 7, bootId: "boot" }, cgroup: "/cgroup", uid: 9 },
      { run: "2", id: "b", leader: undefined, cgroup: undefined, uid: undefined },
    ]);
    assert.equal((await again.jobOf("1"))?.id, "a");
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
        () => ({ command: utf8("x"), held: false, place: "first" }),
        index % 2 ? "durable" : "relaxed",
      )
    ));
    const claimed = await store.claim(T0, jobs.map((_, index) => `run ${index}`), header);
    assert.deepEqual(claimed.map(({ job }) => job.id), jobs.map((_, index) => `job ${index}`));
  });
}
