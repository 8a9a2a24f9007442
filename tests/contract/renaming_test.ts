/** Moves onto names that exist, moves of drafts, and moves of what is no job. */
import assert from "node:assert/strict";
import { fails, ok, startFiled } from "../harness.ts";
import { assertHeld, assertStarted, read, refuses, resume, startPaused } from "./expect.ts";

const NOT_PERMITTED = /Operation not permitted/;

Deno.test("mv onto another pending job replaces that, as rename(2) does", async () => {
  await using filed = await startPaused();
  await filed.submit("x", "echo x");
  await filed.submit("y", "echo y");
  await ok(filed.sh("mv $M/pending/x $M/pending/y"));
  assert.deepEqual(await filed.list("pending"), ["y"]);
  assert.equal(await read(filed, "pending/y"), "echo x");
});

for (const state of ["complete", "failed"] as const) {
  Deno.test(`mv onto another job in ${state}/ replaces that, and its log`, async () => {
    await using filed = await startFiled({ config: { max_attempts: 1 } });
    for (const id of ["x", "y"]) await filed.finish(id, `echo ${id}; ${state === "complete"}`);
    await ok(filed.sh(`mv $M/${state}/x $M/${state}/y`));
    assert.deepEqual(await filed.list(state), ["y"]);
    assert.match(await read(filed, `${state}/y`), /^>>> echo x; /);
  });
}

Deno.test("mv -n onto another job leaves both", async () => {
  await using filed = await startPaused();
  await filed.submit("x", "echo x");
  await filed.submit("y", "echo y");
  await filed.sh("mv -n $M/pending/x $M/pending/y"); // Some versions count it as a failure.
  assert.deepEqual(await filed.list("pending"), ["x", "y"]);
  assert.equal(await read(filed, "pending/y"), "echo y");
});

Deno.test("mv -n to a new name moves", async () => {
  await using filed = await startPaused();
  await filed.submit("x", "echo x");
  await ok(filed.sh("mv -n $M/pending/x $M/pending/y"));
  assert.deepEqual(await filed.list("pending"), ["y"]);
});

Deno.test("an id that a job in another state has is taken for a new id", async () => {
  await using filed = await startFiled();
  await filed.finish("done", "true");
  await filed.configure({ max_job_count: 0 });
  await filed.submit("x", "true");
  await refuses("EEXIST", Deno.rename(`${filed.mount}/pending/x`, `${filed.mount}/pending/done`));
  assert.deepEqual([await filed.list("pending"), await filed.list("complete")], [["x"], ["done"]]);
});

Deno.test("a move to another directory does not replace a job that has the id there", async () => {
  await using filed = await startFiled();
  await filed.finish("x", "echo x");
  await filed.configure({ max_job_count: 0 });
  await filed.submit("y", "echo y");
  await refuses("EEXIST", Deno.rename(`${filed.mount}/complete/x`, `${filed.mount}/pending/y`));
  assert.deepEqual([await filed.list("pending"), await filed.list("complete")], [["y"], ["x"]]);
  assert.equal(await read(filed, "pending/y"), "echo y");
});

Deno.test("mv from a name that is not there is refused, and changes nothing", async () => {
  await using filed = await startPaused();
  await filed.submit("y", "echo y");
  await refuses("ENOENT", Deno.rename(`${filed.mount}/failed/y`, `${filed.mount}/pending/y`));
  assert.deepEqual(await filed.list("pending"), ["y"]);
});

Deno.test("a pending job renamed to a draft does not run", async () => {
  await using filed = await startPaused();
  await filed.submit("x", "true");
  await ok(filed.sh("mv $M/pending/x $M/pending/.x"));
  await resume(filed);
  await assertHeld(filed, ".x");
  await ok(filed.sh("mv $M/pending/.x $M/pending/x"));
  await filed.finished("x");
});

Deno.test("a failed job moved to a draft in pending/ can be repaired before it runs", async () => {
  await using filed = await startFiled({ config: { max_attempts: 1 } });
  await filed.finish("x", "false");
  await ok(filed.sh("mv $M/failed/x $M/pending/.x"));
  await assertHeld(filed, ".x");
  await ok(filed.sh("echo 'echo repaired' > $M/pending/.x; mv $M/pending/.x $M/pending/x"));
  await filed.event("attempt ended", { job: "x", state: "complete" });
  assert.equal(await read(filed, "complete/x"), ">>> echo repaired\nrepaired\n");
});

Deno.test("a draft moved onto a waiting job takes its place in the queue", async () => {
  await using filed = await startPaused();
  for (const id of ["a", "b"]) await filed.submit(id, "echo old");
  await filed.submit(".a", "echo new");
  await ok(filed.sh("mv $M/pending/.a $M/pending/a"));
  await filed.configure({ max_job_count: 1 });
  await assertStarted(filed, "a", "b");
  assert.equal(await filed.finished("a"), ">>> echo new\nnew\n");
});

Deno.test("a log may be called like a draft", async () => {
  await using filed = await startFiled();
  await filed.finish("x", "echo x");
  await ok(filed.sh("mv $M/complete/x $M/complete/.x && mv $M/complete/.x $M/complete/x~"));
  assert.deepEqual(await filed.list("complete"), ["x~"]);
});

for (const to of ["active", "complete"] as const) {
  Deno.test(`a draft moved to ${to}/ is refused`, async () => {
    await using filed = await startFiled();
    await filed.submit(".x", "true");
    await fails(filed.sh(`mv $M/pending/.x $M/${to}/x`), NOT_PERMITTED);
    assert.deepEqual(await filed.list("pending"), [".x"]);
  });
}

const NO_JOBS = ["pending", "active", "complete", "failed", "new-id", "why"];
for (const name of NO_JOBS) {
  Deno.test(`mv of ${name} itself is refused`, async () => {
    await using filed = await startFiled();
    await refuses("EPERM", Deno.rename(`${filed.mount}/${name}`, `${filed.mount}/other`));
    await refuses("EPERM", Deno.remove(`${filed.mount}/${name}`));
    assert.deepEqual(await filed.list("."), [...NO_JOBS, "config.json"].sort());
  });
}

Deno.test("mv of a job into the mount's own directory is refused", async () => {
  await using filed = await startPaused();
  await filed.submit("x", "true");
  await refuses("EPERM", Deno.rename(`${filed.mount}/pending/x`, `${filed.mount}/x`));
});

Deno.test("mv of a job out of the mount copies it and removes it", async () => {
  await using filed = await startFiled();
  await filed.finish("x", "echo x");
  await ok(filed.sh("mv $M/complete/x $M/../log"));
  assert.equal(await Deno.readTextFile(`${filed.place.path}/log`), ">>> echo x\nx\n");
  assert.deepEqual(await filed.list("complete"), []);
});

Deno.test("mv of a file into pending/ from elsewhere submits it once, whole", async () => {
  await using filed = await startFiled();
  await ok(filed.sh("echo 'echo moved in' > $M/../script; mv $M/../script $M/pending/x"));
  assert.equal(await filed.finished("x"), ">>> echo moved in\nmoved in\n");
});
