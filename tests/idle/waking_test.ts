/** filed acts on events: at once when there is something to do, and never otherwise. */
import assert from "node:assert/strict";
import { type Filed, ok, startFiled } from "../harness.ts";
import { assertAsleep } from "../proc.ts";
import { assertHeld, startPaused } from "../contract/expect.ts";

async function timeOf(filed: Filed, message: string, job: string): Promise<number> {
  return Date.parse((await filed.event(message, { job }))["@timestamp"]);
}

Deno.test("a submitted job starts at once", async () => {
  await using filed = await startFiled();
  const delays: number[] = [];
  for (let job = 0; job < 9; job++) {
    const id = `job-${job}`;
    await filed.submit(id, "true");
    const closedAt = Date.now();
    delays.push(await timeOf(filed, "attempt started", id) - closedAt);
    await filed.finished(id);
  }
  const median = delays.sort((a, b) => a - b)[4] as number;
  assert.ok(median < 100, `${median} ms`);
});

Deno.test("the next job starts at once when one ends", async () => {
  await using filed = await startPaused();
  for (let job = 0; job < 9; job++) await filed.submit(`job-${job}`, "true");
  await filed.configure({ max_job_count: 1 });
  const delays: number[] = [];
  for (let job = 1; job < 9; job++) {
    const startedAt = await timeOf(filed, "attempt started", `job-${job}`);
    delays.push(startedAt - await timeOf(filed, "attempt ended", `job-${job - 1}`));
  }
  const median = delays.sort((a, b) => a - b)[4] as number;
  assert.ok(median < 100, `${median} ms`);
});

Deno.test("an idle filed with no jobs does not wake", async () => {
  await using filed = await startFiled();
  await assertAsleep(filed.pid);
});

Deno.test("an idle filed does not wake for jobs that ended, drafts, and one that waits for its time", async () => {
  await using filed = await startFiled();
  await filed.finish("done", "true");
  await filed.submit(".draft", "true");
  await filed.submit(".later", "true");
  await ok(filed.sh("touch -d '+1 hour' $M/pending/.later && mv $M/pending/.later $M/pending/later"));
  await assertHeld(filed, "later");
  await assertAsleep(filed.pid);
});
