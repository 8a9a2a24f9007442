import assert from "node:assert/strict";
import { DEFAULT_CONFIG } from "./config.ts";
import type { Ending } from "./ending.ts";
import { settle } from "./settle.ts";
import { moveBetween } from "./moves.ts";
import { STATES } from "./state.ts";

const NOW = 1_000_000;
const CASES: [string, number, Ending, ReturnType<typeof settle>][] = [
  ["success", 1, { kind: "exited", status: 0 }, { state: "complete", attempts: 1 }],
  ["success at last", 3, { kind: "exited", status: 0 }, { state: "complete", attempts: 3 }],
  ["a first failure", 1, { kind: "exited", status: 1 }, {
    state: "pending",
    attempts: 1,
    visibleAt: NOW + 4_000,
  }],
  ["a second failure", 2, { kind: "signaled", signal: "SIGSEGV" }, {
    state: "pending",
    attempts: 2,
    visibleAt: NOW + 8_000,
  }],
  ["the last failure", 3, { kind: "exited", status: 127 }, { state: "failed", attempts: 3 }],
  ["the last attempt timed out", 3, { kind: "timed-out", afterSec: 5 }, { state: "failed", attempts: 3 }],
  ["more attempts than there may be by now", 7, { kind: "interrupted" }, { state: "failed", attempts: 7 }],
  ["not started", 1, { kind: "not-started", reason: "x", isFinal: false }, {
    state: "pending",
    attempts: 1,
    visibleAt: NOW + 4_000,
  }],
  ["what can never start", 1, { kind: "not-started", reason: "x", isFinal: true }, {
    state: "failed",
    attempts: 1,
  }],
];
/** Exit statuses, and whether they end a job that says `final=2,64-78`. */
const STATUSES = [[1, false], [2, true], [3, false], [63, false], [64, true], [78, true], [
  79,
  false,
]] as const;
for (const [status, isFinal] of STATUSES) {
  Deno.test(`settle() after exit status ${status} of a job for which 2 and 64 to 78 are final`, () => {
    const asks = { finalStatuses: [[2, 2], [64, 78]] as [number, number][] };
    const settled = settle(1, { kind: "exited", status }, DEFAULT_CONFIG, asks, NOW);
    assert.equal(settled.state, isFinal ? "failed" : "pending");
  });
}

for (const [name, attempts, ending, expected] of CASES) {
  Deno.test(`settle() after ${name}`, () => {
    assert.deepEqual(settle(attempts, ending, DEFAULT_CONFIG, {}, NOW), expected);
  });
}

Deno.test("moveBetween() is the table of the contract", () => {
  const table = STATES.map((from) => STATES.map((to) => moveBetween(from, to)));
  assert.deepEqual(table, [
    // to: pending, active, complete, failed
    ["rename", "forbidden", "forbidden", "withdraw"], // from pending
    ["restart", "busy", "forbidden", "abort"], // from active
    ["retry", "forbidden", "rename", "forbidden"], // from complete
    ["retry", "forbidden", "forbidden", "rename"], // from failed
  ]);
});
