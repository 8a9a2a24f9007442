/** What follows an attempt: where the job goes, and when it runs again. */
import assert from "node:assert/strict";
import { type Filed, ok, startFiled } from "../harness.ts";
import {
  assertHeld,
  assertWithin,
  during,
  Gate,
  resume,
  settled,
  started,
  startPaused,
  stat,
} from "./expect.ts";

const HOUR_MS = 3_600_000;
/** A retry that is due starts sooner, also on a busy machine. */
const LATE_MS = 30_000;

async function mtimeOf(filed: Filed, id: string): Promise<number> {
  return Number((await stat(filed, `pending/${id}`)).mtimeMs);
}

/** When, epoch ms, the nth line of that message about the job was written. */
async function timeOf(filed: Filed, message: string, job: string, nth: number): Promise<number> {
  const lines = await filed.events(message, { job }, nth);
  return Date.parse(lines[nth - 1]?.["@timestamp"] ?? "");
}

/**
 * Asserts that a job waits for so long after the end of its nth attempt, which was between two lines of the
 * log.
 */
async function assertWaitsAfter(filed: Filed, id: string, nth: number, waitMs: number): Promise<void> {
  const startedAt = await timeOf(filed, "attempt started", id, nth);
  const endedAt = await timeOf(filed, "attempt ended", id, nth);
  assertWithin(await mtimeOf(filed, id) - waitMs, [startedAt, endedAt], "the end of the attempt");
}

/** Runs a script that makes a job wait for an hour from then. @returns Asserts that its mtime says so. */
async function delayByAnHour(filed: Filed, script: string): Promise<(id: string) => Promise<void>> {
  const span = await during(() => ok(filed.sh(script)));
  return async (id) => assertWithin(await mtimeOf(filed, id) - HOUR_MS, span, "an hour before its time");
}

async function fails(filed: Filed, id: string): Promise<void> {
  await filed.submit(id, "false");
  await filed.event("attempt ended", { job: id, state: "pending" });
}

Deno.test("exit status 0 takes a job to complete/", async () => {
  await using filed = await startFiled();
  await filed.finish("job", "exit 0");
  assert.deepEqual(await filed.list("complete"), ["job"]);
});

for (const status of [1, 2, 126, 255]) {
  Deno.test(`exit status ${status} takes a job that has no attempt left to failed/`, async () => {
    await using filed = await startFiled({ config: { max_attempts: 1 } });
    assert.match(await filed.finish("job", `exit ${status}`), new RegExp(`exit status ${status}\n$`));
    assert.deepEqual(await filed.list("failed"), ["job"]);
  });
}

Deno.test("a job fails after max_attempts attempts", async () => {
  await using filed = await startFiled({ config: { max_attempts: 4, backoff_base: 0 } });
  await filed.finish("job", "false");
  assert.deepEqual(started(filed), ["job", "job", "job", "job"]);
});

Deno.test("a job that succeeds at its second attempt makes no third", async () => {
  await using filed = await startFiled({ config: { backoff_base: 0 } });
  await filed.finish("job", "[ $FILED_ATTEMPT = 2 ]");
  await settled(filed);
  assert.deepEqual([started(filed), await filed.list("complete")], [["job", "job"], ["job", "probe-1"]]);
});

Deno.test("a failed attempt puts the job back into pending/, with its command", async () => {
  await using filed = await startFiled({ config: { backoff_base: 1_000 } });
  await fails(filed, "job");
  assert.equal(await Deno.readTextFile(`${filed.mount}/pending/job`), "false");
});

Deno.test("a first attempt never waits", async () => {
  await using filed = await startFiled({ config: { backoff_base: 1_000_000 } });
  assert.equal(await filed.finish("job", "echo now"), ">>> echo now\nnow\n");
});

Deno.test("a failed attempt waits backoff_base * backoff_mult ^ attempts seconds, which mtime shows", async () => {
  await using filed = await startFiled({ config: { backoff_base: 100, backoff_mult: 3 } });
  await fails(filed, "job");
  await assertWaitsAfter(filed, "job", 1, 300_000);
  await ok(filed.sh("touch $M/pending/job"));
  await assertWaitsAfter(filed, "job", 2, 900_000);
});

Deno.test("the backoff of the defaults is 4 s after the first attempt", async () => {
  await using filed = await startFiled();
  using gate = await Gate.make(filed.place);
  await filed.submit("job", `${gate.waiting}; false`);
  await gate.closedOn();
  await filed.configure({ max_job_count: 0 }); // Its time may have come before anybody looks.
  gate.open();
  await assertWaitsAfter(filed, "job", 1, 4_000);
});

Deno.test("a backoff may be a fraction of a second, and is kept", async () => {
  await using filed = await startFiled({ config: { max_attempts: 2, backoff_base: 0.2, backoff_mult: 1.5 } });
  await filed.finish("job", "false");
  const endedAt = await timeOf(filed, "attempt ended", "job", 1);
  const waitedMs = await timeOf(filed, "attempt started", "job", 2) - endedAt;
  assert.ok(waitedMs >= 300 - 20 && waitedMs < LATE_MS, `${waitedMs} ms`);
});

Deno.test("a retry starts when it is due, whatever else waits longer", async () => {
  await using filed = await startFiled({ config: { backoff_base: 1_000 } });
  await fails(filed, "later");
  await filed.configure({ max_attempts: 2, backoff_base: 0.2, backoff_mult: 1 });
  await filed.finish("sooner", "false");
  assert.deepEqual(started(filed), ["later", "sooner", "sooner"]);
});

Deno.test("another backoff in config.json counts for failures to come, not for what waits", async () => {
  await using filed = await startFiled({ config: { backoff_base: 1_000 } });
  await fails(filed, "job");
  const before = await mtimeOf(filed, "job");
  await filed.configure({ backoff_base: 0 });
  await assertWaits(filed, "job", before);
});

async function assertWaits(filed: Filed, id: string, mtimeMs: number): Promise<void> {
  await settled(filed);
  assert.equal(await mtimeOf(filed, id), mtimeMs);
}

Deno.test("touch starts a retry that waits", async () => {
  await using filed = await startFiled({ config: { max_attempts: 2, backoff_base: 1_000 } });
  await fails(filed, "job");
  await ok(filed.sh("touch $M/pending/job"));
  await filed.finished("job");
  assert.deepEqual(started(filed), ["job", "job"]);
});

Deno.test("touch -d in the past starts a retry that waits", async () => {
  await using filed = await startFiled({ config: { max_attempts: 2, backoff_base: 1_000 } });
  await fails(filed, "job");
  await ok(filed.sh("touch -d '-1 hour' $M/pending/job"));
  await filed.finished("job");
});

Deno.test("touch -d '+1 hour' delays a retry, and mtime shows it", async () => {
  await using filed = await startFiled({ config: { backoff_base: 0.3, backoff_mult: 1 } });
  using gate = await Gate.make(filed.place);
  await filed.submit("job", `${gate.waiting}; false`);
  await gate.closedOn();
  await filed.configure({ max_job_count: 0 }); // Its retry may be due before it is touched.
  gate.open();
  await filed.event("attempt ended", { job: "job", state: "pending" });
  const assertDelayed = await delayByAnHour(filed, "touch -d '+1 hour' $M/pending/job");
  await assertDelayed("job");
  await filed.configure({ max_job_count: 20, max_attempts: 2 });
  await filed.finish("other", "false"); // Its retry is due after what the first one's would have been.
  assert.deepEqual(started(filed), ["job", "other", "other"]);
});

Deno.test("touch -d '+1 hour' delays a job that was never run", async () => {
  await using filed = await startPaused();
  await filed.submit("job", "true");
  await ok(filed.sh("touch -d '+1 hour' $M/pending/job"));
  await resume(filed);
  await assertHeld(filed, "job");
  await ok(filed.sh("touch $M/pending/job"));
  await filed.finished("job");
});

Deno.test("a rewrite of a job that waits for its time leaves it that time", async () => {
  await using filed = await startFiled();
  const assertDelayed = await delayByAnHour(
    filed,
    "echo old > $M/pending/.job; touch -d '+1 hour' $M/pending/.job; mv $M/pending/.job $M/pending/job",
  );
  await filed.submit("job", "echo new");
  await assertDelayed("job");
  await assertHeld(filed, "job");
});

Deno.test("a draft that was touched into the future waits from its submission on", async () => {
  await using filed = await startFiled();
  await filed.submit(".later", "echo at last");
  const assertDelayed = await delayByAnHour(
    filed,
    "touch -d '+1 hour' $M/pending/.later && mv $M/pending/.later $M/pending/later",
  );
  await assertHeld(filed, "later");
  await assertDelayed("later");
  await ok(filed.sh("touch $M/pending/later"));
  assert.equal(await filed.finished("later"), ">>> echo at last\nat last\n");
});

Deno.test("a job touched a moment into the future starts then", async () => {
  await using filed = await startPaused();
  await filed.submit("job", "true");
  const at = Date.now() + 400;
  await ok(filed.sh(`touch -d @${at / 1_000} $M/pending/job`));
  await resume(filed);
  await filed.finished("job");
  const lateMs = await timeOf(filed, "attempt started", "job", 1) - at;
  assert.ok(lateMs >= 0 && lateMs < LATE_MS, `${lateMs} ms`);
});

Deno.test("a job that waits past the 24 days of a timer neither starts nor keeps others from it", async () => {
  await using filed = await startFiled();
  await filed.submit(".later", "true");
  await ok(filed.sh("touch -d '+100 days' $M/pending/.later && mv $M/pending/.later $M/pending/later"));
  await assertHeld(filed, "later");
});
