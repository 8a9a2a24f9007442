import assert from "node:assert/strict";
import { attemptKey, jobOfAttempt, nextOrdinal } from "./attempt.ts";

const LAST_JOB = 2 ** 33 - 1;
const LAST_ORDINAL = 2 ** 20 - 1;

const KEYS = [
  [0, 0, 0],
  [1, 1, 2 ** 20 + 1],
  [1, LAST_ORDINAL, 2 ** 21 - 1],
  [2, 0, 2 ** 21],
  [LAST_JOB, LAST_ORDINAL, 2 ** 53 - 1],
] as const;
for (const [job, ordinal, key] of KEYS) {
  Deno.test(`attemptKey() of attempt ${ordinal} of job ${job} is ${key}, exactly, and tells the job`, () => {
    assert.equal(attemptKey(job, ordinal), key);
    assert.ok(Number.isSafeInteger(key));
    assert.equal(jobOfAttempt(key), job);
  });
}

const NEXT = [
  ["the first of a job that had none", 0, 1],
  ["the second", 1, 2],
  ["the last that a key has room for", LAST_ORDINAL - 1, LAST_ORDINAL],
  ["the first again after that", LAST_ORDINAL, 1],
] as const;
for (const [name, ordinal, next] of NEXT) {
  Deno.test(`nextOrdinal() is ${name}`, () => assert.equal(nextOrdinal(ordinal), next));
}
