/**
 * How a run's processes are found and ended. What a user sees of a job's end is in contract/ending_test.ts.
 */
import assert from "node:assert/strict";
import { Census } from "../../src/worker/end/census.ts";
import { Termination } from "../../src/worker/end/termination.ts";
import { Marks } from "../../src/worker/end/marks.ts";
import { membersOf } from "../../src/worker/end/members.ts";
import { lives, readBootId, readProcess } from "../../src/worker/end/processes.ts";
import { delay } from "../../src/run/waiting.ts";
import { exists } from "../../src/sys/files/file.ts";
import { Pidfd, type SignalName } from "../../src/sys/processes/pidfd.ts";
import { Workshop } from "./workshop.ts";

/** A process that waits, with the directory among its arguments. */
const HOLD = "tail -f $DIR/hold";

/** Ways out of a job's group, each waiting as HOLD; the number is for its FIFO, to which it writes when it is ready. */
const ESCAPES = [
  ["a child", (up: string) => `(echo > ${up}; exec ${HOLD}) &`],
  ["setsid", (up: string) => `setsid sh -c 'echo > ${up}; exec ${HOLD}' &`],
  ["nohup", (up: string) => `nohup sh -c 'echo > ${up}; exec ${HOLD}' > /dev/null &`],
  ["a double fork", (up: string) => `(setsid sh -c '(echo > ${up}; exec ${HOLD}) &' &)`],
  ["what is stopped", (up: string) => `sh -c 'echo > ${up}; kill -STOP $$; exec ${HOLD}' &`],
  ["another group", (up: string) => `bash -mc '(echo > ${up}; exec ${HOLD}) & wait' &`],
  ["what clears its environment", (up: string) => `env -i sh -c 'echo > ${up}; exec ${HOLD}' &`],
  ["all of it", (up: string) => `env -i setsid sh -c 'echo > ${up}; exec ${HOLD}' &`],
  ["what ignores signals", (up: string) => `sh -c 'trap "" TERM HUP INT; echo > ${up}; exec ${HOLD}' &`],
] as const;

async function startEscapes(
  workshop: Workshop,
  escapes: readonly (typeof ESCAPES[number])[],
  rest = `exec ${HOLD}`,
) {
  Deno.writeTextFileSync(`${workshop.dir}/hold`, "");
  const fifos = escapes.map((_, index) => `up${index}`);
  await workshop.fifos(...fifos);
  const lines = escapes.map(([, escape], index) => escape(`$DIR/up${index}`));
  const run = workshop.start([...lines, rest].join("\n"));
  await Promise.all(fifos.map((fifo) => workshop.read(fifo)));
  return run;
}

for (const cgroups of ["used", "unused"] as const) {
  for (const escape of ESCAPES) {
    Deno.test(`ending a run ends ${escape[0]}, cgroups ${cgroups}`, async () => {
      await using workshop = new Workshop({ cgroups });
      const run = await startEscapes(workshop, [escape]);
      assert.notEqual(workshop.processes().length, 0);
      workshop.executor.end(run.token, 0);
      const { exit, survivors } = await run.ended.promise;
      assert.deepEqual(workshop.processes(), []);
      assert.deepEqual({ exit, survivors }, { exit: { kind: "signaled", signal: "SIGKILL" }, survivors: [] });
    });
  }

  Deno.test(`ending a run after its shell has ended ends what lingers, cgroups ${cgroups}`, async () => {
    await using workshop = new Workshop({ cgroups });
    const run = await startEscapes(
      workshop,
      ESCAPES.filter(([name]) => name === "a child" || name === "nohup"),
      "exit 3",
    );
    const { leader } = await run.started.promise;
    while (lives(leader)) await delay(1);
    workshop.executor.end(run.token, 0);
    const { exit } = await run.ended.promise;
    assert.deepEqual(workshop.processes(), []);
    assert.deepEqual(exit, { kind: "exited", status: 3 });
  });

  Deno.test(`what forks in new sessions as fast as it can is ended, cgroups ${cgroups}`, async () => {
    await using workshop = new Workshop({ cgroups });
    await workshop.fifos("up");
    Deno.writeTextFileSync(
      `${workshop.dir}/bomb`,
      `[ "$1" -gt 0 ] || exec tail -f $2/bomb
       setsid sh $2/bomb $(($1 - 1)) $2 &
       setsid sh $2/bomb $(($1 - 1)) $2 &`,
    );
    const run = workshop.start("sh $DIR/bomb 8 $DIR; echo > $DIR/up; exec tail -f $DIR/bomb");
    await workshop.read("up");
    workshop.executor.end(run.token, 0);
    assert.deepEqual((await run.ended.promise).survivors, []);
    assert.deepEqual(workshop.processes(), []);
  });
}

Deno.test("what clears its environment and forks out of its session is ended by its cgroup", async (test) => {
  await using workshop = new Workshop({ cgroups: "used" });
  await workshop.fifos("up", "hold");
  const run = workshop.start("env -i setsid sh -c '(echo > $DIR/up; exec tail -f $DIR/up) &'; cat $DIR/hold");
  if ((await run.started.promise).cgroup === undefined) {
    console.warn(`${test.name}: no cgroup can be made here`);
    return;
  }
  await workshop.read("up");
  workshop.executor.end(run.token, 0);
  await run.ended.promise;
  assert.deepEqual(workshop.processes(), []);
});

Deno.test("the cgroup of a run is gone when it was ended, and that of any other when the executor is", async () => {
  const groups: (string | undefined)[] = [];
  {
    await using workshop = new Workshop();
    const ended = workshop.start("exec sleep 600");
    groups.push((await ended.started.promise).cgroup);
    workshop.executor.end(ended.token, 0);
    await ended.ended.promise;
    for (const cgroup of groups) if (cgroup) await assert.rejects(Deno.stat(cgroup), Deno.errors.NotFound);
    const { run: other, told } = await workshop.startTold("exit 1");
    groups.push(told.cgroup);
    await other.ended.promise;
  }
  for (const cgroup of groups) if (cgroup) await assert.rejects(Deno.stat(cgroup), Deno.errors.NotFound);
});

Deno.test("a run that times out and ignores SIGTERM gets SIGKILL after 5 s", async () => {
  await using workshop = new Workshop();
  await workshop.fifos("term", "never");
  const command =
    `trap 'echo > $DIR/term' TERM; setsid tail -f $DIR/never & while :; do read x < $DIR/never; done`;
  const askedAt = performance.now();
  const run = workshop.start(command, { timeoutMs: 50 });
  await workshop.read("term");
  const termAt = performance.now();
  assert.deepEqual(await run.exit(), { kind: "timed-out" });
  const endedAt = performance.now();
  // Each is heard of some time after it was so.
  const [wholeMs, graceMs] = [endedAt - askedAt, endedAt - termAt];
  assert.ok(wholeMs >= 50 + 5_000 && graceMs < 15_000, `${wholeMs} ms, ${graceMs} of them since SIGTERM`);
  assert.deepEqual(workshop.processes(), []);
});

Deno.test("a run that times out and heeds SIGTERM ends at once", async () => {
  await using workshop = new Workshop();
  const run = workshop.start("sleep 60", { timeoutMs: 50 });
  assert.deepEqual(await run.exit(), { kind: "timed-out" });
});

Deno.test("SIGTERM reaches what is stopped, and what left the group", async () => {
  await using workshop = new Workshop();
  await workshop.fifos("up1", "up2", "term1", "term2");
  const trap = (n: number) => `trap "echo > $DIR/term${n}; exit" TERM; echo > $DIR/up${n}`;
  const run = workshop.start(`
    sh -c '${trap(1)}; kill -STOP $$; tail -f $DIR/up1' &
    setsid sh -c '${trap(2)}; while :; do read x < $DIR/up2; done' &
    wait`);
  await Promise.all([workshop.read("up1"), workshop.read("up2")]);
  workshop.executor.end(run.token, 60_000);
  await Promise.all([workshop.read("term1"), workshop.read("term2")]);
  assert.deepEqual(await run.exit(), { kind: "signaled", signal: "SIGTERM" });
  assert.deepEqual(workshop.processes(), []);
});

Deno.test("a process gets SIGTERM once", async () => {
  await using workshop = new Workshop();
  await workshop.fifos("up", "never");
  const run = workshop.start(`
    trap 'echo term; n=1' TERM
    sh -c 'echo > $DIR/up; exec tail -f $DIR/never' &
    until [ "$n" ]; do wait; done
    sleep 0.1`);
  await workshop.read("up");
  workshop.executor.end(run.token, 60_000);
  await run.ended.promise;
  assert.equal(run.text, "term\n");
});

Deno.test("what a job does on SIGTERM is in its output, and its status is its exit", async () => {
  await using workshop = new Workshop();
  await workshop.fifos("up", "never");
  const run = workshop.start(
    `trap 'echo tidy; exit 9' TERM; sh -c 'echo > $DIR/up; exec tail -f $DIR/never' & wait`,
  );
  await workshop.read("up");
  workshop.executor.end(run.token, 60_000);
  assert.deepEqual(await run.exit(), { kind: "exited", status: 9 });
  assert.equal(run.text, "tidy\n");
});

Deno.test("a second end hurries, a later one does not delay, and there is one answer", async () => {
  await using workshop = new Workshop();
  await workshop.fifos("up", "never");
  const run = workshop.start(`trap '' TERM; echo > $DIR/up; while :; do read x < $DIR/never; done`);
  await workshop.read("up");
  workshop.executor.end(run.token, 60_000);
  workshop.executor.end(run.token, 0);
  workshop.executor.end(run.token, 60_000);
  assert.deepEqual(await run.exit(), { kind: "signaled", signal: "SIGKILL" });
  workshop.executor.end(run.token, 0);
  await workshop.start("true").ended.promise;
  assert.deepEqual(run.kinds.filter((kind) => kind === "ended"), ["ended"]);
});

Deno.test("a run can be ended before its command runs", async () => {
  await using workshop = new Workshop();
  await workshop.fifos("never");
  const runs = Array.from({ length: 20 }, () => workshop.start("tail -f $DIR/never"));
  for (const { token } of runs) workshop.executor.end(token, 0);
  for (const run of runs) {
    assert.deepEqual((await run.ended.promise).survivors, []);
    assert.deepEqual(run.kinds, ["started", "ended"]); // Had something survived, the next daemon would have to know.
  }
  assert.deepEqual(workshop.processes(), []);
});

Deno.test("disposing of the executor ends what runs", async () => {
  await using workshop = new Workshop();
  await workshop.fifos("up");
  const run = workshop.start("setsid tail -f $DIR/up & echo > $DIR/up; wait");
  await workshop.read("up");
  await workshop.executor[Symbol.asyncDispose]();
  assert.deepEqual(await run.exit(), { kind: "signaled", signal: "SIGKILL" });
  assert.deepEqual(workshop.processes(), []);
});

Deno.test("the owner hears of it when the worker fails", async () => {
  await using workshop = new Workshop();
  // A message that nobody would send: a command that is no bytes.
  workshop.start("true", { content: undefined as unknown as Uint8Array });
  assert.match((await workshop.failure.promise).message, /^The worker that runs jobs failed: /);
  await assert.rejects(workshop.executor.sweep([]), /gone/);
});

Deno.test("a leader that begins its group while processes are listed is told once to end", async () => {
  await using workshop = new Workshop();
  await workshop.fifos("go");
  const { dir } = workshop;
  const loop = `trap "echo told" TERM; : > ${dir}/up; until [ -e ${dir}/end ]; do sleep 0.01; done`;
  const args = ["-c", `read go < ${dir}/go; exec setsid sh -c '${loop}'`];
  await using child = new Deno.Command("sh", { args, stdout: "piped" }).spawn();
  const { pid } = child;
  const process = readProcess(pid);
  assert.ok(process);
  using pidfd = Pidfd.open(pid);
  const members = membersOf({
    run: "none",
    uid: Deno.uid() ?? undefined,
    leader: { pid, startTicks: process.startTicks, bootId: readBootId() },
    hasGroup: () => { // Asked once they are listed.
      if (!exists(`${dir}/up`)) Deno.writeTextFileSync(`${dir}/go`, "\n");
      while (!exists(`${dir}/up`));
      return true;
    },
    cgroup: undefined,
    child: () => pid,
  }, { census: new Census(), marks: new Marks() });
  const leader = Object.assign(Object.create(pidfd), {
    signalGroup(signal: SignalName) {
      pidfd.signalGroup(signal);
      if (signal === "SIGCONT") Deno.writeTextFileSync(`${dir}/end`, ""); // That is the last one.
      else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100); // Until it has been acted on.
    },
  });
  const termination = new Termination(
    { members, group: { id: pid, leader }, cgroup: undefined },
    5_000,
    2_000,
  );
  assert.deepEqual(await termination.run(), []);
  assert.equal(await new Response(child.stdout).text(), "told\n");
});
