import assert from "node:assert/strict";
import { standInOf } from "./subuid.ts";

const TEXT = "ann:100000:65536\n# bob:1:2\nbob:165536:65536\n\n1003:300000:1\nroot:0:10\nodd:x:y\n";
const CASES: [what: string, uid: number, expected: number][] = [
  ["a user's own id", 1_001, 1_001],
  ["the first of a range", 100_000, 100_000],
  ["another of it", 123_456, 100_000],
  ["the last of it", 165_535, 100_000],
  ["one of the next", 165_536, 165_536],
  ["a range of one", 300_000, 300_000],
  ["what is behind all", 300_001, 300_001],
  ["root, whatever the file says", 0, 0],
  ["what a line of root's would take in", 5, 5],
];
const standIn = standInOf(TEXT);
for (const [what, uid, expected] of CASES) {
  Deno.test(`subuid: ${what}`, () => assert.equal(standIn(uid), expected));
}

Deno.test("subuid: where there are no ranges, each stands for itself", () => {
  assert.equal(standInOf("")(100_000), 100_000);
});
