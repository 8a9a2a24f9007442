import assert from "node:assert/strict";
import { randomStart, shortId } from "./new_id.ts";

Deno.test("shortId() never gives one twice, in the whole of the shortest length and past it", () => {
  const count = 31 ** 4 + 1_000;
  const seen = new Set<string>();
  for (let index = 0; index < count; index++) seen.add(shortId(index));
  assert.equal(seen.size, count);
});

Deno.test("shortId() is 4 characters while that is roomy, then 5, of letters and digits that can't be misread", () => {
  const CASES = [[0, 4], [31 ** 4 - 1, 4], [31 ** 4, 5], [31 ** 4 + 31 ** 5 - 1, 5], [
    31 ** 4 + 31 ** 5,
    6,
  ]] as const;
  for (const [index, length] of CASES) {
    assert.match(shortId(index), new RegExp(`^[2-9a-hjkmnp-z]{${length}}$`));
  }
});

Deno.test("randomStart() leaves half of the shortest ids, and is another one each time", () => {
  const starts = Array.from({ length: 100 }, randomStart);
  assert.ok(starts.every((start) => Number.isInteger(start) && start >= 0 && start < 31 ** 4 / 2));
  assert.ok(new Set(starts).size > 90);
});
