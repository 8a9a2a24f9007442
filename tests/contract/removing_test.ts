/** rm, in each state. */
import assert from "node:assert/strict";
import { fails, ok, startFiled } from "../harness.ts";
import { Wire } from "../wire.ts";
import { assertStarted, read, refuses, resume, settled, started, startPaused } from "./expect.ts";

const DIRECTORIES = ["pending", "active", "complete", "failed"] as const;

async function assertEmpty(filed: Awaited<ReturnType<typeof startFiled>>): Promise<void> {
  for (const directory of DIRECTORIES) assert.deepEqual(await filed.list(directory), []);
}

Deno.test("rm pending/x takes the job out of the queue", async () => {
  await using filed = await startPaused();
  await filed.submit("x", "true");
  await ok(filed.sh("rm $M/pending/x"));
  await assertEmpty(filed);
  await resume(filed);
  await assertStarted(filed);
});

Deno.test("rm pending/.x takes a draft away", async () => {
  await using filed = await startFiled();
  await filed.submit(".x", "true");
  await ok(filed.sh("rm $M/pending/.x"));
  await assertEmpty(filed);
});

Deno.test("rm of a retry that waits takes the job and its log away", async () => {
  await using filed = await startFiled({ config: { backoff_base: 0.2, backoff_mult: 1, max_attempts: 2 } });
  await filed.submit("x", "false");
  await filed.event("attempt ended", { job: "x", state: "pending" });
  await ok(filed.sh("rm $M/pending/x"));
  await filed.finish("y", "false"); // Its retry is due after what that of x would have been.
  assert.deepEqual(started(filed), ["x", "y", "y"]);
});

for (const state of ["complete", "failed"] as const) {
  Deno.test(`rm ${state}/x takes the job and its log away`, async () => {
    await using filed = await startFiled({ config: { max_attempts: 1 } });
    await filed.finish("x", String(state === "complete"));
    await ok(filed.sh(`rm $M/${state}/x`));
    await assertEmpty(filed);
    await refuses("ENOENT", Deno.readTextFile(`${filed.mount}/${state}/x`));
  });
}

Deno.test("rm active/x ends the job, and it is gone from all directories", async () => {
  await using filed = await startFiled();
  await using wire = await Wire.make(filed.place);
  await filed.submit("x", `exec 3> ${wire.path}; echo up >&3; sleep 60`);
  await wire.line();
  await ok(filed.sh("rm $M/active/x"));
  await assertEmpty(filed);
  await wire.end();
  await filed.event("attempt ended", { job: "x", state: "taken away" });
  await settled(filed);
  assert.deepEqual([started(filed), await filed.list("pending"), await filed.list("failed")], [
    ["x"],
    [],
    [],
  ]);
});

Deno.test("rm in the wrong directory is refused, and leaves the job", async () => {
  await using filed = await startPaused();
  await filed.submit("x", "true");
  await fails(filed.sh("rm $M/failed/x"), /No such file/);
  assert.deepEqual(await filed.list("pending"), ["x"]);
});

Deno.test("the id of a job that was removed may be used again", async () => {
  await using filed = await startFiled();
  await filed.finish("x", "echo first");
  await ok(filed.sh("rm $M/complete/x"));
  await filed.submit("x", "echo second");
  await filed.events("attempt ended", { job: "x", state: "complete" }, 2);
  assert.equal(await read(filed, "complete/x"), ">>> echo second\nsecond\n");
});

Deno.test("a job removed while somebody writes it never runs", async () => {
  await using filed = await startFiled();
  await ok(filed.sh("{ rm $M/pending/x; echo true; } > $M/pending/x"));
  await assertStarted(filed);
  assert.deepEqual(await filed.list("pending"), []);
});

Deno.test("rm -r of a directory of the mount removes its jobs, and keeps the directory", async () => {
  await using filed = await startFiled();
  for (const id of ["a", "b", "c"]) await filed.finish(id, "true");
  await fails(filed.sh("rm -r $M/complete"), /Operation not permitted/);
  assert.deepEqual([await filed.list("complete"), (await filed.list(".")).includes("complete")], [[], true]);
});

Deno.test("find -mtime +7 -delete removes the logs older than a week, and only those", async () => {
  await using filed = await startFiled();
  for (const id of ["old", "older", "new"]) await filed.finish(id, "true");
  await ok(filed.sh("cd $M/complete; touch -d '-9 days' old; touch -d '-30 days' older"));
  await ok(filed.sh("find $M/complete -mtime +7 -delete"));
  assert.deepEqual(await filed.list("complete"), ["new"]);
});
