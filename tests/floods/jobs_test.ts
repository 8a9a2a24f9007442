/** Many jobs at once: none is lost, none runs twice, the order is kept, nothing is left behind, and a listing still answers. */
import assert from "node:assert/strict";
import { type Filed, startFiled, until } from "../harness.ts";
import { Wire } from "../wire.ts";
import { firstHoldingsOf, holdingsOf, leaks, many, whileLooking } from "./watch.ts";

const WRITERS = 20;

/** Programs that submit, each one job after the other. @returns The names. */
async function submitFrom(filed: Filed, writers: number, jobs: number, command: string): Promise<string[]> {
  const script =
    'i=0; while [ $i -lt "$N" ]; do echo "$COMMAND" > "$M/pending/$W-$i" || exit 1; i=$((i + 1)); done';
  const each = Math.ceil(jobs / writers);
  const run = async (writer: number) => {
    const env = { M: filed.mount, W: String(writer), N: String(each), COMMAND: command };
    const { success } = await new Deno.Command("sh", { args: ["-c", script], env, cwd: "/" }).output();
    assert.ok(success, "every submission is acknowledged");
    return Array.from({ length: each }, (_, index) => `${writer}-${index}`);
  };
  const names = await Promise.all(Array.from({ length: writers }, (_, writer) => run(writer)));
  return names.flat();
}

/** The next lines of a wire that many jobs write to. */
async function linesOf(wire: Wire, count: number): Promise<string[]> {
  const lines: string[] = [];
  while (lines.length < count) lines.push(await wire.line());
  return lines;
}

/** Waits until so many jobs are complete, however long that takes as long as it goes on. */
async function completed(filed: Filed, count: number): Promise<void> {
  for (let part = 500;; part += 500) {
    const jobs = Math.min(part, count);
    await until(`${jobs} jobs in complete/`, async () => (await filed.list("complete")).length >= jobs);
    if (jobs === count) return;
  }
}

Deno.test("of the jobs that 20 writers submit while they run, each runs once", async () => {
  await using filed = await startFiled({ config: { max_job_count: 20 } });
  await using wire = await Wire.make(filed.place);
  using _held = await Deno.open(wire.path, { write: true }); // Else the wire ends with the first job.
  await filed.submit("warm-up", "true");
  await filed.event("attempt ended", { job: "warm-up" });
  await Deno.remove(`${filed.mount}/complete/warm-up`);
  const before = await holdingsOf(filed);
  const jobs = many(5_000, 50_000);
  await whileLooking(filed, async () => {
    const submitted = submitFrom(filed, WRITERS, jobs, `echo "$FILED_JOB_ID" > ${wire.path}`);
    const ran = await linesOf(wire, jobs);
    assert.deepEqual(ran.sort(), (await submitted).sort());
    await completed(filed, jobs);
  });
  assert.deepEqual(await filed.list("failed"), []);
  assert.deepEqual(leaks(before, await holdingsOf(filed)), []);
});

Deno.test("one at a time, many jobs run in the order in which they were submitted", async () => {
  await using filed = await startFiled({ config: { max_job_count: 0 } });
  await using wire = await Wire.make(filed.place);
  using _held = await Deno.open(wire.path, { write: true });
  const submitted = await submitFrom(filed, 1, many(300, 5_000), `echo "$FILED_JOB_ID" > ${wire.path}`);
  await filed.configure({ max_job_count: 1 });
  assert.deepEqual(await linesOf(wire, submitted.length), submitted);
});

Deno.test("many jobs that each end at once leave nothing behind", async () => {
  await using filed = await startFiled();
  const before = await firstHoldingsOf(filed);
  await filed.configure({ max_job_count: 0 });
  const jobs = many(2_000, 10_000);
  await submitFrom(filed, 8, jobs, ":");
  await whileLooking(filed, async () => {
    await filed.configure({ max_job_count: 100 });
    await completed(filed, jobs);
  });
  assert.deepEqual(leaks(before, await holdingsOf(filed)), []);
  assert.deepEqual(await filed.list("pending"), []);
  assert.deepEqual(await filed.list("active"), []);
});
