/** The wall clock is set while a retry waits: it neither waits for ever nor starts twice. */
import assert from "node:assert/strict";
import { Place } from "../harness.ts";
import { ClockBench } from "./bench.ts";

const NOON = Date.UTC(2030, 0, 1, 12);
const HOUR = 3_600_000;
/** What a first failure waits for, with the settings of a new queue. */
const BACKOFF = 4_000;

/** A bench whose job `x` has failed once, at noon. */
async function startWaiting(place: Place): Promise<ClockBench> {
  const bench = await ClockBench.start(place, NOON);
  await bench.submit("x");
  await bench.fail(await bench.executor.started(1));
  assert.equal(bench.alarm.at, NOON + BACKOFF);
  return bench;
}

Deno.test("a retry starts once at its time", async () => {
  await using place = await Place.make();
  await using bench = await startWaiting(place);
  await bench.untilAlarm();
  bench.alarm.onTime("due");
  await bench.settled();
  assert.deepEqual(bench.executor.starts.map(({ attempt }) => attempt), [1, 2]);
});

Deno.test("an alarm that rings early starts nothing, and is set again", async () => {
  await using place = await Place.make();
  await using bench = await startWaiting(place);
  bench.alarm.at = undefined;
  bench.alarm.onTime("due");
  await bench.settled();
  assert.equal(bench.executor.starts.length, 1);
  assert.equal(bench.alarm.at, NOON + BACKOFF);
});

Deno.test("a clock set forward past a retry's time starts it once", async () => {
  await using place = await Place.make();
  await using bench = await startWaiting(place);
  await bench.setClock(NOON + HOUR);
  bench.alarm.onTime("due");
  await bench.settled();
  assert.deepEqual(bench.executor.starts.map(({ attempt }) => attempt), [1, 2]);
});

for (const hours of [1, 24 * 365]) {
  Deno.test(`a clock set back by ${hours} h makes a retry wait no longer than it would have`, async () => {
    await using place = await Place.make();
    await using bench = await startWaiting(place);
    await bench.setClock(NOON - hours * HOUR);
    assert.equal(bench.alarm.at, NOON - hours * HOUR + BACKOFF);
    await bench.untilAlarm();
    assert.deepEqual(bench.executor.starts.map(({ attempt }) => attempt), [1, 2]);
  });
}

Deno.test("a clock that jumps to and fro starts a retry once", async () => {
  await using place = await Place.make();
  await using bench = await startWaiting(place);
  for (const hours of [-1, 0, -2, -1]) await bench.setClock(NOON + hours * HOUR);
  for (let round = 0; round < 3 && bench.executor.starts.length < 2; round++) await bench.untilAlarm();
  for (const hours of [1, -1]) await bench.setClock(NOON + hours * HOUR);
  assert.deepEqual(bench.executor.starts.map(({ attempt }) => attempt), [1, 2]);
});

Deno.test("a clock set back while filed was stopped makes a retry wait no longer", async () => {
  await using place = await Place.make();
  {
    await using _before = await startWaiting(place);
  }
  await using bench = await ClockBench.start(place, NOON - 5 * HOUR);
  assert.equal(bench.alarm.at, NOON - 5 * HOUR + BACKOFF);
});

Deno.test("a clock set back while an attempt runs does not make its retry wait", async () => {
  await using place = await Place.make();
  await using bench = await ClockBench.start(place, NOON);
  await bench.submit("x");
  const start = await bench.executor.started(1);
  await bench.setClock(NOON - HOUR);
  await bench.fail(start);
  assert.equal(bench.alarm.at, NOON - HOUR + BACKOFF);
});

Deno.test("a time that somebody set with touch is a time of day, whatever happens to the clock", async () => {
  await using place = await Place.make();
  await using bench = await startWaiting(place);
  const job = await bench.queue.byId("x");
  assert.ok(job);
  await bench.queue.setTimes(job, { modifiedAt: NOON + HOUR });
  await bench.setClock(NOON + HOUR / 2);
  assert.equal(bench.executor.starts.length, 1);
  await bench.untilAlarm();
  assert.equal(bench.clock.now, NOON + HOUR);
  assert.deepEqual(bench.executor.starts.map(({ attempt }) => attempt), [1, 2]);
});

Deno.test("what is due while all slots are taken sets no alarm, and starts with the next that is free", async () => {
  await using place = await Place.make();
  await using bench = await startWaiting(place);
  await bench.queue.configure({ maxJobCount: 1 });
  await bench.submit("y");
  const y = await bench.executor.started(2);
  assert.equal(bench.alarm.at, NOON + BACKOFF);
  await bench.untilAlarm();
  assert.deepEqual([bench.executor.starts.length, bench.alarm.at], [2, undefined]);
  await bench.submit("z"); // Whatever happens meanwhile.
  await bench.settled();
  assert.deepEqual([bench.executor.starts.length, bench.alarm.at], [2, undefined]);
  await bench.fail(y);
  assert.deepEqual(bench.executor.starts.map(({ jobId }) => jobId), ["x", "y", "x"]);
});

Deno.test("what is due while all slots are taken starts with a slot more", async () => {
  await using place = await Place.make();
  await using bench = await startWaiting(place);
  await bench.queue.configure({ maxJobCount: 0 });
  await bench.untilAlarm();
  assert.equal(bench.alarm.at, undefined);
  await bench.queue.configure({ maxJobCount: 1 });
  await bench.settled();
  assert.deepEqual(bench.executor.starts.map(({ attempt }) => attempt), [1, 2]);
});

Deno.test("a clock set back while a job is due and all slots are taken makes its retry wait no longer", async () => {
  await using place = await Place.make();
  await using bench = await startWaiting(place);
  await bench.queue.configure({ maxJobCount: 0 });
  await bench.untilAlarm();
  await bench.setClock(NOON - HOUR);
  assert.equal(bench.alarm.at, NOON - HOUR + BACKOFF);
  await bench.queue.configure({ maxJobCount: 1 });
  await bench.untilAlarm();
  assert.deepEqual(bench.executor.starts.map(({ attempt }) => attempt), [1, 2]);
});

Deno.test("first come, first served, also when the clock was set back between two submissions", async () => {
  await using place = await Place.make();
  await using bench = await ClockBench.start(place, NOON);
  await bench.queue.configure({ maxJobCount: 1 });
  for (const [id, at] of [["a", 0], ["b", -HOUR], ["c", HOUR]] as const) {
    bench.clock.now = NOON + at;
    await bench.submit(id);
  }
  for (let count = 1; count <= 3; count++) await bench.fail(await bench.executor.started(count));
  assert.deepEqual(bench.executor.starts.slice(0, 3).map(({ jobId }) => jobId), ["a", "b", "c"]);
});
