/** `#filed lock=`: one at a time of an owner's jobs. Locks on files are tests/clients/locks_test.ts. */
import assert from "node:assert/strict";
import { fails, Filed, ok, Place, startFiled, until } from "../harness.ts";
import { assertHeld, assertStarted, Gate, mv, read, startPaused } from "./expect.ts";

/** Submits a job that has the lock until its gate opens. */
async function hold(filed: Filed & { place: Place }, id: string): Promise<Gate> {
  const gate = await Gate.make(filed.place, `gate-${id}`);
  await filed.submit(id, `#filed lock=l\n${gate.waiting}\n`);
  await gate.closedOn();
  return gate;
}

Deno.test("of the jobs with a lock one runs at a time, in their order, and others pass them", async () => {
  await using filed = await startFiled();
  using gate = await hold(filed, "a");
  await filed.submit("b", "#filed lock=l\ntrue");
  await filed.submit("c", "#filed lock=l\ntrue");
  await filed.finish("other", "#filed lock='another one'\ntrue");
  await assertHeld(filed, "b");
  gate.open();
  await filed.finished("c");
  await assertStarted(filed, "a", "other", "b", "c");
});

Deno.test("who is first for a lock and gives its place up lets the next start", async () => {
  await using filed = await startFiled();
  const waits = "#filed lock=l start=+1h\ntrue";
  using gate = await hold(filed, "held");
  for (const id of ["moved", "removed", "drafted", "later", "unlocked", "last"]) {
    await filed.submit(id, "#filed lock=l\ntrue");
  }
  await Deno.rename(`${filed.mount}/pending/moved`, `${filed.mount}/failed/moved`);
  await Deno.remove(`${filed.mount}/pending/removed`);
  await mv(filed, "drafted", ".drafted");
  await filed.submit("later", waits);
  await filed.finish("unlocked", "true");
  await assertHeld(filed, "last");
  gate.open();
  await filed.finished("last");
  await mv(filed, ".drafted", "drafted");
  await filed.finished("drafted");
  await ok(filed.sh("touch $M/pending/later"));
  await filed.finished("later");
});

Deno.test("a lock is free once all of its run is gone, whatever becomes of the job", async () => {
  await using filed = await startFiled({ config: { backoff_base: 3_600, backoff_mult: 1 } });
  using _gate = await hold(filed, "a");
  await filed.submit("b", "#filed lock=l\ntrue");
  await assertHeld(filed, "b");
  await Deno.remove(`${filed.mount}/active/a`);
  await filed.finished("b");
  await filed.submit("fails", "#filed lock=l\nexit 1");
  await filed.event("attempt ended", { job: "fails" });
  await filed.finish("c", "#filed lock=l\ntrue"); // While the other waits for its next attempt.
});

Deno.test("coalesce: only the newest waits, and the others are not run", async () => {
  await using filed = await startFiled();
  using gate = await hold(filed, "deploy-1");
  for (const id of ["deploy-2", "deploy-3", "deploy-4"]) {
    await filed.submit(id, `#filed lock=l,coalesce\necho ${id}`);
  }
  await filed.event("job not run", { job: "deploy-3", reason: "replaced by deploy-4" });
  assert.deepEqual(await filed.list("pending"), ["deploy-4"]);
  assert.deepEqual(await filed.list("failed"), ["deploy-2", "deploy-3"]);
  assert.equal(
    await read(filed, "failed/deploy-2"),
    ">>> #filed lock=l,coalesce\necho deploy-2\n\n\n[System Error]: not run: replaced by deploy-3\n",
  );
  gate.open();
  assert.match(await filed.finished("deploy-4"), /\ndeploy-4\n$/);
  await assertStarted(filed, "deploy-1", "deploy-4");
});

Deno.test("coalesce spares who does not ask for it, who has run, another's lock, and drafts", async () => {
  await using filed = await startFiled({ config: { max_attempts: 2, backoff_base: 3_600, backoff_mult: 1 } });
  await filed.submit("ran", "#filed lock=l,coalesce\nexit 1");
  await filed.event("attempt ended", { job: "ran" });
  using gate = await hold(filed, "held");
  await filed.submit("plain", "#filed lock=l\ntrue");
  await filed.submit("another", "#filed lock=m,coalesce start=+1h\ntrue");
  await filed.submit(".draft", "#filed lock=l,coalesce\ntrue");
  await filed.submit("x", "#filed lock=l,coalesce\ntrue");
  assert.deepEqual(await filed.list("pending"), [".draft", "another", "plain", "ran", "x"]);
  await mv(filed, ".draft", "y"); // It comes now.
  await filed.event("job not run", { job: "x", reason: "replaced by y" });
  gate.open();
  await filed.finished("y");
  assert.deepEqual(await filed.list("failed"), ["x"]);
});

Deno.test("coalesce: a job that is moved back by hand is the newest", async () => {
  await using filed = await startPaused();
  await filed.submit("old", "#filed lock=l,coalesce\ntrue");
  await filed.submit("new", "#filed lock=l,coalesce\ntrue");
  await filed.event("job not run", { job: "old" });
  await Deno.rename(`${filed.mount}/failed/old`, `${filed.mount}/pending/old`);
  await filed.event("job not run", { job: "new", reason: "replaced by old" });
  await filed.configure({ max_job_count: 1 });
  await filed.finished("old");
});

Deno.test("a lock that is none is refused at the write, and why/ says what it takes", async () => {
  await using filed = await startFiled();
  await fails(
    filed.sh("printf '#filed lock=a,b\\ntrue\\n' > $M/pending/x"),
    /Invalid argument|I\/O error/,
  );
  assert.match(await read(filed, "why/x"), /^refused: line 1: lock=a,b: it takes a name without a comma/);
});

Deno.test("a thousand jobs behind a lock hold nobody up, and run one by one", async () => {
  await using filed = await startPaused();
  await ok(filed.sh(`cd $M/pending
    for i in $(seq 1000); do printf '#filed lock=l\\n:\\n' > l$i; done
    for i in $(seq 50); do echo : > p$i; done`));
  await filed.configure({ max_job_count: 2 });
  await until(
    "the plain ones are done",
    async () => (await filed.list("complete")).filter((id) => id[0] === "p").length === 50,
  );
  const active = (await filed.list("active")).filter((id) => id.startsWith("l"));
  assert.ok(active.length <= 1, `${active}`);
});
