import assert from "node:assert/strict";
import { JobTable } from "../../src/store/sqlite/jobs.ts";
import type { NewJob } from "../../src/store/store.ts";
import { openTable } from "./temp_table.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const newJob = (id: string): NewJob => ({ id, uid: 1, gid: 2, mode: 0o640, held: true, now: 1_000 });

function open() {
  const used: number[] = [];
  const { table, ...place } = openTable((database) => new JobTable(database, (number) => used.push(number)));
  return {
    ...place,
    jobs: table,
    used,
    /** Another table on the same database: it has nothing in memory. */
    again: () => new JobTable(place.database, () => {}),
    statements: () => place.database.prepare("SELECT total_changes() AS changes").get()?.changes as number,
  };
}

Deno.test("what is made of a job within a transaction is written once", () => {
  using place = open();
  const { jobs, database } = place;
  jobs.add(1, newJob("a"));
  const before = place.statements();
  place.commit(() => {
    jobs.change(1, { unclosed: bytes("ech"), writtenAt: 2_000 });
    jobs.change(1, { command: bytes("echo a"), unclosed: null, place: 7 });
  });
  assert.equal(place.statements() - before, 1);
  assert.deepEqual(place.used, [1]);
  assert.deepEqual(place.again().get(1), { ...jobs.get(1), held: false });
  assert.deepEqual([jobs.get(1)?.commandBytes, jobs.get(1)?.place, jobs.get(1)?.writtenAt], [6, 7, 2_000]);
  assert.deepEqual({ ...database.prepare("SELECT command, unclosed FROM jobs").get() }, {
    command: bytes("echo a"),
    unclosed: null,
  });
});

Deno.test("what a change leaves as it is is not written", () => {
  using place = open();
  place.jobs.add(1, newJob("a"));
  place.commit(() => {});
  const before = place.statements();
  place.commit(() => place.jobs.change(1, { held: false, unclosed: null, mode: 0o640, visibleAt: null }));
  assert.equal(place.statements(), before);
  assert.equal(place.jobs.get(1)?.held, false);
});

Deno.test("a job is found by its id of the moment, stored or not", () => {
  using place = open();
  const { jobs } = place;
  assert.equal(jobs.find("a"), undefined);
  jobs.add(1, newJob("a"));
  assert.equal(jobs.find("a")?.number, 1);
  assert.equal(jobs.find("b"), undefined);
  place.commit(() => jobs.change(1, { id: "b" }));
  assert.deepEqual([jobs.find("a"), jobs.find("b")?.number], [undefined, 1]);
  place.commit(() => jobs.remove(1));
  assert.deepEqual([jobs.find("b"), jobs.get(1), place.again().find("b")], [undefined, undefined, undefined]);
});

Deno.test("jobs can swap their ids within a transaction, and a new one take one that was given up", () => {
  using place = open();
  const { jobs } = place;
  jobs.add(1, newJob("a"));
  jobs.add(2, newJob("b"));
  place.commit(() => {});
  place.commit(() => {
    jobs.change(1, { id: "c" });
    jobs.change(2, { id: "a" });
    jobs.change(1, { id: "b" });
    jobs.change(1, { id: "d" });
    jobs.add(3, newJob("b"));
  });
  const again = place.again();
  assert.deepEqual(["a", "b", "c", "d"].map((id) => again.find(id)?.number), [2, 3, undefined, 1]);
});

Deno.test("after a rollback jobs are as they were, and those are named that were never stored", () => {
  using place = open();
  const { jobs } = place;
  jobs.add(1, newJob("kept"));
  place.commit(() => {});
  const before = jobs.get(1);
  jobs.add(2, newJob("unwritten"));
  const lost = place.rollBack(() => {
    jobs.add(3, newJob("written"));
    jobs.write();
    jobs.change(1, { mode: 0o600, held: false, id: "renamed", unclosed: bytes("x") });
  });
  assert.deepEqual(lost.toSorted(), [2, 3]);
  assert.deepEqual(jobs.get(1), before);
  assert.deepEqual([...jobs.holds], [[1, "held"]]);
  assert.deepEqual(["renamed", "unwritten", "written"].map((id) => jobs.find(id)), [
    undefined,
    undefined,
    undefined,
  ]);
});

Deno.test("a hold that concerns nothing else stays when a transaction is rolled back", () => {
  using place = open();
  const { jobs } = place;
  jobs.add(1, newJob("a"));
  place.commit(() => {});
  place.rollBack(() => {
    assert.equal(jobs.isClosed(1), true);
    assert.equal(jobs.hold(1, false).held, false);
    jobs.change(1, { unclosed: bytes("x") });
    assert.equal(jobs.isClosed(1), false);
  });
  assert.deepEqual([jobs.isClosed(1), jobs.get(1)?.held], [true, false]);
});

/** All that a search finds. */
const found = (jobs: JobTable) => jobs.ready.find(10, jobs.placeHeldInLine(), () => "may-start");
const closed = (place: number) => ({ command: bytes("x"), unclosed: null, place, held: false });

Deno.test("a job is ready while it is not held, also once a hold was rolled back", () => {
  using place = open();
  const { jobs } = place;
  for (const number of [1, 2]) jobs.add(number, newJob(`job ${number}`));
  place.commit(() => [1, 2].map((number) => jobs.change(number, closed(number))));
  assert.deepEqual(found(jobs), [1, 2]);
  jobs.hold(1, true);
  assert.deepEqual(found(jobs), [2]);
  jobs.hold(1, false);
  place.commit(() => jobs.change(2, { held: true }));
  assert.deepEqual(found(jobs), [1]);
  place.rollBack(() => jobs.change(2, { held: false }));
  assert.deepEqual(found(jobs), [1]);
  place.commit(() => jobs.change(2, { held: false }));
  assert.deepEqual(found(jobs), [1, 2]);
  jobs.hold(2, true);
  jobs.forget();
  assert.deepEqual(found(jobs), [1]);
});

Deno.test("what is held in line is known by its place of the moment, also after a rollback", () => {
  using place = open();
  const { jobs } = place;
  for (const number of [1, 2, 3]) jobs.add(number, newJob(`job ${number}`));
  place.commit(() => [1, 2, 3].map((number) => jobs.change(number, closed(number))));
  place.commit(() => jobs.change(2, { held: "in-line" }));
  assert.deepEqual([found(jobs), jobs.placeHeldInLine()], [[1], 2]);
  place.rollBack(() => jobs.change(2, { held: false, place: 9 }));
  assert.deepEqual([found(jobs), jobs.placeHeldInLine()], [[1], 2]);
  place.commit(() => jobs.change(2, { place: 4 }));
  assert.deepEqual([found(jobs), jobs.placeHeldInLine()], [[1, 3], 4]);
  place.commit(() => jobs.change(2, { place: null }));
  assert.equal(jobs.placeHeldInLine(), Infinity);
  place.commit(() => jobs.change(2, { place: 5 }));
  place.commit(() => jobs.change(1, { held: "in-line" }));
  assert.equal(jobs.placeHeldInLine(), 1);
  place.commit(() => jobs.remove(1));
  assert.equal(jobs.placeHeldInLine(), 5);
  jobs.hold(2, false);
  assert.equal(jobs.placeHeldInLine(), Infinity);
});

Deno.test("many jobs are not all kept in memory, and none of them is lost", () => {
  using place = open();
  const { jobs } = place;
  place.commit(() => {
    for (let number = 1; number <= 3_000; number++) jobs.add(number, newJob(`job ${number}`));
  });
  place.commit(() => {
    for (let number = 1; number <= 3_000; number++) jobs.change(number, { mode: number % 8 });
  });
  for (let number = 1; number <= 3_000; number++) {
    assert.equal(jobs.find(`job ${number}`)?.mode, number % 8);
  }
});

Deno.test("a new job is lost also if it was removed in a transaction that is rolled back", () => {
  using place = open();
  const { jobs } = place;
  jobs.add(1, newJob("a"));
  assert.deepEqual(place.rollBack(() => jobs.remove(1)), [1]);
  assert.deepEqual([jobs.get(1), [...jobs.holds]], [undefined, []]);
});
