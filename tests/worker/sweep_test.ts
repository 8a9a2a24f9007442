import { groupTest } from "../groups.ts";
import type { Leftover } from "../../src/job/attempt.ts";
import assert from "node:assert/strict";
import { lives, readProcess } from "../../src/worker/end/processes.ts";
import { delay } from "../../src/run/waiting.ts";
import { within } from "../harness.ts";
import { Workshop } from "./workshop.ts";

const ZOO = `
setsid sh -c 'echo > $DIR/up1; exec tail -f $DIR/up1' &
(echo > $DIR/up2; exec tail -f $DIR/up2) > /dev/null &
env -i sh -c 'echo > $DIR/up3; exec tail -f $DIR/up3' &
echo > $DIR/up4
REST`;

/** Starts the zoo in an executor of another process, and ends that process with SIGKILL. */
async function leaveBehind(workshop: Workshop, rest: string, cgroups: "used" | "unused"): Promise<Leftover> {
  await workshop.fifos("up1", "up2", "up3", "up4");
  return await startAndLeave(workshop, ZOO.replace("REST", rest), ["up1", "up2", "up3", "up4"], cgroups);
}

/** @param ups What the command writes to once it has come so far. */
async function startAndLeave(
  workshop: Workshop,
  script: string,
  ups: readonly string[],
  cgroups: "used" | "unused",
): Promise<Leftover> {
  const command = script.replaceAll("$DIR", workshop.dir);
  const host = new URL("./sweep_host.ts", import.meta.url).pathname;
  await using child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-lock", "-A", host, command, cgroups, workshop.identity],
    stdout: "piped",
  }).spawn();
  const reads = ups.map((fifo) => workshop.read(fifo));
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { value } = await reader.read();
  await Promise.all(reads);
  child.kill("SIGKILL");
  await child.status;
  await reader.cancel();
  return JSON.parse(value ?? "");
}

for (const cgroups of ["used", "unused"] as const) {
  for (const [name, rest] of [["whose shell lives", "wait"], ["whose shell has ended", "exit 0"]] as const) {
    Deno.test(`a sweep ends what a killed daemon's job ${name} left, cgroups ${cgroups}`, async () => {
      await using workshop = new Workshop({ cgroups });
      const leftover = await leaveBehind(workshop, rest, cgroups);
      await within("three processes", async () => { // One that executes a program just now has no arguments.
        while (workshop.processes().length < 3) await delay(1);
      });
      assert.deepEqual(await workshop.executor.sweep([leftover]), new Map());
      assert.deepEqual(workshop.processes(), []);
      if (leftover.cgroup) await assert.rejects(Deno.stat(leftover.cgroup), Deno.errors.NotFound);
    });
  }
}

Deno.test("a sweep finds a run of which only the token is known", async () => {
  await using workshop = new Workshop();
  const { run, cgroup } = await leaveBehind(workshop, "wait", "used");
  assert.deepEqual(
    await workshop.executor.sweep([{ run, id: "x", leader: undefined, cgroup: undefined, uid: undefined }]),
    new Map(),
  );
  assert.deepEqual(workshop.processes(), []);
  if (cgroup) await assert.rejects(Deno.stat(cgroup), Deno.errors.NotFound);
});

groupTest(
  "a sweep finds a run of which only the token is known, and whose processes have no environment",
  async () => {
    await using workshop = new Workshop();
    await workshop.fifos("up", "up1");
    const script = "exec env -i sh -c 'echo > $DIR/up1; exec tail -f $DIR/up'";
    const { run, cgroup } = await startAndLeave(workshop, script, ["up1"], "used");
    assert.ok(cgroup);
    await within("the last of it", async () => { // One that executes a program just now has no arguments.
      while (!workshop.processes().some(({ name }) => name === "tail")) await delay(1);
    });
    assert.deepEqual(
      await workshop.executor.sweep([{ run, id: "x", uid: undefined, leader: undefined, cgroup: undefined }]),
      new Map(),
    );
    assert.deepEqual(workshop.processes(), []);
    await assert.rejects(Deno.stat(cgroup), Deno.errors.NotFound);
  },
);

Deno.test("a sweep leaves alone what an ended run detached, though its group was that of a run", async () => {
  await using workshop = new Workshop();
  await workshop.fifos("up", "up1");
  const script = "setsid sh -c 'echo > $DIR/up1; exec tail -f $DIR/up' & wait";
  await startAndLeave(workshop, script, ["up1"], "used");
  const another = { id: "x", run: crypto.randomUUID(), uid: undefined, leader: undefined, cgroup: undefined };
  assert.deepEqual(await workshop.executor.sweep([another]), new Map());
  assert.notDeepEqual(workshop.processes(), []);
});

Deno.test("a sweep leaves a stranger alone that has the leader's number", async () => {
  await using workshop = new Workshop();
  await workshop.fifos("never");
  await using stranger = new Deno.Command("setsid", { args: ["tail", "-f", `${workshop.dir}/never`] })
    .spawn();
  const process = readProcess(stranger.pid);
  assert.ok(process);
  const { pid, startTicks } = process;
  const bootId = (await Deno.readTextFile("/proc/sys/kernel/random/boot_id")).trim();
  const run = crypto.randomUUID();
  const survivors = await workshop.executor.sweep([
    { run, id: "x", leader: { pid, startTicks: startTicks - 1, bootId }, cgroup: undefined, uid: 0 },
    { run, id: "x", leader: { pid, startTicks, bootId: "of another boot" }, cgroup: undefined, uid: 0 },
    { run, id: "x", leader: undefined, cgroup: "/sys/fs/cgroup/some/other", uid: 0 },
  ]);
  assert.deepEqual(survivors, new Map());
  assert.equal(lives(process), true);
});

Deno.test("a sweep of nothing answers", async () => {
  await using workshop = new Workshop();
  assert.deepEqual(await workshop.executor.sweep([]), new Map());
});
