/** The table of moves, cell by cell, and what a move means for the job. */
import assert from "node:assert/strict";
import { fails, type Filed, ok, startFiled } from "../harness.ts";
import { Wire } from "../wire.ts";
import { assertStarted, read, resume, settled, started, startPaused } from "./expect.ts";

const STATES = ["pending", "active", "complete", "failed"] as const;
type State = typeof STATES[number];

type Started = Awaited<ReturnType<typeof startFiled>>;

/** Brings a job into a state, in a queue in which then nothing starts. */
async function put(filed: Started, id: string, state: State): Promise<void> {
  await filed.configure({ max_job_count: state === "pending" ? 0 : 20, max_attempts: 1 });
  if (state === "complete" || state === "failed") {
    await filed.finish(id, state === "complete" ? "echo ran" : "echo ran; false");
  } else if (state === "active") {
    await using wire = await Wire.make(filed.place, `wire-${id}`);
    await filed.submit(id, `echo ran; echo up > ${wire.path}; exec sleep 60`);
    await wire.line();
  } else await filed.submit(id, "echo ran");
  await filed.configure({ max_job_count: 0 });
}

/** Where each job is. */
async function places(filed: Filed): Promise<string[]> {
  const lists = await Promise.all(
    STATES.map(async (state) => (await filed.list(state)).map((id) => `${state}/${id}`)),
  );
  return lists.flat();
}

const NOT_PERMITTED = /Operation not permitted/;
const BUSY = /Device or resource busy/;

/** What `mv FROM/x TO/x` gives; `undefined`: it moves. */
const MOVES: Record<State, Record<State, RegExp | undefined>> = {
  pending: {
    pending: /are the same file/,
    active: NOT_PERMITTED,
    complete: NOT_PERMITTED,
    failed: undefined,
  },
  active: { pending: undefined, active: /are the same file/, complete: NOT_PERMITTED, failed: undefined },
  complete: {
    pending: undefined,
    active: NOT_PERMITTED,
    complete: /are the same file/,
    failed: NOT_PERMITTED,
  },
  failed: { pending: undefined, active: NOT_PERMITTED, complete: NOT_PERMITTED, failed: /are the same file/ },
};

for (const from of STATES) {
  for (const to of STATES) {
    const error = MOVES[from][to];
    Deno.test(`mv ${from}/x ${to}/ ${error ? `is refused: ${error.source}` : "moves the job"}`, async () => {
      await using filed = await startFiled();
      await put(filed, "x", from);
      const moved = filed.sh(`mv $M/${from}/x $M/${to}/x`);
      await (error ? fails(moved, error) : ok(moved));
      assert.deepEqual(await places(filed), [`${error ? from : to}/x`]);
    });
  }
}

for (const state of ["pending", "complete", "failed"] as const) {
  Deno.test(`mv ${state}/x ${state}/y gives the job another id, and keeps its content and its inode`, async () => {
    await using filed = await startFiled();
    await put(filed, "x", state);
    const before = [await read(filed, `${state}/x`), (await Deno.stat(`${filed.mount}/${state}/x`)).ino];
    await ok(filed.sh(`mv $M/${state}/x $M/${state}/y`));
    assert.deepEqual(await places(filed), [`${state}/y`]);
    assert.deepEqual(
      [await read(filed, `${state}/y`), (await Deno.stat(`${filed.mount}/${state}/y`)).ino],
      before,
    );
  });
}

Deno.test("mv active/x active/y is refused: the job runs under its id", async () => {
  await using filed = await startFiled();
  await put(filed, "x", "active");
  await fails(filed.sh("mv $M/active/x $M/active/y"), BUSY);
  assert.deepEqual(await places(filed), ["active/x"]);
});

Deno.test("mv failed/x pending/y retries the job under another id", async () => {
  await using filed = await startFiled({ config: { max_attempts: 1 } });
  await filed.finish("x", "[ $FILED_JOB_ID = y ]");
  await ok(filed.sh("mv $M/failed/x $M/pending/y"));
  await filed.finished("y");
  assert.deepEqual(await places(filed), ["complete/y"]);
});

Deno.test("mv failed/x pending/ runs the job again from the start: attempts 0", async () => {
  await using filed = await startFiled({ config: { max_attempts: 2, backoff_base: 0 } });
  const log = `${filed.place.path}/attempts`;
  await filed.finish("x", `echo $FILED_ATTEMPT >> ${log}; false`);
  await ok(filed.sh("mv $M/failed/x $M/pending"));
  await filed.events("attempt ended", { job: "x", state: "failed" }, 2);
  assert.equal(await Deno.readTextFile(log), "1\n2\n1\n2\n");
});

Deno.test("mv complete/x pending/ runs the job again, and the old log is replaced", async () => {
  await using filed = await startFiled();
  const command = `[ -e mark ] && echo second || { touch mark; echo first and longer; }`;
  assert.equal(await filed.finish("x", command), `>>> ${command}\nfirst and longer\n`);
  await ok(filed.sh("mv $M/complete/x $M/pending"));
  await filed.events("attempt ended", { job: "x", state: "complete" }, 2);
  assert.equal(await read(filed, "complete/x"), `>>> ${command}\nsecond\n`);
});

Deno.test("mv active/x pending/ runs the job again from the start: attempts 0", async () => {
  await using filed = await startFiled({ config: { backoff_base: 0 } });
  await using wire = await Wire.make(filed.place);
  const first = `[ $FILED_ATTEMPT = 1 ] && exit 1; echo up > ${wire.path}; exec sleep 60`;
  await filed.submit("x", `[ -e mark ] && exec echo again $FILED_ATTEMPT; ${first}`);
  assert.equal(await wire.line(), "up");
  await ok(filed.sh("touch $M/../mark; mv $M/active/x $M/pending"));
  await filed.event("attempt ended", { job: "x", state: "complete" });
  assert.match(await read(filed, "complete/x"), /\nagain 1\n$/);
});

Deno.test("a job moved back to pending/ shows its command, which may be changed", async () => {
  await using filed = await startFiled();
  await put(filed, "x", "failed");
  await ok(filed.sh("mv $M/failed/x $M/pending"));
  assert.equal(await read(filed, "pending/x"), "echo ran; false");
  await ok(filed.sh("echo 'echo repaired' > $M/pending/x"));
  await resume(filed);
  await filed.event("attempt ended", { job: "x", state: "complete" });
  assert.equal(await read(filed, "complete/x"), ">>> echo repaired\nrepaired\n");
});

Deno.test("a retry that waits can be moved to failed/, and keeps the log of its last attempt", async () => {
  await using filed = await startFiled({ config: { backoff_base: 1_000 } });
  await filed.submit("x", "echo ran; false");
  await filed.event("attempt ended", { job: "x", state: "pending" });
  await ok(filed.sh("mv $M/pending/x $M/failed"));
  assert.match(await read(filed, "failed/x"), /^>>> echo ran; false\nran\n\n\n\[System Error\]: /);
});

Deno.test("a job moved from pending/ to failed/ does not run, and its log says so", async () => {
  await using filed = await startPaused();
  await filed.submit("x", "echo ran");
  await ok(filed.sh("mv $M/pending/x $M/failed"));
  await resume(filed);
  await assertStarted(filed);
  assert.match(await read(filed, "failed/x"), /^>>> echo ran\n\n\n\[System Error\]: \S/);
});

Deno.test("a job moved from active/ to failed/ keeps its log, with the reason", async () => {
  await using filed = await startFiled();
  await put(filed, "x", "active");
  await ok(filed.sh("mv $M/active/x $M/failed"));
  assert.match(
    await read(filed, "failed/x"),
    /^>>> echo ran; .*\n(ran\n)?\n\n\[System Error\]: signal: killed\n$/,
  );
});

Deno.test("a job moved from active/ to failed/ stays there once it is gone, whatever attempts it had", async () => {
  await using filed = await startFiled();
  await put(filed, "x", "active");
  await resume(filed);
  await ok(filed.sh("mv $M/active/x $M/failed"));
  await filed.event("attempt ended", { job: "x" });
  await settled(filed);
  assert.deepEqual([await filed.list("failed"), started(filed)], [["x"], ["x"]]);
});

Deno.test("a job that failed again after a retry is removed by rm", async () => {
  await using filed = await startFiled({ config: { backoff_base: 0 } });
  await filed.finish("2", "ech this-will-fail");
  await ok(filed.sh("mv $M/failed/2 $M/pending"));
  await filed.events("attempt ended", { job: "2", state: "failed" }, 2);
  await ok(filed.sh("rm $M/failed/2"));
  assert.deepEqual(await places(filed), []);
});

Deno.test("many jobs are retried with one mv", async () => {
  await using filed = await startFiled({ config: { max_attempts: 1 } });
  for (const id of ["a", "b", "c"]) await filed.finish(id, "[ -e mark ]");
  await ok(filed.sh("touch $M/../mark; mv $M/failed/* $M/pending/"));
  await filed.events("attempt ended", { state: "complete" }, 3);
  assert.deepEqual(await places(filed), ["complete/a", "complete/b", "complete/c"]);
});
