/**
 * Ending a job ends all of it, whoever asks for it, and however its processes have gone their own ways.
 * worker/ending_test.ts has the executor alone.
 */
import assert from "node:assert/strict";
import { type Filed, ok, rootTest, startFiled } from "../harness.ts";
import { Wire } from "../wire.ts";
import { Gate, resume, started } from "./expect.ts";

/** What makes processes that the shell's group, or the shell itself, no longer reaches. Each says so on descriptor 3. */
const CHILDREN = {
  "children in the background": "sh -c 'echo up >&3; sleep 60' & sleep 60 & wait",
  "a child with nohup": "nohup sh -c 'echo up >&3; sleep 60' > /dev/null & wait",
  "a child with setsid": "setsid sh -c 'echo up >&3; sleep 60' & wait",
  "a grandchild whose parent is gone": "sh -c '(echo up >&3; sleep 60) &'; exec sleep 60",
  "a grandchild of a double fork with setsid":
    "setsid sh -c '(setsid sleep 60; true) & echo up >&3'; exec sleep 60",
  "a pipeline": "{ echo up >&3; sleep 60; } | cat",
  "a stopped child": "sh -c 'echo up >&3; kill -STOP $$' & wait",
} as const;

/** Who ends a running job. */
const ENDS: Record<string, (filed: Filed) => Promise<unknown>> = {
  "rm": (filed) => ok(filed.sh("rm $M/active/job")),
  "mv to pending/": async (filed) => {
    await filed.configure({ max_job_count: 0 }); // It would start again.
    await ok(filed.sh("mv $M/active/job $M/pending"));
  },
  "mv to failed/": (filed) => ok(filed.sh("mv $M/active/job $M/failed")),
  "a timeout": () => Promise.resolve(),
};

for (const [end, act] of Object.entries(ENDS)) {
  for (const [what, script] of Object.entries(CHILDREN)) {
    Deno.test(`${end} ends ${what}`, async () => {
      await using filed = await startFiled({ config: { timeout_sec: end === "a timeout" ? 1 : 0 } });
      await using wire = await Wire.make(filed.place);
      await filed.submit("job", `exec 3> ${wire.path}; ${script}`);
      assert.equal(await wire.line(), "up");
      await act(filed);
      assert.deepEqual(await wire.end(), []);
    });
  }
}

rootTest("rm ends a grandchild that has neither its parent nor its environment, by its cgroup", async () => {
  await using filed = await startFiled();
  await using wire = await Wire.make(filed.place);
  const script = "setsid env -i sh -c '(setsid env -i sleep 60; true) & echo up >&3'; exec sleep 60";
  await filed.submit("job", `exec 3> ${wire.path}; ${script}`);
  assert.equal(await wire.line(), "up");
  await ok(filed.sh("rm $M/active/job"));
  assert.deepEqual(await wire.end(), []);
});

Deno.test("what does not end at SIGTERM gets SIGKILL after 5 s", async () => {
  await using filed = await startFiled({ config: { timeout_sec: 1, max_attempts: 1 } });
  await using wire = await Wire.make(filed.place);
  const submittedAt = performance.now();
  await filed.submit(
    "job",
    `exec 3> ${wire.path}; trap 'echo TERM >&3' TERM; echo up >&3; while :; do sleep 9 & wait; done`,
  );
  assert.equal(await wire.line(), "up");
  assert.equal(await wire.line(), "TERM");
  const termAt = performance.now();
  assert.deepEqual(await wire.end(), []);
  const endedAt = performance.now();
  // Each is heard of some time after it was so.
  const [wholeMs, graceMs] = [endedAt - submittedAt, endedAt - termAt];
  assert.ok(wholeMs >= 1_000 + 5_000 && graceMs < 15_000, `${wholeMs} ms, ${graceMs} of them since SIGTERM`);
  assert.match(await filed.finished("job"), /\n\n\n\[System Error\]: timed out after 1 s\n$/);
});

Deno.test("a timeout sends SIGTERM first, and what the job says to that is in its log", async () => {
  await using filed = await startFiled({ config: { timeout_sec: 1, max_attempts: 1 } });
  const command = "trap 'echo cleaned up; exit 0' TERM; sleep 60 & wait";
  const log = `>>> ${command}\ncleaned up\n\n\n[System Error]: timed out after 1 s\n`;
  assert.equal(await filed.finish("job", command), log);
  assert.deepEqual(await filed.list("failed"), ["job"]);
});

Deno.test("a timeout is an attempt that failed, and another follows", async () => {
  await using filed = await startFiled({ config: { timeout_sec: 1, backoff_base: 0 } });
  const command = "[ $FILED_ATTEMPT = 2 ] || sleep 60";
  assert.equal(await filed.finish("job", command), `>>> ${command}\n`);
  assert.deepEqual(started(filed), ["job", "job"]);
});

Deno.test("timeout_sec 0 is no limit", async () => {
  await using filed = await startFiled({ config: { timeout_sec: 0, max_attempts: 1 } });
  using gate = await Gate.make(filed.place);
  await filed.submit("unlimited", gate.waiting);
  await gate.closedOn();
  await filed.configure({ timeout_sec: 1 });
  assert.match(await filed.finish("limited", "sleep 60"), /timed out/);
  assert.deepEqual(await filed.list("active"), ["unlimited"]);
  gate.open();
  await filed.finished("unlimited");
  assert.deepEqual(await filed.list("complete"), ["unlimited"]);
});

/** A job that takes its time to end: it says TERM, and goes on until the gate opens. */
function stubborn(wire: Wire, gate: Gate): string {
  return `exec 3> ${wire.path}; trap 'echo TERM >&3; ${gate.waiting}; echo gone >&3; exit' TERM; ` +
    "echo up >&3; while :; do sleep 60 & wait; done";
}

const AWAY = {
  "rm": "rm $M/active/job",
  "a move to pending/": "mv $M/active/job $M/pending",
  "a move to failed/": "mv $M/active/job $M/failed",
} as const;
for (const [what, script] of Object.entries(AWAY)) {
  Deno.test(`${what} answers at once, while the job still is being ended`, async () => {
    await using filed = await startFiled();
    await using wire = await Wire.make(filed.place);
    using gate = await Gate.make(filed.place);
    await filed.submit("job", stubborn(wire, gate));
    assert.equal(await wire.line(), "up");
    await filed.configure({ max_job_count: 0 });
    await ok(filed.sh(script));
    assert.deepEqual(await filed.list("active"), []);
    assert.equal(await wire.line(), "TERM");
    await gate.closedOn();
    gate.open();
    assert.equal(await wire.line(), "gone");
  });
}

Deno.test("a job moved from active/ to pending/ does not start before what ran of it is gone", async () => {
  await using filed = await startFiled();
  await using wire = await Wire.make(filed.place);
  using gate = await Gate.make(filed.place);
  await filed.submit("job", `[ -e mark ] && exec echo 'second run'; touch mark; ${stubborn(wire, gate)}`);
  assert.equal(await wire.line(), "up");
  await ok(filed.sh("mv $M/active/job $M/pending"));
  assert.equal(await wire.line(), "TERM");
  await gate.closedOn();
  await filed.finish("other", "true");
  assert.deepEqual(started(filed), ["job", "other"]);
  gate.open();
  await filed.event("attempt ended", { job: "job", state: "complete" });
  assert.match(await Deno.readTextFile(`${filed.mount}/complete/job`), /\nsecond run\n$/);
  const messages = filed.log.map(({ message, properties }) =>
    `${message} ${properties.job} ${properties.state}`
  );
  const endOfFirst = messages.indexOf("attempt ended job taken away");
  assert.ok(endOfFirst >= 0 && endOfFirst < messages.lastIndexOf("attempt started job undefined"));
});

for (
  const [what, script] of [["removed", "rm $M/active/job"], [
    "moved away and renamed",
    "mv $M/active/job $M/failed/old",
  ]]
) {
  Deno.test(`a new job of the id of one just ${what} does not start before that is gone`, async () => {
    await using filed = await startFiled();
    await using wire = await Wire.make(filed.place);
    using gate = await Gate.make(filed.place);
    await filed.submit("job", stubborn(wire, gate));
    assert.equal(await wire.line(), "up");
    await ok(filed.sh(script as string));
    await filed.submit("job", "echo second");
    assert.equal(await wire.line(), "TERM");
    await gate.closedOn();
    await filed.finish("other", "true");
    assert.deepEqual(started(filed), ["job", "other"]);
    gate.open();
    assert.equal(await wire.line(), "gone");
    await filed.event("attempt ended", { job: "job", state: "complete" });
  });
}

Deno.test("what a job moved to failed/ still prints is not in its log", async () => {
  await using filed = await startFiled();
  await using wire = await Wire.make(filed.place);
  const command =
    `exec 3> ${wire.path}; trap 'echo late; exit' TERM; echo early; echo up >&3; sleep 60 & wait`;
  await filed.submit("job", command);
  assert.equal(await wire.line(), "up");
  await ok(filed.sh("until grep -q ^early $M/active/job; do :; done; mv $M/active/job $M/failed"));
  await wire.end();
  await filed.event("attempt ended", { job: "job", state: "taken away" });
  const log = await Deno.readTextFile(`${filed.mount}/failed/job`);
  assert.equal(log, `>>> ${command}\nearly\n\n\n[System Error]: signal: killed\n`);
});

Deno.test("the daemon goes on when jobs are ended at the moment they start", async () => {
  await using filed = await startFiled();
  const script =
    "for n in 1 2 3 4 5 6 7 8 9; do echo 'sleep 60' > $M/pending/$n; rm -f $M/pending/$n $M/active/$n; done";
  await ok(filed.sh(script));
  await resume(filed);
  await filed.finish("after", "true");
  assert.deepEqual([await filed.list("pending"), await filed.list("active")], [[], []]);
});
