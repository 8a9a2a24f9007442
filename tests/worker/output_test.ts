/**
 * Output on its way from the job to the other thread: src/worker/output/output_test.ts has its buffer,
 * floods/output_test.ts all of filed.
 */
import assert from "node:assert/strict";
import { MIB, Workshop } from "./workshop.ts";

Deno.test("output past the limit is dropped, but for the last 64 KiB", async () => {
  await using workshop = new Workshop();
  const run = workshop.start("seq 1 1000000", { maxLogBytes: 1_000 });
  const { droppedBytes, tail } = await run.ended.promise;
  const all = Array.from({ length: 1_000_000 }, (_, index) => `${index + 1}\n`).join("");
  assert.equal(run.text, all.slice(0, 1_000));
  assert.equal(new TextDecoder().decode(tail), all.slice(-65_536));
  assert.equal(droppedBytes, all.length - 1_000 - 65_536);
});

Deno.test("200 MB of output are read in flat memory", async () => {
  await using workshop = new Workshop();
  await workshop.start("head -c 50000000 /dev/zero", { maxLogBytes: MIB }).ended.promise;
  const before = Deno.memoryUsage().rss;
  let peak = before;
  const timer = setInterval(() => peak = Math.max(peak, Deno.memoryUsage().rss), 5);
  const { droppedBytes } = await workshop.start("head -c 200000000 /dev/zero", { maxLogBytes: MIB }).ended
    .promise;
  clearInterval(timer);
  assert.equal(droppedBytes, 200_000_000 - MIB - 65_536);
  assert.ok(peak - before < 30_000_000, `${peak - before} bytes more`);
});

Deno.test("no more than 256 KiB is on its way, and the job waits for what is taken", async () => {
  await using workshop = new Workshop({}, "by hand");
  const run = workshop.start("head -c 3000000 /dev/zero; echo end");
  await run.hasPosted(190_000);
  await workshop.start("sleep 0.2").ended.promise;
  assert.ok(run.length <= 262_144, `${run.length} bytes were posted`);
  assert.equal(run.hasEnded, false);
  await workshop.takeAll(run);
  assert.equal(run.length, 3_000_004);
});

Deno.test("one run that nobody takes from does not hold up another", async () => {
  await using workshop = new Workshop({}, "by hand");
  const stuck = workshop.start("yes");
  await stuck.hasPosted(190_000);
  const other = workshop.start("echo done");
  await other.ended.promise;
  assert.equal(other.text, "done\n");
});

Deno.test("a run that nobody takes from can be ended", async () => {
  await using workshop = new Workshop({}, "by hand");
  const run = workshop.start("yes");
  await run.hasPosted(190_000);
  workshop.executor.end(run.token, 0);
  assert.deepEqual(await run.exit(), { kind: "signaled", signal: "SIGKILL" });
});

Deno.test("many small writes come in few messages", async () => {
  await using workshop = new Workshop();
  const run = workshop.start(
    "for i in 1 2 3 4 5 6 7 8 9 10; do for j in 1 2 3 4 5 6 7 8 9 10; do echo $i $j; done; done",
  );
  await run.ended.promise;
  assert.equal(run.text.split("\n").length, 101);
  assert.ok(run.kinds.length <= 10, `${run.kinds.length} messages`);
});
