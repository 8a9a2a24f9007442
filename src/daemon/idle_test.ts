import assert from "node:assert/strict";
import { Rest } from "./idle.ts";

Deno.test("Rest acts once when it is quiet, and again after the next disturbance", async () => {
  let acted = Promise.withResolvers<void>();
  let count = 0;
  using rest = new Rest(() => {
    count++;
    acted.resolve();
  }, 1);
  for (const expected of [1, 2]) {
    rest.disturb();
    rest.disturb();
    await acted.promise;
    assert.equal(count, expected);
    acted = Promise.withResolvers();
  }
});

Deno.test("Rest looks again where something happened meanwhile", async () => {
  const clock = [0, 4, 5, 14]; // disturbed, again, a look, a look
  const acted = Promise.withResolvers<void>();
  let looks = 0;
  using rest = new Rest(acted.resolve, 10, () => clock.shift() ?? assert.fail(), () => looks++);
  rest.disturb();
  rest.disturb();
  await acted.promise;
  assert.deepEqual([clock, looks], [[], 2]);
});

Deno.test("Rest does nothing once it is disposed of", () => {
  const rest = new Rest(() => assert.fail(), 1);
  rest.disturb();
  rest[Symbol.dispose]();
  rest.disturb(); // The test's sanitizer finds a timer that is left.
});
