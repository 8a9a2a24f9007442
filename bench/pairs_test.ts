import assert from "node:assert/strict";
import { alternate, quantile, ratiosOf, spreadOf } from "./pairs.ts";

const QUANTILES = [
  [[7], 0.5, 7],
  [[1, 2, 3, 4], 0.5, 2.5],
  [[0, 10], 0.99, 9.9],
  [[1, 2, 3], 0, 1],
  [[1, 2, 3], 1, 3],
] as const;
for (const [values, share, expected] of QUANTILES) {
  Deno.test(`quantile() of ${values} at ${share}`, () => assert.equal(quantile(values, share), expected));
}

Deno.test("spreadOf() does not mind the order", () => {
  assert.deepEqual(spreadOf([10, 9, 100]), { median: 10, low: 9, high: 100 });
});

Deno.test("alternate() measures by turns, and leaves out the first round", async () => {
  const calls: string[] = [];
  const measure = (name: string) => (round: number) => {
    calls.push(`${name}${round}`);
    return Promise.resolve(round);
  };
  const pairs = await alternate(2, measure("a"), measure("b"));
  assert.deepEqual(calls, ["a-1", "b-1", "a0", "b0", "b1", "a1"]);
  assert.deepEqual(pairs, { filed: [0, 1], reference: [0, 1] });
});

Deno.test("ratiosOf() compares what was measured in the same round", () => {
  assert.deepEqual(ratiosOf({ filed: [1, 6], reference: [2, 3] }), [0.5, 2]);
});
