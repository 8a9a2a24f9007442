import assert from "node:assert/strict";
import type { Job, Pending } from "../job/job.ts";
import { SetAside } from "./set_aside.ts";

const JOB = { number: 1, file: 1, id: "x", state: "pending", turn: 7 } as Pending;
const BY = 1_000;
const BACKUP: Job = { ...JOB, id: "x~", turn: null };

const CASES: [string, Job, Job, number, string, Pending | undefined][] = [
  ["that was just set aside", JOB, BACKUP, 10, "x", JOB],
  ["that was set aside long ago", JOB, BACKUP, 1_000, "x", undefined],
  ["that got another name", JOB, { ...JOB, id: "y" }, 10, "x", undefined],
  ["that was a draft", { ...JOB, turn: null }, BACKUP, 10, "x", undefined],
  ["of another id", JOB, BACKUP, 10, "y", undefined],
];
for (const [what, before, job, laterMs, id, expected] of CASES) {
  Deno.test(`a job ${what}`, () => {
    let now = 1_000_000;
    const aside = new SetAside(() => now);
    aside.renamed(before, job, BY);
    now += laterMs;
    assert.equal(aside.take(id, BY + 1), undefined);
    assert.equal(aside.take(id, BY), expected);
    assert.equal(aside.take(id, BY), undefined);
  });
}
