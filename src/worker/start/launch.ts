import type { StartMessage } from "../../run/messages.ts";
import type { GroupUser } from "../cgroup/cgroups.ts";
import type { WorkerContext } from "../context.ts";
import type { Account } from "./accounts.ts";
import { asNotStarted } from "./not_started.ts";
import { type Shell, spawnShell } from "./shell.ts";

/**
 * Starts a command, in a cgroup of its own where there can be one.
 * @param account Whom it runs as; `undefined`: the daemon's own user.
 * @throws {NotStarted}
 */
export function launch(start: StartMessage, account: Account | undefined, context: WorkerContext): Shell {
  const { cgroups } = context;
  let cgroup: string | undefined;
  try {
    cgroup = cgroups.take(userOf(start), start.run);
    const shell = spawnShell(start, account, cgroup, context);
    if (cgroup !== undefined && shell.cgroup === undefined) cgroups.release(cgroup, nextUserOf(start));
    return shell;
  } catch (error) {
    if (cgroup !== undefined) cgroups.release(cgroup, nextUserOf(start));
    throw asNotStarted(error, start.limits);
  }
}

/** For whose run a group may serve after this one; for nobody's if a limit is set in it. */
export function nextUserOf(start: Pick<StartMessage, "runAs" | "limits">): GroupUser | "once" {
  return start.limits.maxMemoryMb > 0 ? "once" : userOf(start);
}

function userOf({ runAs }: Pick<StartMessage, "runAs">): GroupUser {
  return runAs === undefined ? "own" : "other";
}
