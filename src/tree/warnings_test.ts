import assert from "node:assert/strict";
import { Accounts } from "./accounts.ts";
import { Warnings } from "./warnings.ts";

const [ANN, BOB] = [1_001, 1_002];

Deno.test("of the warnings that one user causes, ten are logged within a minute, the last of them as such", () => {
  let now = 0;
  const warnings = new Warnings(new Accounts(), () => now);
  const verdicts = (uid: number, count: number) => Array.from({ length: count }, () => warnings.judge(uid));
  const logged = Array.from({ length: 9 }, () => "log");
  assert.deepEqual(verdicts(ANN, 12), [...logged, "log-as-last", "leave-out", "leave-out"]);
  assert.deepEqual(verdicts(BOB, 1), ["log"]);
  now = 59_999;
  assert.deepEqual(verdicts(ANN, 1), ["leave-out"]);
  now = 60_000;
  assert.deepEqual(verdicts(ANN, 10), [...logged, "log-as-last"]);
});

Deno.test("a clock that is set back silences nobody", () => {
  let now = 1_000_000;
  const warnings = new Warnings(new Accounts(), () => now);
  for (let line = 0; line < 20; line++) warnings.judge(ANN);
  now = 0;
  assert.equal(warnings.judge(ANN), "log");
});

Deno.test("all ids of a user have one share of the journal", () => {
  const warnings = new Warnings(new Accounts({ accountOf: (uid) => uid > 100_000 ? 100_000 : uid }), () => 0);
  const verdicts = Array.from({ length: 11 }, (_, index) => warnings.judge(100_001 + index));
  assert.deepEqual(verdicts.slice(-2), ["log-as-last", "leave-out"]);
});
