import assert from "node:assert/strict";
import { IdleTimer } from "./idle.ts";

Deno.test("IdleTimer acts once when it is quiet, and again after the next disturbance", async () => {
  let acted = Promise.withResolvers<void>();
  let count = 0;
  using timer = new IdleTimer(() => {
    count++;
    acted.resolve();
  }, 1);
  for (const expected of [1, 2]) {
    timer.disturb();
    timer.disturb();
    await acted.promise;
    assert.equal(count, expected);
    acted = Promise.withResolvers();
  }
});

Deno.test("IdleTimer looks again where something happened meanwhile", async () => {
  const clock = [0, 4, 5, 14]; // disturbed, again, a look, a look
  const acted = Promise.withResolvers<void>();
  let looks = 0;
  using timer = new IdleTimer(acted.resolve, 10, () => clock.shift() ?? assert.fail(), () => looks++);
  timer.disturb();
  timer.disturb();
  await acted.promise;
  assert.deepEqual([clock, looks], [[], 2]);
});

Deno.test("IdleTimer does nothing once it is disposed of", () => {
  const timer = new IdleTimer(() => assert.fail(), 1);
  timer.disturb();
  timer[Symbol.dispose]();
  timer.disturb(); // The test's sanitizer finds a timer that is left.
});
