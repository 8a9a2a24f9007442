import assert from "node:assert/strict";
import { Tally } from "./tally.ts";

Deno.test("a sum is that of all amounts, and of each account by itself", () => {
  const tally = new Tally();
  assert.equal(tally.of(1), 0);
  tally.add(1, 5);
  tally.add(2, 7);
  tally.add(1, -2);
  assert.deepEqual([tally.of(1), tally.of(2), tally.of(3)], [3, 7, 0]);
  tally.add(1, -3);
  assert.equal(tally.of(1), 0);
});
