/** Which job starts when, and how many at once. */
import assert from "node:assert/strict";
import { type Filed, ok, startFiled } from "../harness.ts";
import { Wire } from "../wire.ts";
import { assertStarted, Gate, resume, startPaused } from "./expect.ts";

/** The most jobs that ran at once, and what else the log tells of starts and ends, in its order. */
function course(filed: Filed): { most: number; events: string[] } {
  const events: string[] = [];
  let [now, most] = [0, 0];
  for (const { message, properties } of filed.log) {
    if (message !== "attempt started" && message !== "attempt ended") continue;
    now += message === "attempt started" ? 1 : -1;
    most = Math.max(most, now);
    events.push(`${properties.job} ${message.slice("attempt ".length)}`);
  }
  return { most, events };
}

/** Starts jobs one at a time. */
async function resumeOneByOne(filed: Filed): Promise<void> {
  await filed.configure({ max_job_count: 1 });
}

Deno.test("jobs start in the order submitted", async () => {
  await using filed = await startPaused();
  const ids = Array.from({ length: 40 }, (_, index) => `job-${(index * 17) % 40}`);
  for (const id of ids) await filed.submit(id, "true");
  await resumeOneByOne(filed);
  await assertStarted(filed, ...ids);
});

Deno.test("a rewrite keeps its place", async () => {
  await using filed = await startPaused();
  for (const id of ["a", "b", "c"]) await filed.submit(id, "echo old");
  await filed.submit("b", "echo new");
  await filed.submit("a", "echo new");
  await resumeOneByOne(filed);
  await assertStarted(filed, "a", "b", "c");
  assert.equal(await filed.finished("a"), ">>> echo new\nnew\n");
});

Deno.test("an append keeps its place", async () => {
  await using filed = await startPaused();
  for (const id of ["a", "b"]) await filed.submit(id, "echo one\n");
  await ok(filed.sh("echo 'echo two' >> $M/pending/a"));
  await resumeOneByOne(filed);
  await assertStarted(filed, "a", "b");
  assert.equal(await filed.finished("a"), ">>> echo one\necho two\none\ntwo\n");
});

Deno.test("another id keeps its place", async () => {
  await using filed = await startPaused();
  for (const id of ["a", "b"]) await filed.submit(id, "true");
  await ok(filed.sh("mv $M/pending/a $M/pending/z"));
  await resumeOneByOne(filed);
  await assertStarted(filed, "z", "b");
});

Deno.test("a draft is submitted when it is renamed", async () => {
  await using filed = await startPaused();
  await filed.submit(".draft", "true");
  await filed.submit("first", "true");
  await ok(filed.sh("mv $M/pending/.draft $M/pending/second"));
  await resumeOneByOne(filed);
  await assertStarted(filed, "first", "second");
});

Deno.test("an empty file is submitted when it gets content", async () => {
  await using filed = await startPaused();
  await ok(filed.sh("touch $M/pending/second"));
  await filed.submit("first", "true");
  await filed.submit("second", "true");
  await resumeOneByOne(filed);
  await assertStarted(filed, "first", "second");
});

Deno.test("of two files that are open at once the one closed first is submitted first", async () => {
  await using filed = await startPaused();
  await ok(
    filed.sh("exec 3> $M/pending/second 4> $M/pending/first; echo true >&4; exec 4>&-; echo true >&3"),
  );
  await resumeOneByOne(filed);
  await assertStarted(filed, "first", "second");
});

for (const state of ["failed", "complete"] as const) {
  Deno.test(`a retry by mv from ${state}/ joins the end`, async () => {
    await using filed = await startFiled({ config: { max_attempts: 1 } });
    await filed.finish("again", state === "failed" ? "false" : "true");
    await filed.configure({ max_job_count: 0 });
    for (const id of ["a", "b"]) await filed.submit(id, "true");
    await ok(filed.sh(`mv $M/${state}/again $M/pending`));
    await filed.submit("c", "true");
    await resumeOneByOne(filed);
    await assertStarted(filed, "again", "a", "b", "again", "c");
  });
}

Deno.test("a job that is moved from active/ to pending/ joins the end", async () => {
  await using filed = await startFiled({ config: { max_job_count: 1 } });
  await using wire = await Wire.make(filed.place);
  await filed.submit("again", `[ -e mark ] && exit; touch mark; echo up > ${wire.path}; exec sleep 60`);
  await wire.line();
  for (const id of ["a", "b"]) await filed.submit(id, "true");
  await ok(filed.sh("mv $M/active/again $M/pending"));
  await assertStarted(filed, "again", "a", "b", "again");
});

Deno.test("a failure that waits does not hold up the jobs behind it", async () => {
  await using filed = await startFiled({ config: { max_job_count: 1, backoff_base: 1_000 } });
  await filed.submit("failing", "false");
  await filed.event("attempt ended", { job: "failing", state: "pending" });
  await assertStarted(filed, "failing");
  assert.deepEqual(await filed.list("pending"), ["failing"]);
});

Deno.test("a retry that is due keeps the place of its submission", async () => {
  await using filed = await startFiled({ config: { backoff_base: 1_000 } });
  await filed.submit("first", "[ $FILED_ATTEMPT = 2 ]");
  await filed.event("attempt ended", { job: "first" });
  await filed.configure({ max_job_count: 0 });
  await filed.submit("second", "true");
  await ok(filed.sh("touch $M/pending/first"));
  await resumeOneByOne(filed);
  await assertStarted(filed, "first", "first", "second");
});

Deno.test("max_job_count jobs run at once, and no more", async () => {
  await using filed = await startPaused();
  for (let job = 0; job < 9; job++) await filed.submit(`job-${job}`, "sleep 0.05");
  await filed.configure({ max_job_count: 3 });
  await filed.events("attempt ended", {}, 9);
  assert.equal(course(filed).most, 3);
});

Deno.test("max_job_count raised while jobs run starts more at once", async () => {
  await using filed = await startFiled({ config: { max_job_count: 1 } });
  await using wire = await Wire.make(filed.place);
  await filed.submit("a", `exec 3> ${wire.path}; echo a >&3; exec sleep 60`);
  assert.equal(await wire.line(), "a");
  await filed.submit("b", `echo b > ${wire.path}; exec sleep 60`);
  assert.deepEqual(await filed.list("pending"), ["b"]);
  await filed.configure({ max_job_count: 2 });
  assert.equal(await wire.line(), "b");
  assert.deepEqual(await filed.list("active"), ["a", "b"]);
});

Deno.test("max_job_count lowered while jobs run lets them end, and starts no other before", async () => {
  await using filed = await startFiled({ config: { max_job_count: 2 } });
  using first = await Gate.make(filed.place, "first");
  using second = await Gate.make(filed.place, "second");
  await filed.submit("a", first.waiting);
  await filed.submit("b", second.waiting);
  await Promise.all([first.closedOn(), second.closedOn()]);
  for (const id of ["c", "d"]) await filed.submit(id, "true");
  await filed.configure({ max_job_count: 1 });
  await first.open();
  await filed.finished("a");
  await second.open();
  await filed.finished("d");
  assert.deepEqual(course(filed).events.slice(2), [
    "a ended",
    "b ended",
    ...["c started", "c ended"],
    ...["d started", "d ended"],
  ]);
});

Deno.test("max_job_count 0 lets the jobs that run go on, and starts none", async () => {
  await using filed = await startFiled();
  using gate = await Gate.make(filed.place);
  await filed.submit("runs", gate.waiting);
  await gate.closedOn();
  await filed.configure({ max_job_count: 0 });
  await filed.submit("waits", "true");
  gate.open();
  await filed.finished("runs");
  await resume(filed);
  await filed.finished("waits");
  const messages = filed.log.map(({ message, properties }) => `${message} ${properties.job ?? ""}`);
  assert.ok(messages.lastIndexOf("config.json applied ") < messages.indexOf("attempt started waits"));
});
