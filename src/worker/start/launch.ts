import type { StartMessage } from "../../run/messages.ts";
import type { GroupUser } from "../cgroup/cgroups.ts";
import type { WorkerContext } from "../context.ts";
import type { Account } from "./accounts.ts";
import { asNotStarted } from "./not_started.ts";
import { type Shell, spawnShell } from "./shell.ts";

/** A command that was started, and the group in which it was; `undefined`: in none of its own. */
export interface Launched {
  shell: Shell;
  cgroup: string | undefined;
}

/**
 * Starts a command, in a cgroup of its own where there can be one.
 * @param account Whom it runs as; `undefined`: the daemon's own user.
 * @throws {NotStarted}
 */
export function launch(start: StartMessage, account: Account | undefined, context: WorkerContext): Launched {
  const { cgroups } = context;
  let cgroup: string | undefined;
  try {
    cgroup = cgroups.take(userOf(start), start.run);
    const shell = spawnShell(start, account, cgroup, context);
    if (shell.side === "inside" || cgroup === undefined) return { shell, cgroup };
    cgroups.release(cgroup, nextUserOf(start));
    return { shell, cgroup: undefined };
  } catch (error) {
    if (cgroup !== undefined) cgroups.release(cgroup, nextUserOf(start));
    throw asNotStarted(error, start.limits);
  }
}

/** For whose run a group may serve after this one; for nobody's if a limit is set in it. */
export function nextUserOf(start: StartMessage): GroupUser | "once" {
  return start.limits.maxMemoryMb > 0 ? "once" : userOf(start);
}

function userOf({ runAs }: StartMessage): GroupUser {
  return runAs === undefined ? "own" : "other";
}
