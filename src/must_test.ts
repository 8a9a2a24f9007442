import assert from "node:assert/strict";
import { must } from "./must.ts";

Deno.test("must() gives what is there, also what is falsy, and says what is not so", () => {
  assert.deepEqual([must(0, "x"), must("", "x"), must(false, "x")], [0, "", false]);
  for (const nothing of [null, undefined]) {
    assert.throws(() => must(nothing, "a job has a row"), /a job has a row/);
  }
});
