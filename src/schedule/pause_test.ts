import assert from "node:assert/strict";
import { Pause } from "./pause.ts";

const SHORTAGE = { of: "all", missing: "memory", advice: "buy some", error: "clone3: ENOMEM" } as const;

/** One in which a start was put off at 0 and is back. */
function paused(): Pause {
  const pause = new Pause(SHORTAGE);
  pause.putOff(0);
  pause.returned();
  return pause;
}

Deno.test("a pause lets nothing start at first", () => assert.equal(paused().allowed, 0));

Deno.test("a pause tries one start after a second, and not before", () => {
  const pause = paused();
  assert.equal(pause.nextAt, 1_000);
  assert.equal(pause.look(1_000), false);
  assert.equal(pause.allowed, 1);
  pause.take();
  assert.equal(pause.allowed, 0);
});

Deno.test("a pause tries one start for each run that ends", () => {
  const pause = paused();
  pause.runEnded();
  pause.runEnded();
  assert.equal(pause.allowed, 2);
});

Deno.test("a pause tries nothing more once a start is put off again", () => {
  const pause = paused();
  pause.runEnded();
  pause.runEnded();
  pause.take();
  pause.putOff(400);
  pause.returned();
  assert.deepEqual([pause.allowed, pause.nextAt], [0, 1_400]);
});

Deno.test("a pause tries nothing before what was put off is back in its place", () => {
  const pause = paused();
  pause.putOff(0);
  pause.runEnded();
  assert.equal(pause.allowed, 0);
  pause.returned();
  assert.equal(pause.allowed, 1);
});

Deno.test("a pause tries any number after a second in which none was put off, and is over after another", () => {
  const pause = paused();
  assert.deepEqual([pause.look(1_000), pause.look(2_000)], [false, false]);
  assert.equal(pause.allowed, Infinity);
  assert.equal(pause.look(3_000), true);
});

Deno.test("a pause goes on if some of any number are put off", () => {
  const pause = paused();
  for (const now of [1_000, 2_000]) pause.look(now);
  pause.putOff(2_100);
  pause.returned();
  assert.equal(pause.allowed, 0);
  assert.deepEqual([pause.look(3_100), pause.look(4_100), pause.look(5_100)], [false, false, true]);
});

Deno.test("a pause goes on for as long as starts are put off", () => {
  const pause = paused();
  for (let now = 1_000; now < 10_000; now += 1_100) {
    assert.equal(pause.look(now), false);
    pause.take();
    pause.putOff(now + 100);
    pause.returned();
  }
});
