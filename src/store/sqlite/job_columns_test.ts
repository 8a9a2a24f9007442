import assert from "node:assert/strict";
import { KEYS, rowOf } from "./job_columns.ts";

Deno.test("a row is read in the order in which its columns are asked for", () => {
  const row = rowOf(KEYS.map((_, index) => index));
  assert.deepEqual(Object.keys(row), KEYS);
  assert.deepEqual(Object.values(row), KEYS.map((_, index) => index));
});
