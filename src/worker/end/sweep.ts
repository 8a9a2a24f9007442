import type { Leftover, RunToken } from "../../job/attempt.ts";
import { runOf } from "../cgroup/run_mark.ts";
import type { WorkerContext } from "../context.ts";
import { killAll, untilGone } from "./termination.ts";
import { membersOf } from "./members.ts";
import type { Survivor } from "../../job/log_text.ts";
import { KILLING_MS } from "../../run/messages.ts";
import { holdProcess, lives } from "./processes.ts";

type SweepContext = Pick<WorkerContext, "bootId" | "cgroups" | "lookout">;

/**
 * Ends what the runs of a dead daemon left behind, and removes its cgroups.
 * @param onGone Called when the survivors of a run are gone.
 * @returns What SIGKILL did not end, by run.
 */
export async function sweep(
  runs: readonly Leftover[],
  context: SweepContext,
  onGone: (run: RunToken) => void,
): Promise<Map<RunToken, Survivor[]>> {
  const { bootId, cgroups } = context;
  const orphans = cgroups.listOrphans();
  // A reboot has ended all of a run.
  const ofThisBoot = runs.filter(({ leader }) => leader === undefined || leader.bootId === bootId);
  // Where this state file is a copy of one in use, those are not ours to end.
  const ours = ofThisBoot.filter(({ cgroup }) =>
    cgroup === undefined || cgroups.whose(cgroup) !== "another's"
  );
  const survivors = await Promise.all(ours.map(async (leftover) => {
    const cgroup = leftover.cgroup !== undefined && cgroups.whose(leftover.cgroup) === "ours"
      ? leftover.cgroup
      : orphans.find((group) => runOf(group) === leftover.run);
    const left = await end(leftover, cgroup, context, onGone);
    if (cgroup !== undefined) cgroups.release(cgroup, "once");
    return [leftover.run, left] as const;
  }));
  for (const path of orphans) cgroups.release(path, "once");
  return new Map(survivors.filter(([, left]) => left.length > 0));
}

async function end(
  { run, uid, leader }: Leftover,
  cgroup: string | undefined,
  { lookout }: SweepContext,
  onGone: (run: RunToken) => void,
): Promise<Survivor[]> {
  // In a cgroup nobody has to know who the leader is. Opened before the look, the pidfd is the leader's for
  // certain.
  const sought = cgroup === undefined ? leader : undefined;
  const pidfd = sought && holdProcess(sought.pid);
  const held = sought && lives(sought) ? pidfd : undefined;
  const hasGroup = () => held?.hasGroup() ?? (sought !== undefined && lives(sought));
  const child = () => undefined;
  const members = membersOf({ run, uid, leader, hasGroup, cgroup, child }, lookout);
  const group = sought && held && { id: sought.pid, leader: held };
  const set = { members, group, cgroup };
  const survivors = await killAll(set, () => KILLING_MS);
  if (survivors.length === 0) {
    pidfd?.[Symbol.dispose]();
  } else {
    untilGone(set).then(() => {
      pidfd?.[Symbol.dispose]();
      onGone(run);
    });
  }
  return survivors;
}
