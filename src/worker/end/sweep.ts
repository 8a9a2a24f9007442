import type { Leftover, RunToken } from "../../job/attempt.ts";
import { cgroupPids } from "../cgroup/cgroup.ts";
import { runOf } from "../cgroup/run_mark.ts";
import type { Cgroups } from "../cgroup/cgroups.ts";
import { killAll } from "./termination.ts";
import { membersOf } from "./members.ts";
import { KILLING_MS, type Survivor } from "../../run/messages.ts";
import { holdProcess, lives } from "./processes.ts";
import type { Lookout } from "./traced_members.ts";
import type { Vigils } from "./vigils.ts";

/** What a sweep is made with. */
export interface SweepHost {
  bootId: string;
  cgroups: Cgroups;
  lookout: Lookout;
  vigils: Vigils;
  /** The survivors of a run are gone. */
  onGone(run: RunToken): void;
}

/**
 * Ends what the runs of a dead daemon left behind, and removes its cgroups.
 * @returns What SIGKILL did not end, by run.
 */
export async function sweep(
  runs: readonly Leftover[],
  host: SweepHost,
): Promise<Map<RunToken, Survivor[]>> {
  const { bootId, cgroups } = host;
  const orphans = cgroups.listOrphans();
  // A reboot has ended all of a run.
  const ofThisBoot = runs.filter(({ leader }) => leader === undefined || leader.bootId === bootId);
  // Where this state file is a copy of one in use, those are not ours to end.
  const ours = ofThisBoot.filter(({ cgroup }) => cgroup === undefined || !cgroups.isOfAnother(cgroup));
  const survivors = await Promise.all(ours.map(async (leftover) => {
    const cgroup = leftover.cgroup && cgroups.isOfRuns(leftover.cgroup)
      ? leftover.cgroup
      : orphans.find((group) => isOf(leftover.run, group));
    const left = await end(leftover, cgroup, host);
    if (cgroup !== undefined) cgroups.release(cgroup, "once");
    return [leftover.run, left] as const;
  }));
  for (const path of orphans) cgroups.release(path, "once");
  return new Map(survivors.filter(([, left]) => left.length > 0));
}

/** A group without processes was meant for the run; where the kernel starts nothing in one, it is outside. */
function isOf(run: RunToken, group: string): boolean {
  return runOf(group) === run && cgroupPids(group).length > 0;
}

async function end(
  { run, uid, leader }: Leftover,
  cgroup: string | undefined,
  { lookout, vigils, onGone }: SweepHost,
): Promise<Survivor[]> {
  // In a cgroup nobody has to know who the leader is. Opened before the look, the pidfd is the leader's for certain.
  const sought = cgroup === undefined ? leader : undefined;
  const pidfd = sought && holdProcess(sought.pid);
  const held = sought && lives(sought) ? pidfd : undefined;
  const hasGroup = () => held?.hasGroup() ?? (sought !== undefined && lives(sought));
  const child = () => undefined;
  const members = membersOf({ run, uid, leader, hasGroup, cgroup, child }, lookout);
  const group = sought && held && { id: sought.pid, leader: held };
  const reach = { members, group, cgroup };
  const survivors = await killAll(reach, KILLING_MS);
  if (survivors.length === 0) {
    pidfd?.[Symbol.dispose]();
  } else {
    vigils.untilGone(reach).then(() => {
      pidfd?.[Symbol.dispose]();
      onGone(run);
    });
  }
  return survivors;
}
