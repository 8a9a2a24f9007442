/** What a dead daemon left behind is ended before anything starts, and nothing else is. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { exists, Filed, Place, rootTest, until } from "../harness.ts";
import { Wire } from "../wire.ts";
import { Crowd, IDS } from "./crowd.ts";
import { jobProcesses } from "./leftovers.ts";

/** Prints those that live of the processes whose numbers are in a file; a zombie does not. */
const WITNESS = `for pid in $(cat left); do
  read -r _ name state _ 2> /dev/null < /proc/$pid/stat && [ $state != Z ] && echo $pid $name $state
done; echo done`;

Deno.test("all that twenty jobs left is ended before the next daemon starts anything", async () => {
  await using place = await Place.make();
  await using crowd = await Crowd.gather(place, 0);
  await crowd.filed.submit("witness", WITNESS);
  await crowd.filed.stop("SIGKILL");
  const left = (await crowd.processes()).map(({ pid }) => pid);
  assert.ok(left.length > IDS.length, `${left.length} processes`);
  await Deno.writeTextFile(`${place.path}/left`, left.join("\n"));
  await using next = await Filed.start(place);
  const log = await next.finished("witness");
  assert.ok(log.endsWith("; echo done\ndone\n"), log.slice(-1_000));
  assert.deepEqual(await next.list("failed"), [...IDS].sort());
  assert.deepEqual(await crowd.processes(), []);
});

/** Starts a process that gets the number, if that is possible here. */
async function startAs(pid: number): Promise<Deno.ChildProcess | undefined> {
  for (let trial = 0; trial < 100; trial++) {
    try {
      await Deno.writeTextFile("/proc/sys/kernel/ns_last_pid", String(pid - 1), { create: false });
    } catch {
      return undefined; // A read-only /proc, as in a container.
    }
    const child = new Deno.Command("sleep", { args: ["60"], stdin: "null", detached: true }).spawn();
    if (child.pid === pid) return child;
    child.kill("SIGKILL");
    await child.status;
  }
  return undefined;
}

rootTest(
  "a stranger that got the number of a dead job's shell lives on, and what that job left does not",
  async () => {
    await using place = await Place.make();
    await using wire = await Wire.make(place);
    await using filed = await Filed.start(place, { env: { SOAK: place.path } });
    await filed.submit("job", `exec 3> ${wire.path}; setsid sh -c 'echo up >&3; sleep 60; :' & sleep 60`);
    assert.equal(await wire.line(), "up");
    await until("the leader to be stored", () => Promise.resolve(leaderOf(filed.state) !== undefined));
    await filed.stop("SIGKILL");
    const pid = leaderOf(filed.state) as number;
    Deno.kill(-pid, "SIGKILL"); // The shell's group; its child left that.
    await until("init to take the shell away", async () => !await exists(`/proc/${pid}`));
    assert.notEqual((await jobProcesses(place.path)).length, 0);
    const stranger = await startAs(pid);
    if (stranger === undefined) return;
    try {
      await using next = await Filed.start(place);
      await next.event("attempt interrupted", { job: "job" });
      await wire.end();
      assert.match(await Deno.readTextFile(`/proc/${pid}/stat`), /\) S /);
    } finally {
      stranger.kill("SIGKILL");
      await stranger.status;
    }
  },
);

/** The leader of the one run, once it is stored. A pid of 0 would be our own group to kill(2). */
function leaderOf(state: string): number | undefined {
  const database = new DatabaseSync(state, { readOnly: true, timeout: 5_000 });
  try {
    return (database.prepare("SELECT pid FROM runs").get()?.pid ?? undefined) as number | undefined;
  } finally {
    database.close();
  }
}
