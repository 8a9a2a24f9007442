import assert from "node:assert/strict";
import { HeldUp, submissionOf, turnOf } from "./turn.ts";

const MANY = 2 ** 44 - 1;

/** Each goes before the next. */
const IN_ORDER = [
  ["the first of the highest priority", turnOf(0, 100)],
  ["the last of the highest priority", turnOf(MANY, 100)],
  ["the first of a higher priority", turnOf(0, 1)],
  ["a late one of a higher priority", turnOf(MANY, 1)],
  ["the first of none", turnOf(0)],
  ["the second of none", turnOf(1)],
  ["a late one of none", turnOf(MANY)],
  ["the first of a lower priority", turnOf(0, -1)],
  ["the first of the lowest priority", turnOf(0, -100)],
  ["the last of the lowest priority", turnOf(MANY, -100)],
] as const;
for (const [index, [name, turn]] of IN_ORDER.entries()) {
  const [before, turnBefore] = IN_ORDER[index - 1] ?? ["nothing", -1];
  Deno.test(`turnOf(): after ${before} comes ${name}, a whole number that is exact`, () => {
    assert.ok(turnBefore < turn);
    assert.ok(Number.isSafeInteger(turn));
  });
}

for (const submission of [0, 1, 1_000, MANY]) {
  for (const priority of [-100, -1, 0, 1, 100]) {
    Deno.test(`submissionOf() gives back submission ${submission} of priority ${priority}`, () => {
      assert.equal(submissionOf(turnOf(submission, priority)), submission);
    });
  }
}

Deno.test("turnOf() without a priority is what old files are brought up to date with", () => {
  assert.equal(turnOf(7), 1759218604441600 + 7);
});

Deno.test("HeldUp holds up those of its priority that are behind the first, and no others", () => {
  const heldUp = new HeldUp([turnOf(7), turnOf(5), turnOf(9, 2)]);
  for (const turn of [turnOf(5), turnOf(6), turnOf(MANY), turnOf(9, 2), turnOf(10, 2)]) {
    assert.equal(heldUp.has(turn), true);
  }
  for (const turn of [turnOf(4), turnOf(6, -1), turnOf(6, 1), turnOf(8, 2), turnOf(10, 3)]) {
    assert.equal(heldUp.has(turn), false);
  }
  assert.equal(HeldUp.NOTHING.has(turnOf(MANY, -100)), false);
});
