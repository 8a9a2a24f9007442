import assert from "node:assert/strict";
import { startOfNew } from "./moves.ts";

const NOW = 1_000_000;
const LATER = NOW + 3_600_000;

const CASES = [
  ["without a backup", undefined, null],
  ["with a backup set aside just now", { state: "pending", visibleAt: LATER, changedAt: NOW - 10 }, LATER],
  ["with one that waited for nothing", { state: "pending", visibleAt: null, changedAt: NOW - 10 }, null],
  ["with an old backup", { state: "pending", visibleAt: LATER, changedAt: NOW - 1_000 }, null],
  ["with a job of that name that ended", { state: "complete", visibleAt: LATER, changedAt: NOW }, null],
] as const;
for (const [name, backup, expected] of CASES) {
  Deno.test(`startOfNew() ${name}`, () => assert.equal(startOfNew(backup, NOW), expected));
}
