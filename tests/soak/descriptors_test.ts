/** What a job's processes have open. */
import assert from "node:assert/strict";
import { Place } from "../harness.ts";
import { Crowd } from "./crowd.ts";

/** What the descriptors of a process mean, by number. */
async function descriptorsOf(pid: number): Promise<Record<string, string>> {
  const open: Record<string, string> = {};
  for await (const { name } of Deno.readDir(`/proc/${pid}/fd`)) {
    open[name] = await Deno.readLink(`/proc/${pid}/fd/${name}`);
  }
  return open;
}

Deno.test("no process of a job has /dev/fuse, the state file, its lock or anything else of filed open", async () => {
  await using place = await Place.make();
  await using crowd = await Crowd.gather(place, 0);
  const own = Object.values(await descriptorsOf(crowd.filed.pid));
  assert.ok(own.includes("/dev/fuse") && own.includes(crowd.filed.state), own.join());
  const processes = await crowd.processes();
  assert.ok(processes.length > 0);
  for (const { pid } of processes) {
    const open = await descriptorsOf(pid).catch(() => ({})); // It has ended: the `sleep 0.02` of a loop.
    for (const [fd, target] of Object.entries(open)) {
      assert.match(target, Number(fd) <= 2 ? /^(\/dev\/null|pipe:\[\d+\])$/ : /^nothing$/, `${pid}: ${fd}`);
    }
  }
});
