import assert from "node:assert/strict";
import { exists } from "../../src/sys/files/file.ts";
import { endProcessesWith, Workshop } from "./workshop.ts";

Deno.test("a background process that holds the pipe keeps the job running", async () => {
  await using workshop = new Workshop();
  await workshop.fifos("go");
  const run = workshop.start("(cat $DIR/go; echo late) & echo early");
  await run.hasPosted("early\n".length);
  // Another run goes from start to end meanwhile, with time for several looks.
  await workshop.start("sleep 0.6").ended.promise;
  assert.deepEqual(run.kinds.toSorted(), ["output", "started"]);
  Deno.writeTextFileSync(`${workshop.dir}/go`, "now ");
  assert.deepEqual(await run.exit(), { kind: "exited", status: 0 });
  assert.equal(run.text, "early\nnow late\n");
});

Deno.test("a background process with redirected output does not keep the job running, and is left alone", async () => {
  await using workshop = new Workshop();
  await workshop.fifos("up");
  const run = workshop.start("tail -f $DIR/up > /dev/null 2>&1 & exit 4");
  assert.deepEqual(await run.exit(), { kind: "exited", status: 4 });
  assert.equal(workshop.processes().length, 1);
});

Deno.test("a run gets the cgroup of one that has ended, with nothing left in it", async () => {
  await using workshop = new Workshop();
  await workshop.fifos("hold");
  const groupOf = async (command: string) => {
    const { run, told: { cgroup } } = await workshop.startTold(command);
    await run.ended.promise;
    return cgroup;
  };
  const groups: (string | undefined)[] = [];
  for (let job = 0; job < 20; job++) groups.push(await groupOf(":")); // Some end a moment before they leave it.
  assert.ok(groups[0] === undefined || new Set(groups).size < groups.length);
  const held = await groupOf("setsid tail -f $DIR/hold >/dev/null 2>&1 & :");
  for (let job = 0; job < 5; job++) assert.ok(held === undefined || await groupOf(":") !== held);
});

Deno.test("a stop leaves no cgroup of a run whose last process has ended since", async () => {
  await using workshop = new Workshop();
  await workshop.fifos("up");
  const { run, told: { cgroup } } = await workshop.startTold("tail -f $DIR/up > /dev/null 2>&1 &");
  await run.ended.promise;
  await endProcessesWith(workshop.dir);
  await workshop.executor[Symbol.asyncDispose]();
  assert.ok(cgroup === undefined || !exists(cgroup));
});

Deno.test("a process that left the group and holds the pipe does not keep the job running", async () => {
  await using workshop = new Workshop();
  await workshop.fifos("up");
  const run = workshop.start("setsid sh -c 'echo > $DIR/up; exec tail -f $DIR/up' & cat $DIR/up; echo done");
  assert.deepEqual(await run.exit(), { kind: "exited", status: 0 });
  assert.equal(run.text, "\ndone\n");
  assert.equal(workshop.processes().length, 1);
});

Deno.test("what is in the pipe when only a stranger holds it is not lost, though nobody takes it", async () => {
  await using workshop = new Workshop({}, "by hand");
  await workshop.fifos("up");
  // More than is read before some of it is taken: the rest is still in the pipe when the shell has ended.
  const bytes = 260_000;
  const command = `setsid sh -c 'echo > $DIR/up; exec tail -f $DIR/up' & cat $DIR/up; head -c ${
    bytes - 1
  } /dev/zero`;
  const run = workshop.start(command);
  assert.deepEqual(await run.exit(), { kind: "exited", status: 0 });
  assert.equal(run.length, bytes);
});

Deno.test("a process that left the group and writes on does not keep the job running", async () => {
  await using workshop = new Workshop();
  await workshop.fifos("up");
  const run = workshop.start("setsid sh -c 'echo > $DIR/up; while :; do echo $DIR; done' & cat $DIR/up");
  assert.deepEqual(await run.exit(), { kind: "exited", status: 0 });
});

Deno.test("a process that leaves the group later ends the job then", async () => {
  await using workshop = new Workshop();
  await workshop.fifos("go");
  const run = workshop.start("(read x < $DIR/go; exec setsid tail -f $DIR/go) & echo up");
  await run.hasPosted("up\n".length);
  Deno.writeTextFileSync(`${workshop.dir}/go`, "\n");
  assert.deepEqual(await run.exit(), { kind: "exited", status: 0 });
  assert.equal(workshop.processes().length, 1);
});

Deno.test("the cgroup of a process that is left alone is removed later", async () => {
  await using workshop = new Workshop();
  await workshop.fifos("up");
  const { run, told: { cgroup } } = await workshop.startTold(
    "setsid sh -c 'echo > $DIR/up; cat $DIR/up' > /dev/null 2>&1 & cat $DIR/up",
  );
  if (cgroup === undefined) return;
  await run.ended.promise;
  assert.ok((await Deno.stat(cgroup)).isDirectory);
  Deno.writeTextFileSync(`${workshop.dir}/up`, "");
  await workshop.start("sleep 1.1").ended.promise;
  await assert.rejects(Deno.stat(cgroup), Deno.errors.NotFound);
});
