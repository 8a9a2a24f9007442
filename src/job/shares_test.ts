import assert from "node:assert/strict";
import { DEFAULT_CONFIG } from "./config.ts";
import { describeUsedUp, isUsedUp, type Share, shareOf, type Submitted, type Usage } from "./shares.ts";

Deno.test("nobody is bounded by default, nor by a setting of 0", () => {
  assert.equal(shareOf(DEFAULT_CONFIG), undefined);
  assert.equal(shareOf({}), undefined);
  assert.equal(shareOf({ maxJobCountPerUser: 5 }), undefined);
});

Deno.test("a share has what is bounded, and nothing else", () => {
  assert.deepEqual(shareOf({ maxPendingPerUser: 5 }), { pendingJobs: 5 });
  assert.deepEqual(shareOf({ maxLogMbPerUser: 2, maxPendingPerUser: 0 }), { logBytes: 2_097_152 });
  assert.deepEqual(shareOf({ maxLogMbPerUser: 1, maxPendingPerUser: 1 }), {
    pendingJobs: 1,
    logBytes: 1_048_576,
  });
});

const CASES: [Share, keyof Usage, number, Submitted, boolean][] = [
  [{}, "pendingJobs", 1_000_000, "a-new-job", false],
  [{ logBytes: 0 }, "pendingJobs", 1_000_000, "a-new-job", false],
  [{ pendingJobs: 3 }, "pendingJobs", 2, "a-new-job", false],
  [{ pendingJobs: 3 }, "pendingJobs", 3, "a-new-job", true],
  [{ pendingJobs: 3 }, "pendingJobs", 3, "a-draft", false], // Which is one of the three.
  [{ pendingJobs: 3 }, "pendingJobs", 4, "a-draft", true],
  [{ logBytes: 10 }, "logBytes", 10, "a-new-job", false],
  [{ logBytes: 10 }, "logBytes", 11, "a-new-job", true],
  [{ logBytes: 10 }, "logBytes", 11, "a-draft", true],
];
for (const [share, what, used, submitted, expected] of CASES) {
  Deno.test(`of ${JSON.stringify(share)} with ${used} ${what}, ${submitted} is ${expected ? "refused" : "taken"}`, () => {
    assert.equal(isUsedUp(share, what, used, submitted), expected);
  });
}

Deno.test("a refusal names the setting, how much it is, and what mends it", () => {
  const share = { pendingJobs: 7, logBytes: 3_145_728 };
  assert.match(
    describeUsedUp("pendingJobs", share),
    /^its owner has .*: 7 \(max_pending_per_user\); some have to/,
  );
  assert.match(
    describeUsedUp("logBytes", share),
    /^the logs .*: 3 MiB \(max_log_mb_per_user\); some of the jobs/,
  );
});
