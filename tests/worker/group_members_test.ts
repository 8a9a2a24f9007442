/** The processes of a run that has a cgroup, where there can be one. */
import { groupTest } from "../groups.ts";
import assert from "node:assert/strict";
import { removeCgroup } from "../../src/worker/cgroup/cgroup.ts";
import { GroupMembers } from "../../src/worker/end/group_members.ts";
import { lives, readProcess } from "../../src/worker/end/processes.ts";
import { makeKernelDirectory } from "../../src/sys/files/kernel_files.ts";
import { processesWith, type Run, Workshop } from "./workshop.ts";

/** More than are held at a time. */
const MANY = 150;

/** A test with a run that has a group. */
function runTest(
  name: string,
  command: string,
  act: (workshop: Workshop, run: Run, cgroup: string) => Promise<void>,
) {
  groupTest(name, async () => {
    await using workshop = new Workshop({ cgroups: "used" });
    await workshop.fifos("up", "never");
    const run = workshop.start(command);
    const { cgroup } = await run.started.promise;
    assert.ok(cgroup);
    await workshop.read("up");
    await act(workshop, run, cgroup);
  });
}

const WAIT = "echo > $DIR/up; exec tail -f $DIR/never";

runTest(
  "a process that is not in the group of a run is neither seen nor signalled",
  WAIT,
  async (workshop, run, cgroup) => {
    await using stranger = new Deno.Command("tail", { args: ["-f", `${workshop.dir}/never`] }).spawn();
    const process = readProcess(stranger.pid);
    assert.ok(process);
    const members = new GroupMembers(cgroup, () => undefined);
    const member = { pid: stranger.pid, groupId: 0, key: String(stranger.pid), startedAt: stranger.pid };
    assert.deepEqual(members.still([member]), []);
    members.signal([member], "SIGKILL");
    members.signal([member, ...await members.find()], "SIGTERM");
    assert.deepEqual(await run.exit(), { kind: "signaled", signal: "SIGTERM" });
    assert.equal(lives(process), true);
  },
);

runTest(
  "each of many that left the shell's group is told to end",
  `i=0
   while [ $((i += 1)) -le ${MANY} ]; do setsid tail -f $DIR/never & done
   trap "exit 3" TERM
   until [ $(pgrep -c -f "^tail -f $DIR/never") = ${MANY} ]; do :; done
   echo > $DIR/up
   wait`,
  async (workshop, run) => {
    workshop.executor.end(run.token, 60_000);
    assert.deepEqual(await run.exit(), { kind: "exited", status: 3 });
    assert.deepEqual(workshop.processes(), []);
  },
);

runTest(
  "a run is over once its shell has ended, wherever that was moved",
  "trap '' TERM; echo > $DIR/up; while :; do read x < $DIR/never; done",
  async (workshop, run, cgroup) => {
    const other = `${cgroup.slice(0, cgroup.lastIndexOf("/"))}/other`;
    makeKernelDirectory(other);
    try {
      const { leader } = await run.started.promise;
      await Deno.writeTextFile(`${other}/cgroup.procs`, String(leader.pid), { create: false });
      workshop.executor.end(run.token, 50);
      assert.deepEqual(await run.exit(), { kind: "signaled", signal: "SIGKILL" });
      assert.deepEqual(processesWith(workshop.dir), []);
    } finally {
      removeCgroup(other);
    }
  },
);
