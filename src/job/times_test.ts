import assert from "node:assert/strict";
import { changesOfTimes } from "./times.ts";

const NOW = 1_000;
const JOB = { id: "x", state: "pending", commandBytes: 1 } as const;

const CASES: [string, Parameters<typeof changesOfTimes>[0], Parameters<typeof changesOfTimes>[1], object][] =
  [
    ["an access", JOB, { accessedAt: 5 }, { accessedAt: 5 }],
    ["a time to come", JOB, { modifiedAt: 2_000 }, { writtenAt: NOW, visibleAt: 2_000, turn: "first" }],
    ["a time that is past", JOB, { modifiedAt: 5 }, { writtenAt: 5, visibleAt: null, turn: "first" }],
    ["an empty job", { ...JOB, commandBytes: 0 }, { modifiedAt: 5 }, { writtenAt: 5, visibleAt: null }],
    ["a draft", { ...JOB, id: ".x" }, { modifiedAt: 5 }, { writtenAt: 5, visibleAt: null }],
    ["a log", { ...JOB, state: "complete" }, { modifiedAt: 5 }, { loggedAt: 5 }],
  ];

for (const [name, job, times, changes] of CASES) {
  Deno.test(`changesOfTimes() of ${name}`, () =>
    assert.deepEqual(changesOfTimes(job, times, NOW), { changedAt: NOW, ...changes }));
}
