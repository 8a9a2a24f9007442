/** Jobs that wait for others, on a real mount. What comes of which end: src/job/dependencies_test.ts. */
import assert from "node:assert/strict";
import { exists, fails, Filed, ok, Place, rootTest, startFiled } from "../harness.ts";
import {
  assertHeld,
  assertStarted,
  Gate,
  mv,
  open,
  read,
  refuses,
  resume,
  settled,
  started,
  startPaused,
  stat,
  write,
} from "./expect.ts";

const [ANN, BOB] = ["daemon", "bin"] as const;
/** The shells' printf calls each an I/O error, or by its name. */
const NOT_THERE = /No such file or directory|I\/O error/;
const DEADLOCK = /Resource deadlock|I\/O error/;
const INVALID = /Invalid argument|I\/O error/;
const ONE_ATTEMPT = { max_attempts: 1 };

const after = (ids: string, command = "true") => `#filed after='${ids}'\n${command}`;
const any = (ids: string) => `#filed after_any='${ids}'\ntrue`;
const failed = (ids: string) => `#filed after_failed='${ids}'\ntrue`;

async function resumeOneByOne(filed: Filed): Promise<void> {
  await filed.configure({ max_job_count: 1 });
}

/** Waits until a job that does not run is where it goes to. @returns What its log ends with. */
async function notRun(filed: Filed, job: string, state: "failed" | "complete"): Promise<string> {
  await filed.event("job not run", { job, state });
  const [, end] = (await read(filed, `${state}/${job}`)).split("[System Error]: not run: ");
  return end?.trim() ?? "";
}

Deno.test("a job starts once all that it names are complete", async () => {
  await using filed = await startFiled();
  using gate = await Gate.make(filed.place);
  await filed.submit("a", gate.waiting);
  await filed.submit("b", "true");
  await filed.submit("c", after("a,b"));
  await gate.closedOn();
  await filed.finished("b");
  await assertHeld(filed, "c");
  gate.open();
  await filed.finished("c");
  assert.deepEqual(started(filed), ["a", "b", "c"]);
});

Deno.test("a job whose parents are complete already starts at once", async () => {
  await using filed = await startFiled();
  await filed.finish("a", "true");
  await filed.finish("b", after("a"));
  await filed.finish("c", after("a,b"));
  await filed.finish("d", any("a,b,c"));
});

Deno.test("a retry that waits is not the end", async () => {
  await using filed = await startFiled({ config: { max_attempts: 2, backoff_base: 0 } });
  await filed.submit("a", 'test "$FILED_ATTEMPT" = 2');
  await filed.submit("b", after("a"));
  await filed.submit("c", failed("a"));
  await filed.finished("b");
  assert.equal(await notRun(filed, "c", "complete"), "a completed");
  assert.deepEqual(started(filed), ["a", "a", "b"]);
});

Deno.test("a parent in failed/ holds its dependants, and mv of it to pending/ lets the whole chain go on", async () => {
  await using filed = await startFiled({ config: ONE_ATTEMPT });
  const mark = `${filed.place.path}/mark`;
  await filed.submit("a", `test -e ${mark}`);
  await filed.submit("b", after("a"));
  await filed.submit("c", after("b"));
  await filed.finished("a");
  await settled(filed);
  assert.deepEqual(await filed.list("pending"), ["b", "c"]);
  await Deno.writeTextFile(mark, "");
  await ok(filed.sh("mv $M/failed/a $M/pending/"));
  await filed.finished("c");
  assert.deepEqual(started(filed), ["a", "a", "b", "c"]);
});

Deno.test("after_any and after_failed start once a job has failed for good, after_any also where it completes", async () => {
  await using filed = await startFiled({ config: ONE_ATTEMPT });
  using gate = await Gate.make(filed.place);
  await filed.submit("bad", `${gate.waiting}; false`);
  await filed.submit("any", any("bad"));
  await filed.submit("alarm", failed("bad"));
  await gate.closedOn();
  await filed.submit("good", after("any"));
  await settled(filed);
  gate.open();
  await filed.finished("alarm");
  await filed.finished("good");
  await filed.finish("again", any("good,bad"));
  assert.deepEqual(await filed.list("failed"), ["bad"]);
});

Deno.test("what waits for a failure does not run where there is none, and who waits for that runs", async () => {
  await using filed = await startPaused();
  await filed.submit("build", "true");
  await filed.submit("alarm", failed("build"));
  await filed.submit("next", after("alarm"));
  await resume(filed);
  assert.equal(await notRun(filed, "alarm", "complete"), "build completed");
  await filed.finished("next");
  assert.equal(
    await read(filed, "complete/alarm"),
    `>>> ${failed("build")}\n\n\n[System Error]: not run: build completed\n`,
  );
});

Deno.test("a job that is moved to failed/ by hand is failed, and one that is moved on is not complete", async () => {
  await using filed = await startPaused();
  await filed.submit("a", "true");
  await filed.submit("b", after("a"));
  await filed.submit("c", failed("a"));
  await ok(filed.sh("mv $M/pending/a $M/failed/a"));
  await resume(filed);
  await filed.finished("c");
  await assertHeld(filed, "b");
  await ok(filed.sh("mv $M/failed/a $M/pending/a"));
  await filed.finished("b");
});

Deno.test("rm of a parent that is not complete fails its dependants, down the chain", async () => {
  await using filed = await startPaused();
  await filed.submit("dump", "true");
  await filed.submit("load", after("dump"));
  await filed.submit("check", after("load"));
  await filed.submit("any", any("dump"));
  await filed.submit("alarm", failed("dump"));
  await filed.submit("of-load", failed("load"));
  await ok(filed.sh("rm $M/pending/dump"));
  assert.equal(await notRun(filed, "load", "failed"), "after=dump, which was removed");
  assert.equal(await notRun(filed, "check", "failed"), "after=load, which did not run");
  assert.equal(await notRun(filed, "any", "failed"), "after_any=dump, which was removed");
  assert.equal(await notRun(filed, "alarm", "failed"), "after_failed=dump, which was removed");
  assert.deepEqual(await filed.list("pending"), ["of-load"]);
  await resume(filed);
  await filed.finished("of-load");
});

for (const state of ["active", "failed"] as const) {
  Deno.test(`rm of a parent in ${state}/ fails its dependants`, async () => {
    await using filed = await startFiled({ config: ONE_ATTEMPT });
    await filed.submit("dump", state === "active" ? "exec sleep 60" : "false");
    await filed.event("attempt started", { job: "dump" });
    if (state === "failed") await filed.finished("dump");
    await filed.submit("load", after("dump"));
    await ok(filed.sh(`rm $M/${state}/dump`));
    assert.equal(await notRun(filed, "load", "failed"), "after=dump, which was removed");
  });
}

Deno.test("a parent that completed has done its part, also when it is removed or tried again afterwards", async () => {
  await using filed = await startPaused();
  for (const id of ["a", "b", "late"]) await filed.submit(id, "true");
  await filed.submit("x", after("a,b,late"));
  await ok(filed.sh("mv $M/pending/late $M/failed/"));
  await resume(filed);
  await Promise.all([filed.finished("a"), filed.finished("b")]);
  await filed.configure({ max_job_count: 0 });
  await ok(filed.sh("rm $M/complete/a; mv $M/complete/b $M/pending/b; mv $M/failed/late $M/pending/late"));
  await ok(filed.sh("mv $M/pending/b $M/failed/b"));
  await resume(filed);
  await filed.finished("x");
});

Deno.test("a parent that gets another name stays the parent, and a new job of the old name is none", async () => {
  await using filed = await startPaused();
  await filed.submit("dump", "true");
  await filed.submit("load", after("dump"));
  await mv(filed, "dump", "dump-2");
  await filed.submit("dump", "true");
  await ok(filed.sh("rm $M/pending/dump"));
  await resumeOneByOne(filed);
  await filed.finished("load");
  assert.deepEqual(started(filed), ["dump-2", "load"]);
});

Deno.test("a waiting job that is rewritten waits for what it says then, and for the same job by the name that it had", async () => {
  await using filed = await startPaused();
  for (const id of ["a", "b"]) await filed.submit(id, "true");
  await filed.submit("x", after("a"));
  await filed.submit("y", after("a"));
  await filed.submit("z", after("a"));
  await mv(filed, "a", "a-2");
  await filed.submit("x", after("a", "echo new"));
  await filed.submit("y", after("b"));
  await filed.submit("z", "true");
  await ok(filed.sh("mv $M/pending/a-2 $M/failed/"));
  await resume(filed);
  await filed.finished("y");
  await filed.finished("z");
  await assertHeld(filed, "x");
  await ok(filed.sh("mv $M/failed/a-2 $M/pending/"));
  assert.match(await filed.finished("x"), /\nnew\n$/);
});

Deno.test("a waiting job that is rewritten by a rename keeps its dependants, and waits for what it did by the same names", async () => {
  await using filed = await startPaused();
  await filed.submit("a", "true");
  await filed.submit("b", after("a", "echo old"));
  await filed.submit("c", after("b"));
  await mv(filed, "a", "a-2");
  await filed.submit(".b", after("a", "echo new"));
  await mv(filed, ".b", "b");
  await filed.submit(".a-2", after("c"));
  await refuses("EDEADLK", mv(filed, ".a-2", "a-2"));
  assert.match(
    await read(filed, "why/a-2"),
    /^refused: it would wait for itself, or for a job that waits for it\n/,
  );
  await filed.submit(".a-2", "echo rewritten");
  await mv(filed, ".a-2", "a-2");
  await resumeOneByOne(filed);
  await filed.finished("c");
  assert.deepEqual(started(filed), ["a-2", "b", "c"]);
  assert.match(await read(filed, "complete/b"), /\nnew\n$/);
  assert.match(await read(filed, "complete/a-2"), /\nrewritten\n$/);
});

Deno.test("an id that is not there is refused at the write that a shell's printf reports", async () => {
  await using filed = await startFiled();
  await fails(filed.sh("printf '#filed after=dmup\\ntrue\\n' > $M/pending/x"), NOT_THERE);
  assert.match(
    await read(filed, "why/x"),
    /^refused: after=dmup: there is no such job; after=\?dmup waits for one that comes later\n/,
  );
  await fails(filed.sh("printf '#filed after=batch-*\\ntrue\\n' > $M/pending/x"), NOT_THERE);
  assert.match(await read(filed, "why/x"), /^refused: after=batch-\*: no job of its owner matches\n/);
  await filed.submit(".d", after("dmup"));
  await refuses("ENOENT", mv(filed, ".d", "d"));
  assert.match(await read(filed, "why/d"), /^refused: after=dmup: there is no such job/);
  assert.deepEqual(await filed.list("pending"), [".d"]);
  await filed.submit("dmup", "true");
  await mv(filed, ".d", "d");
  await filed.finished("d");
});

Deno.test("parents are looked at again when the file is closed: one that was removed is missing, one with another name is not", async () => {
  await using filed = await startPaused();
  await filed.submit("a", "true");
  await filed.submit("b", "true");
  const x = await open(filed, "pending/x", { write: true, createNew: true });
  const y = await open(filed, "pending/y", { write: true, createNew: true });
  write(x, after("a"));
  write(x, "\n");
  write(y, after("b"));
  await mv(filed, "a", "c");
  await Deno.remove(`${filed.mount}/pending/b`); // A process that is started closes a copy of the descriptors.
  x.close();
  y.close();
  await filed.event("content refused", { job: "y" });
  await resumeOneByOne(filed);
  await filed.finished("x");
  assert.deepEqual(started(filed), ["c", "x"]);
  assert.match(await read(filed, "why/y"), /^refused: after=b: there is no such job/);
});

Deno.test("?ID waits for a job that comes later: by a submission, and by a rename", async () => {
  await using filed = await startFiled();
  await filed.submit("x", after("?a"));
  await filed.submit("y", after("?b"));
  await filed.submit("z", after("?a,?b"));
  await assertHeld(filed, "x");
  await fails(filed.sh("printf '#filed nise=3\\n' > $M/pending/a"), INVALID);
  await assertHeld(filed, "x");
  await filed.submit("a", "true");
  await filed.finished("x");
  await assertHeld(filed, "z");
  await filed.submit(".b", "true");
  await assertHeld(filed, "y");
  await mv(filed, ".b", "b");
  await filed.finished("y");
  await filed.finished("z");
});

Deno.test("a pattern is what matches when the job is submitted, without drafts and the job itself", async () => {
  await using filed = await startPaused();
  for (const id of ["batch-1", "batch-2", "batch-20"]) await filed.submit(id, "true");
  await filed.submit("batch-9~", "true");
  await filed.submit("batch-all", after("batch-*"));
  await filed.submit("batch-some", after("batch-[12]"));
  await filed.submit("batch-3", "exec sleep 60");
  await ok(filed.sh("mv $M/pending/batch-20 $M/failed/"));
  await resume(filed);
  await filed.finished("batch-some");
  await assertHeld(filed, "batch-all");
  await ok(filed.sh("mv $M/failed/batch-20 $M/pending/"));
  await filed.finished("batch-all");
});

Deno.test("an id goes before a pattern, and a backslash takes the meaning of a comma, a star and itself", async () => {
  await using filed = await startPaused();
  for (const id of ["a,b", "c*", "cc", "d\\e", "?f", "[g]", "g"]) await filed.submit(id, "true");
  await filed.submit("escaped", after("a\\,b,c\\*,d\\\\e,\\?f,\\[g]"));
  await filed.submit("exact", after("c*,[g]"));
  await ok(filed.sh("cd $M && mv pending/cc pending/g failed/"));
  await resume(filed);
  await filed.finished("escaped");
  await filed.finished("exact");
});

Deno.test("a job may wait for 10,000 others, and not for more", async () => {
  await using filed = await startPaused();
  const names = Array.from({ length: 3_335 }, (_, index) => `?${index.toString(36)}`);
  const waitingFor = (...counts: [number, number, number]) => {
    const keys = ["after", "after_any", "after_failed"];
    return keys.map((key, index) => `#filed ${key}=${names.slice(0, counts[index]).join(",")}\n`).join("") +
      "true\n";
  };
  await filed.submit("last", waitingFor(3_333, 3_333, 3_334));
  await refuses("EINVAL", filed.submit("none", waitingFor(3_333, 3_333, 3_335)));
  assert.match(
    await read(filed, "why/none"),
    /^refused: after_failed=\?2km: that are more than 10000 jobs\n/,
  );
  await ok(filed.sh("cd $M && mv pending/last failed/ && mv failed/last pending/ && rm pending/last"));
});

Deno.test("a circle is refused: of the job itself, of two, of three, and through a name that comes later", async () => {
  await using filed = await startPaused();
  await fails(filed.sh("printf '#filed after=x\\ntrue\\n' > $M/pending/x"), DEADLOCK);
  assert.match(
    await read(filed, "why/x"),
    /^refused: it would wait for itself, or for a job that waits for it\n/,
  );
  await filed.submit("a", "true");
  await filed.submit("b", after("a"));
  await filed.submit("c", after("b"));
  await fails(filed.sh("printf '#filed after=b\\ntrue\\n' > $M/pending/a"), DEADLOCK);
  await fails(filed.sh("printf '#filed after_any=c\\ntrue\\n' > $M/pending/a"), DEADLOCK);
  await filed.submit("d", after("?e"));
  await filed.submit("f", after("d"));
  await fails(filed.sh("printf '#filed after=f\\ntrue\\n' > $M/pending/e"), DEADLOCK);
  await fails(filed.sh("mv $M/pending/f $M/pending/e"), DEADLOCK);
  assert.deepEqual(await filed.list("pending"), ["a", "b", "c", "d", "f"]);
  await filed.submit("e", "true");
  await resumeOneByOne(filed);
  await filed.finished("f");
  await assertStarted(filed, "a", "b", "c", "e", "d", "f");
});

Deno.test("a retry of a dependant looks at its parents again, and those that are gone do not count", async () => {
  await using filed = await startPaused();
  await filed.submit("a", "true");
  await filed.submit("b", after("a"));
  await filed.submit("gone", "true");
  await filed.submit("c", after("gone"));
  await ok(filed.sh("rm $M/pending/gone"));
  await notRun(filed, "c", "failed");
  await ok(filed.sh("mv $M/pending/a $M/pending/b $M/failed/"));
  await ok(filed.sh("mv $M/failed/c $M/failed/b $M/pending/"));
  await resume(filed);
  await filed.finished("c");
  await assertHeld(filed, "b");
  await ok(filed.sh("mv $M/failed/a $M/pending/"));
  await filed.finished("b");
  const before = filed.log.length;
  await filed.configure({ max_job_count: 0 });
  await ok(filed.sh("mv $M/complete/b $M/pending/ && mv $M/complete/a $M/pending/"));
  await ok(filed.sh("mv $M/pending/b $M/failed/ && mv $M/failed/b $M/pending/"));
  await resume(filed);
  await filed.events("attempt ended", { job: "b" }, 2);
  const starts = filed.log.slice(before).filter(({ message }) => message === "attempt started");
  assert.deepEqual(starts.map(({ properties }) => properties.job), ["a", "b"]);
});

Deno.test("fail_dependants fails them at once, down the chain, also those that wait already", async () => {
  await using filed = await startFiled({ config: ONE_ATTEMPT });
  await filed.submit("a", "false");
  await filed.submit("b", after("a"));
  await filed.submit("c", after("b"));
  await filed.submit("d", failed("b"));
  await filed.finished("a");
  await assertHeld(filed, "b");
  await filed.configure({ fail_dependants: true });
  assert.equal(await notRun(filed, "b", "failed"), "after=a, which failed");
  assert.equal(await notRun(filed, "c", "failed"), "after=b, which did not run");
  await filed.finished("d");
  await filed.submit("e", after("a"));
  assert.equal(await notRun(filed, "e", "failed"), "after=a, which failed");
});

Deno.test("a dependant keeps its place, its time and its priority", async () => {
  await using filed = await startPaused();
  await filed.submit("first", after("?parent"));
  await filed.submit("parent", "true");
  await filed.submit("urgent", "#filed after=parent priority=5\ntrue");
  await filed.submit("later", "#filed after=parent start=+1h\ntrue");
  await filed.submit("other", "true");
  await resumeOneByOne(filed);
  await filed.finished("first");
  await filed.finished("other");
  assert.deepEqual(started(filed), ["parent", "urgent", "first", "other"]);
  assert.ok(Number((await stat(filed, "pending/later")).mtimeMs) > Date.now());
  await ok(filed.sh("touch $M/pending/later"));
  await filed.finished("later");
});

Deno.test("a job that waits for another is too late by its deadline, and does not run", async () => {
  await using filed = await startPaused();
  await filed.submit("a", "true");
  await filed.submit("b", "#filed after=a deadline=+0.2s\ntrue");
  await filed.submit("c", after("b"));
  await filed.event("job not run", { job: "b", reason: "too late" });
  await resume(filed);
  await filed.finished("a");
  await assertHeld(filed, "c");
});

Deno.test("a diamond and a chain run in order, and a fan of 1,000 in the order submitted", async () => {
  await using filed = await startPaused();
  await filed.submit("top", "true");
  for (const side of ["left", "right"]) await filed.submit(side, after("top"));
  await filed.submit("bottom", after("left,right"));
  const fan = Array.from({ length: 1_000 }, (_, index) => `fan-${index}`);
  await ok(filed.python(`
for i in range(1000):
    with open(M + "/pending/fan-%d" % i, "w") as f: f.write("#filed after=bottom\\n:\\n")
`));
  await filed.submit("end", after("fan-*"));
  await filed.configure({ max_job_count: 1 });
  await filed.finished("end");
  assert.deepEqual(started(filed), ["top", "left", "right", "bottom", ...fan, "end"]);
});

Deno.test("who waits for whom is there after a restart and after kill -9", async () => {
  await using place = await Place.make();
  await using first = await Filed.start(place, { config: { max_job_count: 0, ...ONE_ATTEMPT } });
  await first.submit("a", "true");
  await first.submit("b", after("a"));
  await first.submit("c", after("?later"));
  await first.submit("bad", "false");
  await first.submit("d", after("bad"));
  await first.submit("gone", "true");
  await first.submit("e", after("gone"));
  await first.stop("SIGKILL");
  await using second = await Filed.start(place, { config: { max_job_count: 20 } });
  await second.finished("b");
  await second.finished("bad");
  await assertHeld(second, "c");
  await assertHeld(second, "d");
  await second.stop();
  await using third = await Filed.start(place);
  await assertHeld(third, "c");
  await third.submit("later", "true");
  await third.finished("c");
  await ok(third.sh("rm $M/failed/bad"));
  assert.equal(await notRun(third, "d", "failed"), "after=bad, which was removed");
});

rootTest("a pattern stands for the owner's own jobs, an id for anybody's", async () => {
  await using filed = await startPaused();
  await filed.admitAll();
  await ok(filed.sh("echo true > $M/pending/batch-1", { user: ANN }));
  await ok(filed.sh("echo true > $M/pending/batch-2", { user: BOB }));
  await ok(filed.sh("printf '#filed after=batch-*\\ntrue\\n' > $M/pending/own", { user: ANN }));
  await ok(filed.sh("printf '#filed after=batch-2\\ntrue\\n' > $M/pending/named", { user: ANN }));
  await fails(filed.sh("printf '#filed after=own*\\ntrue\\n' > $M/pending/none", { user: BOB }), NOT_THERE);
  await ok(filed.sh("mv $M/pending/batch-2 $M/failed/"));
  await resume(filed);
  await filed.finished("own");
  await assertHeld(filed, "named");
  assert.equal(await exists(`${filed.mount}/pending/none`), false);
});
