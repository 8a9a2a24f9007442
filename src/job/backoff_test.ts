import assert from "node:assert/strict";
import { backoffMs } from "./backoff.ts";

const CASES = [
  ["the defaults, one failure", 2, 2, 1, 4_000],
  ["the defaults, two failures", 2, 2, 2, 8_000],
  ["a fraction", 0.5, 1.5, 2, 1_125],
  ["no growth", 3, 1, 9, 3_000],
  ["no wait", 0, 2, 5, 0],
  ["no wait, whatever the power", 0, 1e6, 1_000, 0],
  ["a power past all dates: ten years", 2, 1e6, 1_000, 315_360_000_000],
] as const;
for (const [name, backoffBase, backoffMult, attempts, expected] of CASES) {
  Deno.test(`backoffMs() with ${name}`, () => {
    assert.equal(backoffMs({ backoffBase, backoffMult }, attempts), expected);
  });
}
