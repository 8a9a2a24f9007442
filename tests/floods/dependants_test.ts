/** Many jobs that wait for one: they become ready in one pass, so that they start in their order, and keep nobody waiting. */
import assert from "node:assert/strict";
import { ok, startFiled } from "../harness.ts";
import { started } from "../contract/expect.ts";
import { many, whileLooking } from "./watch.ts";

Deno.test("many dependants of one job start in their order, the urgent ones first, whoever came last", async () => {
  await using filed = await startFiled({ config: { max_job_count: 0 } });
  const jobs = many(1_000, 10_000);
  await filed.submit("parent", "true");
  await ok(filed.python(`
for i in range(${jobs}):
    with open(M + "/pending/job-%d" % i, "w") as f:
        f.write("#filed after=parent priority=%d\\n:\\n" % (i % 3))
`));
  const numbers = Array.from({ length: jobs }, (_, index) => index);
  const ids = numbers.toSorted((one, other) => other % 3 - one % 3 || one - other).map((index) =>
    `job-${index}`
  );
  await whileLooking(filed, async () => {
    await filed.configure({ max_job_count: 1 });
    await filed.finished(ids.at(-1) ?? "");
  });
  assert.deepEqual(started(filed), ["parent", ...ids]);
});

Deno.test("many dependants of a job that is removed fail, and those that wait for them", async () => {
  await using filed = await startFiled({ config: { max_job_count: 0 } });
  const jobs = many(1_000, 10_000);
  await filed.submit("parent", "true");
  await ok(filed.python(`
for i in range(${jobs}):
    with open(M + "/pending/job-%d" % i, "w") as f: f.write("#filed after=parent\\n:\\n")
`));
  await filed.submit("last", "#filed after='job-*'\ntrue");
  await whileLooking(filed, async () => {
    await ok(filed.sh("rm $M/pending/parent"));
    await filed.events("job not run", {}, jobs + 1);
  });
  assert.deepEqual(await filed.list("pending"), []);
  assert.equal((await filed.list("failed")).length, jobs + 1);
});
