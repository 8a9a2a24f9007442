import { cgroupPids, type Cgroups } from "./cgroup.ts";
import { killAll } from "./ending.ts";
import { hasMark, Members } from "./members.ts";
import type { Leftover, RunToken, Survivor } from "./messages.ts";
import { holdProcess, lives } from "./processes.ts";

/**
 * Ends what the runs of a dead daemon left behind, and removes its cgroups.
 * @returns What SIGKILL did not end.
 */
export async function sweep(
  runs: readonly Leftover[],
  bootId: string,
  cgroups: Cgroups,
): Promise<Survivor[]> {
  const orphans = cgroups.listOrphans();
  // A reboot has ended all of a run.
  const ofThisBoot = runs.filter(({ leader }) => leader === undefined || leader.bootId === bootId);
  const survivors = await Promise.all(ofThisBoot.map(async (leftover) => {
    const cgroup = leftover.cgroup && cgroups.isOfRuns(leftover.cgroup)
      ? leftover.cgroup
      : orphans.find((path) => hasProcessOf(leftover.run, path));
    const left = await end(leftover, cgroup);
    if (cgroup !== undefined) cgroups.release(cgroup, "once");
    return left;
  }));
  for (const path of orphans) cgroups.release(path, "once");
  return survivors.flat();
}

/** A group has one run at a time: what one of its processes is, all are. */
function hasProcessOf(run: RunToken, cgroup: string): boolean {
  return cgroupPids(cgroup).some((pid) => hasMark(pid, run));
}

async function end({ run, leader }: Leftover, cgroup: string | undefined): Promise<Survivor[]> {
  // Opened before the look, it is the leader's for certain.
  using pidfd = leader && holdProcess(leader.pid);
  const held = leader && lives(leader) ? pidfd : undefined;
  const members = new Members({
    run,
    leader,
    hasGroup: () => held?.hasGroup() ?? (leader !== undefined && lives(leader)),
    cgroupPids: () => cgroup === undefined ? [] : cgroupPids(cgroup),
  });
  const group = leader && held && { id: leader.pid, leader: held };
  return await killAll({ members, group, cgroup });
}
