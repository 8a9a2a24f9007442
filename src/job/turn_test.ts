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

const PASSED_BY_NONE = [[1, 7, 0], [1, 5, 0], [2, 9, 2]];
const BEHIND = [[3, 5, 0], [3, MANY, 0], [3, 9, 2], [1, 6, -1], [2, 1, 0], [2, 1, 1]];
const ELSEWHERE = [[3, 4, 0], [3, 6, -1], [1, 4, 0], [1, 8, 1], [3, 8, 2], [2, 8, 2]];
const placeOf = ([uid = 0, submission = 0, priority]: number[]) => ({
  uid,
  turn: turnOf(submission, priority),
});

Deno.test("HeldUp holds up who is behind, of the same priority or the same user, and nobody else", () => {
  const heldUp = new HeldUp(PASSED_BY_NONE.map(placeOf));
  const isHeldUp = (place: number[]) => {
    const { turn, uid } = placeOf(place);
    return heldUp.has(turn, uid);
  };
  for (const place of BEHIND) assert.equal(isHeldUp(place), true, `${place}`);
  for (const place of ELSEWHERE) assert.equal(isHeldUp(place), false, `${place}`);
  assert.equal(HeldUp.NOTHING.has(turnOf(MANY, -100), 1), false);
});
