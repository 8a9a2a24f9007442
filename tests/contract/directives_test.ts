/** What a job asks for by its header, on a real mount. What a header can say: src/job/header_test.ts. */
import assert from "node:assert/strict";
import { fails, Filed, ok, Place, rootTest, startFiled } from "../harness.ts";
import {
  assertHeld,
  assertStarted,
  assertWithin,
  during,
  mtime,
  mv,
  open,
  read,
  refuses,
  resume,
  startPaused,
  write,
} from "./expect.ts";

const USER = "daemon";
const HOUR_MS = 3_600_000;
const INVALID = /Invalid argument|I\/O error/;
const DENIED = /Operation not permitted|I\/O error/;

async function resumeOneByOne(filed: Filed): Promise<void> {
  await filed.configure({ max_job_count: 1 });
}

Deno.test("a job has its own timeout, attempts and pauses", async () => {
  await using filed = await startFiled({ config: { timeout_sec: 60, max_attempts: 5, backoff_base: 60 } });
  const log = await filed.finish(
    "x",
    "#filed timeout_sec=1 max_attempts=2\n#filed backoff_base=0\nexec sleep 60",
  );
  assert.match(log, /\[System Error\]: timed out after 1 s\n$/);
  assert.equal(filed.log.filter(({ message }) => message === "attempt started").length, 2);
});

Deno.test("a job has its own limits of log, files and niceness", async () => {
  await using filed = await startFiled({ config: { max_attempts: 1 } });
  const log = await filed.finish("x", "#filed max_log_bytes=4k nice=7\nnice; yes | head -n 100000; echo end");
  assert.match(log, /\n7\ny\n/);
  assert.match(log, /\n\[filed: \d+ bytes dropped\]\n/);
  assert.match(log, /\nend\n$/);
  assert.equal(
    await filed.finish("y", "#filed max_open_files=17\nulimit -n"),
    ">>> #filed max_open_files=17\nulimit -n\n17\n",
  );
});

Deno.test("an exit status that is final fails a job at once", async () => {
  await using filed = await startFiled({ config: { max_attempts: 3, backoff_base: 0 } });
  assert.match(await filed.finish("x", "#filed final=2,64-78\nexit 65"), /exit status 65\n$/);
  assert.match(await filed.finish("y", "#filed final=2,64-78\nexit 1"), /exit status 1\n$/);
  const attempts = (job: string) =>
    filed.log.filter(({ message, properties }) => message === "attempt started" && properties.job === job)
      .length;
  assert.deepEqual([attempts("x"), attempts("y")], [1, 3]);
});

Deno.test("a start shows as the time of the file, and touch overrides it", async () => {
  await using filed = await startFiled();
  const [from, to] = await during(() => filed.submit("x", "#filed start=+1h\necho up"));
  assertWithin(await mtime(filed, "pending/x"), [from + HOUR_MS, to + HOUR_MS], "mtime");
  await assertHeld(filed, "x");
  await filed.submit("x", "#filed start=+2h\necho up");
  assert.ok(await mtime(filed, "pending/x") > to + 1.5 * HOUR_MS);
  await ok(filed.sh("touch $M/pending/x"));
  assert.equal(await filed.finished("x"), ">>> #filed start=+2h\necho up\nup\n");
});

Deno.test("a job without the start that it had may start at once, and one that was put off by hand may not", async () => {
  await using filed = await startFiled();
  await filed.submit("x", "#filed start=+1h\necho old");
  assert.equal(await filed.finish("x", "echo new"), ">>> echo new\nnew\n");
  await filed.submit("y", "#filed start=+1h\necho old");
  await ok(filed.sh("touch -d '+1 day' $M/pending/y"));
  await filed.submit("y", "echo new");
  await assertHeld(filed, "y");
});

Deno.test("a start that is past holds nothing up, and one that comes starts the job", async () => {
  await using filed = await startFiled();
  await filed.finish("x", "#filed start=@1\ntrue");
  await filed.finish("y", "#filed start=+0.3s\ntrue");
});

Deno.test("a job that has not started by its deadline does not run, and a retry drops that", async () => {
  await using filed = await startPaused();
  await filed.submit("x", "#filed deadline=+0.2s start=+1h\necho up");
  await filed.submit("y", "#filed deadline=+1h\necho up");
  await filed.event("job not run", { job: "x" });
  const expected = ">>> #filed deadline=+0.2s start=+1h\necho up\n\n\n[System Error]: not run: too late\n";
  assert.equal(await read(filed, "failed/x"), expected);
  await resume(filed);
  await filed.finished("y");
  await ok(filed.sh("mv $M/failed/x $M/pending/x"));
  assert.match(await filed.finished("x"), /\nup\n$/);
});

Deno.test("a deadline holds across a restart, and not for a job that has started once", async () => {
  await using place = await Place.make();
  await using first = await Filed.start(place, { config: { max_job_count: 0 } });
  await first.submit("late", "#filed deadline=+0.5s\ntrue");
  await first.submit("later", "#filed deadline=+1h\ntrue");
  await first.stop();
  await using again = await Filed.start(place);
  await again.event("job not run", { job: "late" });
  await again.configure({ max_job_count: 20 });
  await again.finished("later");
  // The second attempt begins behind the deadline.
  await again.submit(
    "x",
    "#filed deadline=+1s backoff_base=2 backoff_mult=1 max_attempts=2\ntest $FILED_ATTEMPT = 2",
  );
  await again.finished("x");
  assert.deepEqual(await again.list("complete"), ["later", "x"]);
});

Deno.test("those of a higher priority start first, and among equals in the order submitted", async () => {
  await using filed = await startPaused();
  const priorities = { a: 0, b: -5, c: 7, d: undefined, e: 7, f: -5, g: 100 };
  for (const [id, priority] of Object.entries(priorities)) {
    await filed.submit(id, priority === undefined ? "true" : `#filed priority=${priority}\ntrue`);
  }
  await resumeOneByOne(filed);
  await filed.finished("f");
  await assertStarted(filed, "g", "c", "e", "a", "d", "b", "f");
});

Deno.test("a rewrite with another priority keeps its place among those", async () => {
  await using filed = await startPaused();
  for (const id of ["a", "b", "c"]) await filed.submit(id, "#filed priority=5\ntrue");
  for (const id of ["d", "e"]) await filed.submit(id, "true");
  await filed.submit("a", "true"); // It was first, and is among those that have none.
  await filed.submit("e", "#filed priority=5\ntrue");
  await resumeOneByOne(filed);
  await assertStarted(filed, "b", "c", "e", "a", "d");
});

Deno.test("a retry keeps its priority", async () => {
  await using filed = await startFiled({ config: { max_attempts: 1 } });
  await filed.finish("x", "#filed priority=5\nfalse");
  await filed.configure({ max_job_count: 0 });
  await filed.submit("y", "true");
  await ok(filed.sh("mv $M/failed/x $M/pending/x"));
  const before = filed.log.length;
  await resumeOneByOne(filed);
  await filed.event("attempt ended", { job: "y" });
  const starts = filed.log.slice(before).filter(({ message }) => message === "attempt started");
  assert.deepEqual(starts.map(({ properties }) => properties.job), ["x", "y"]);
});

Deno.test("a header alone is held, and starts once there is a command", async () => {
  await using filed = await startFiled();
  await filed.submit("x", "#filed nice=3\n# no more yet\n");
  await assertHeld(filed, "x");
  await ok(filed.sh("echo nice >> $M/pending/x"));
  assert.match(await filed.finished("x"), /\n3\n$/);
});

Deno.test("a wrong line is refused at the write that brings its newline", async () => {
  await using filed = await startFiled();
  await fails(filed.sh("printf '#filed timeuot=3\\nmake\\n' > $M/pending/x"), INVALID);
  const { properties: { reason } } = await filed.event("content refused", { job: "x" });
  assert.equal(reason, "line 1: timeuot: no such key; did you mean timeout_sec?");
  const file = await open(filed, "pending/x", { write: true, createNew: true });
  try {
    write(file, "#filed nice=");
    write(file, "99");
    assert.throws(() => write(file, "\nmake\n"), INVALID);
    assert.throws(() => write(file, "x"), INVALID);
  } finally {
    file.close();
  }
  await assertStarted(filed);
  assert.deepEqual(await filed.list("pending"), []);
});

Deno.test("a wrong line without a newline is refused when the file is closed", async () => {
  await using filed = await startFiled();
  const script =
    "f = os.open(M + '/pending/x', os.O_WRONLY | os.O_CREAT)\nos.write(f, b'#filed nice=99')\nos.close(f)";
  await fails(filed.python(script), /line 5, in <module>\nOSError: \[Errno 22\]/);
  const { properties: { reason } } = await filed.event("content refused", { job: "x" });
  assert.equal(reason, "line 1: nice=99: it takes a whole number from 0 to 19");
  await assertStarted(filed);
  assert.deepEqual(await filed.list("pending"), []);
});

Deno.test("a rewrite or an append that is refused leaves the job as it was, header and all", async () => {
  await using filed = await startPaused();
  await filed.submit("x", "#filed priority=-3 nice=3\nnice");
  await filed.submit("y", "true");
  await fails(filed.sh("printf '#filed nice=99\\nnice\\n' > $M/pending/x"), INVALID);
  assert.equal(await read(filed, "pending/x"), "#filed priority=-3 nice=3\nnice");
  await filed.submit("h", "#filed nice=4\n");
  await fails(filed.sh("printf '#filed nice=5\\nnice\\n' >> $M/pending/h"), INVALID);
  const { properties: { reason } } = await filed.event("content refused", { job: "h" });
  assert.equal(reason, "line 2: nice: it is there twice");
  await resumeOneByOne(filed);
  assert.match(await filed.finished("x"), /\n3\n$/);
  assert.equal(await read(filed, "pending/h"), "#filed nice=4\n");
});

Deno.test("a line further down is data", async () => {
  await using filed = await startFiled();
  await filed.finish("x", "true\n#filed timeuot=3\n");
});

Deno.test("a draft is judged at the rename that submits it, and asks for what it says then", async () => {
  await using filed = await startFiled();
  await filed.submit(".x", "#filed nise=3\nnice");
  await refuses("EINVAL", mv(filed, ".x", "x"));
  const { properties: { reason } } = await filed.event("content refused", { job: ".x" });
  assert.equal(reason, "line 1: nise: no such key; did you mean nice?");
  await filed.submit(".x", "#filed nice=3\nnice");
  await mv(filed, ".x", "x");
  assert.match(await filed.finished("x"), /\n3\n$/);
});

Deno.test("a job that is replaced by a draft has the place of the old one, and asks for what the new one says", async () => {
  await using filed = await startPaused();
  for (const id of ["a", "b"]) await filed.submit(id, "#filed nice=1\nnice");
  await filed.submit(".a", "#filed nice=2\nnice");
  await mv(filed, ".a", "a");
  await resumeOneByOne(filed);
  await assertStarted(filed, "a", "b");
  assert.match(await filed.finished("a"), /\n2\n$/);
});

Deno.test("what a header asks for is there after kill -9", async () => {
  await using place = await Place.make();
  await using first = await Filed.start(place, { config: { max_job_count: 0 } });
  await first.submit("a", "#filed nice=3\nnice");
  await first.submit("b", "#filed priority=5 start=@1\nnice");
  await first.submit(".c", "#filed nice=4\nnice");
  await first.stop("SIGKILL");
  await using again = await Filed.start(place);
  await mv(again, ".c", "c");
  await resumeOneByOne(again);
  assert.match(await again.finished("a"), /\n3\n$/);
  assert.match(await again.finished("c"), /\n4\n$/);
  await assertStarted(again, "b", "a", "c");
});

const CAPS = { nice: 5, max_memory_mb: 512, at_most: { timeout_sec: 3_600, max_attempts: 4 } };
/** More than a user's job may have with those, and why it can't. */
const EXCESSES = {
  "nice=4": /^nice=4: only jobs of root and of filed's own user may have more than 5$/,
  "max_memory_mb=1g": /^max_memory_mb=1024: /,
  "max_memory_mb=0": /^max_memory_mb=0: /,
  "timeout_sec=2h": /^timeout_sec=7200: /,
  "timeout_sec=0": /^timeout_sec=0: /,
  "max_attempts=5": /^max_attempts=5: /,
  "priority=1": /^priority=1: .* more than 0$/,
};
for (const [ask, reason] of Object.entries(EXCESSES)) {
  rootTest(`a user's job can't ask for ${ask}, by no way to write it, and root's can`, async () => {
    await using filed = await startPaused();
    await filed.admitAll();
    await filed.configure(CAPS);
    await fails(filed.sh(`echo '#filed ${ask}' > $M/pending/x`, { user: USER }), DENIED);
    await ok(filed.sh(`echo '#filed ${ask}' > $M/pending/.x`, { user: USER }));
    await fails(filed.sh("mv $M/pending/.x $M/pending/x", { user: USER }), /Operation not permitted/);
    await ok(filed.sh("echo true > $M/pending/x", { user: USER }));
    await fails(filed.sh(`echo '#filed ${ask}' > $M/pending/x`, { user: USER }), DENIED);
    assert.equal(await read(filed, "pending/x"), "true\n");
    for (const { properties } of await filed.events("content refused", {}, 3)) {
      assert.match(String(properties.reason), reason);
    }
    await filed.submit("of-root", `#filed ${ask}\ntrue`);
  });
}

rootTest("a user's job has what it may ask for", async () => {
  await using filed = await startFiled({ config: CAPS });
  await filed.admitAll();
  const script = "printf '#filed nice=6 timeout_sec=1h max_memory_mb=100 priority=-1\\nnice' > $M/pending/x";
  await ok(filed.sh(script, { user: USER }));
  assert.match(await filed.finished("x"), /\n6\n$/);
});

rootTest("a job that is given away is held to its new owner's caps, as at each start", async () => {
  await using filed = await startPaused();
  await filed.admitAll();
  await filed.submit("given", "#filed priority=50 nice=1\nnice");
  await filed.submit("kept", "#filed priority=40\nnice");
  await filed.submit("plain", "true");
  await ok(filed.sh(`chown ${USER} $M/pending/given`));
  await filed.configure({ nice: 5, max_job_count: 1 });
  await assertStarted(filed, "kept", "given", "plain");
  assert.match(await filed.finished("given"), /\n5\n$/);
});
