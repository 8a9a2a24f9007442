/** How filed ends, and what the next one finds. */
import assert from "node:assert/strict";
import { Filed, mountsBelow, ok, Place, run } from "../harness.ts";
import { Wire } from "../wire.ts";
import { assertStarted, Gate, open, read, started, stat, write } from "./expect.ts";

const IS_ROOT = Deno.uid() === 0;

/** What ends a daemon. */
const ENDS: Record<string, (filed: Filed) => unknown> = {
  "SIGINT": (filed) => filed.signal("SIGINT"),
  "SIGTERM": (filed) => filed.signal("SIGTERM"),
  "umount": (filed) => ok(run(IS_ROOT ? ["umount", filed.mount] : ["fusermount3", "-u", filed.mount])),
  "umount -l": (filed) =>
    ok(run(IS_ROOT ? ["umount", "-l", filed.mount] : ["fusermount3", "-uz", filed.mount])),
};

/** A job that goes on for long the first time, and at the next says which attempt that is. */
function interruptible(wire: Wire): string {
  return `[ -e mark ] && exec echo attempt $FILED_ATTEMPT; touch mark; exec 3> ${wire.path}; ` +
    "setsid sleep 60 & echo up >&3; wait";
}

for (const [what, end] of Object.entries(ENDS)) {
  Deno.test(`${what} stops an idle filed: exit status 0, and the mount is gone`, async () => {
    await using place = await Place.make();
    await using filed = await Filed.start(place);
    await end(filed);
    const { code, signal } = await filed.ended();
    assert.deepEqual({ code, signal }, { code: 0, signal: null });
    assert.deepEqual([await mountsBelow(place.path), filed.words], [[], []]);
  });

  Deno.test(`${what} ends what runs past --grace, and the next filed runs it without counting the attempt`, async () => {
    await using place = await Place.make();
    await using wire = await Wire.make(place);
    await using filed = await Filed.start(place, { args: ["--grace", "0.3"] });
    await filed.submit("job", interruptible(wire));
    assert.equal(await wire.line(), "up");
    await end(filed);
    assert.equal((await filed.ended()).code, 0);
    await wire.end();
    await using next = await Filed.start(place);
    assert.match(await next.finished("job"), /\nattempt 1\n$/);
  });

  Deno.test(`${what} lets what runs end within --grace`, async () => {
    await using place = await Place.make();
    using gate = await Gate.make(place);
    await using filed = await Filed.start(place, { args: ["--grace", "60"] });
    await filed.submit("job", `${gate.waiting}; echo whole`);
    await gate.closedOn();
    await end(filed);
    await filed.event("waiting for jobs");
    await gate.open();
    assert.equal((await filed.ended()).code, 0);
    await using next = await Filed.start(place);
    assert.match(await read(next, "complete/job"), /\nwhole\n$/);
    assert.deepEqual(started(next), []);
  });

  Deno.test(`${what} starts no other job, and the next filed does`, async () => {
    await using place = await Place.make();
    using gate = await Gate.make(place);
    await using filed = await Filed.start(place, { args: ["--grace", "60"], config: { max_job_count: 1 } });
    await filed.submit("a", gate.waiting);
    await gate.closedOn();
    for (const id of ["b", "c"]) await filed.submit(id, "true");
    await end(filed);
    await filed.event("waiting for jobs");
    await gate.open();
    await filed.ended();
    assert.deepEqual(started(filed), ["a"]);
    await using next = await Filed.start(place);
    await assertStarted(next, "b", "c");
  });
}

Deno.test("a second signal hurries", async () => {
  await using place = await Place.make();
  await using wire = await Wire.make(place);
  await using filed = await Filed.start(place, { args: ["--grace", "1000"] });
  await filed.submit("job", interruptible(wire));
  assert.equal(await wire.line(), "up");
  filed.signal("SIGTERM");
  await filed.event("waiting for jobs");
  filed.signal("SIGINT");
  assert.equal((await filed.ended()).code, 0);
  await wire.end();
  await using next = await Filed.start(place);
  assert.match(await next.finished("job"), /\nattempt 1\n$/);
});

Deno.test("a job that does not end at SIGTERM does not keep filed from ending", async () => {
  await using place = await Place.make();
  await using wire = await Wire.make(place);
  await using filed = await Filed.start(place);
  await filed.submit("job", `trap '' TERM; exec 3> ${wire.path}; echo up >&3; while :; do sleep 60; done`);
  assert.equal(await wire.line(), "up");
  assert.equal((await filed.stop()).code, 0);
  await wire.end();
});

Deno.test("a job whose second attempt was stopped makes its second attempt again", async () => {
  await using place = await Place.make();
  await using wire = await Wire.make(place);
  await using filed = await Filed.start(place, { config: { backoff_base: 0 } });
  await filed.submit("job", `[ $FILED_ATTEMPT = 1 ] && exit 1; ${interruptible(wire)}`);
  assert.equal(await wire.line(), "up");
  await filed.stop();
  await using next = await Filed.start(place);
  assert.match(await next.finished("job"), /\nattempt 2\n$/);
});

Deno.test("a stopped job has the place in the queue that it had", async () => {
  await using place = await Place.make();
  await using wire = await Wire.make(place);
  await using filed = await Filed.start(place, { config: { max_job_count: 1 } });
  await filed.submit("first", interruptible(wire));
  assert.equal(await wire.line(), "up");
  await filed.submit("second", "true");
  await filed.stop();
  await using next = await Filed.start(place);
  await assertStarted(next, "first", "second");
});

Deno.test("who has a file open when filed stops does not keep it from ending", async () => {
  await using place = await Place.make();
  await using filed = await Filed.start(place);
  await filed.finish("job", "true");
  using _log = await Deno.open(`${filed.mount}/complete/job`);
  using _directory = await Deno.open(`${filed.mount}/complete`);
  assert.equal((await filed.stop()).code, 0);
  assert.deepEqual(await mountsBelow(place.path), []);
});

Deno.test("a file that is being written when filed stops does not run, cut short as it is", async () => {
  await using place = await Place.make();
  await using filed = await Filed.start(place);
  using file = await open(filed, "pending/x", { write: true, create: true });
  write(file, "echo cut sho");
  await filed.stop();
  assert.throws(() => write(file, "rt"));
  await using next = await Filed.start(place);
  await assertStarted(next);
});

Deno.test("a file that is rewritten when filed stops runs as it was closed", async () => {
  await using place = await Place.make();
  await using filed = await Filed.start(place, { config: { max_job_count: 0 } });
  await filed.submit("x", "echo closed");
  using file = await open(filed, "pending/x", { write: true, truncate: true });
  write(file, "echo cut sho");
  await filed.configure({ max_job_count: 20 });
  await filed.stop();
  await using next = await Filed.start(place);
  assert.equal(await next.finished("x"), ">>> echo closed\nclosed\n");
});

/** Stops a daemon, prepared, and starts the next on the same state file. */
async function restart(
  config: Record<string, number>,
  before: (filed: Filed) => Promise<void>,
  after: (filed: Filed) => Promise<void>,
): Promise<void> {
  await using place = await Place.make();
  await using filed = await Filed.start(place, { config });
  await before(filed);
  await filed.stop();
  await using next = await Filed.start(place);
  await after(next);
}

Deno.test("a restart keeps the order of pending/", () => {
  const ids = ["c", "a", "d", "b"];
  return restart({ max_job_count: 0 }, async (filed) => {
    for (const id of ids) await filed.submit(id, "true");
    await filed.submit("a", "true # rewritten");
  }, async (filed) => {
    await filed.configure({ max_job_count: 1 });
    await assertStarted(filed, ...ids);
  });
});

Deno.test("a restart keeps the settings", () => {
  let before = "";
  return restart({ max_attempts: 7, backoff_mult: 1.5 }, async (filed) => {
    before = await read(filed, "config.json");
  }, async (filed) => {
    assert.equal(await read(filed, "config.json"), before);
    assert.equal(JSON.parse(before).max_attempts, 7);
  });
});

Deno.test("a restart keeps the logs", () => {
  let logs: string[] = [];
  const readLogs = (filed: Filed) => Promise.all([read(filed, "complete/good"), read(filed, "failed/bad")]);
  return restart({ max_attempts: 1 }, async (filed) => {
    await filed.finish("good", "seq 30000");
    await filed.finish("bad", "echo x; exit 3");
    logs = await readLogs(filed);
  }, async (filed) => assert.deepEqual(await readLogs(filed), logs));
});

Deno.test("a restart keeps a retry waiting for its time, and its attempts", () => {
  let before = 0;
  return restart({ backoff_base: 1_000 }, async (filed) => {
    await filed.submit("job", "echo attempt $FILED_ATTEMPT; [ $FILED_ATTEMPT = 2 ]");
    await filed.event("attempt ended", { job: "job", state: "pending" });
    before = Number((await stat(filed, "pending/job")).mtimeMs);
  }, async (filed) => {
    await assertStarted(filed);
    assert.equal(Number((await stat(filed, "pending/job")).mtimeMs), before);
    await ok(filed.sh("touch $M/pending/job"));
    assert.match(await filed.finished("job"), /\nattempt 2\n$/);
  });
});

Deno.test("a retry that came due while filed was away starts with the next one", async () => {
  await using place = await Place.make();
  using gate = await Gate.make(place);
  const config = { backoff_base: 0.05, backoff_mult: 1, max_attempts: 2 };
  await using filed = await Filed.start(place, { args: ["--grace", "60"], config });
  await filed.submit("job", `[ $FILED_ATTEMPT = 2 ] || { ${gate.waiting}; false; }`);
  await gate.closedOn();
  filed.signal("SIGTERM");
  await filed.event("waiting for jobs"); // From now on it starts nothing.
  gate.open();
  await filed.ended();
  assert.deepEqual(started(filed), ["job"]);
  await using next = await Filed.start(place);
  await next.finished("job");
  assert.deepEqual(await next.list("complete"), ["job"]);
});

Deno.test("a restart keeps drafts and empty files as they were", () =>
  restart({}, async (filed) => {
    await filed.submit(".draft", "echo draft");
    await ok(filed.sh("touch $M/pending/empty"));
  }, async (filed) => {
    await assertStarted(filed);
    assert.deepEqual(await filed.list("pending"), [".draft", "empty"]);
    assert.equal(await read(filed, "pending/.draft"), "echo draft");
  }));
