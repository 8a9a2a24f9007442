import type { StartMessage } from "../../run/messages.ts";
import type { GroupUser } from "../cgroup/cgroups.ts";
import type { WorkerContext } from "../context.ts";
import type { Account } from "./accounts.ts";
import { asNotStarted } from "./not_started.ts";
import { Shell } from "./shell.ts";

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
  const cgroup = takeGroup(start, context);
  try {
    const shell = Shell.spawn(start, account, cgroup, context);
    if (shell.side === "inside" || cgroup === undefined) return { shell, cgroup };
    context.cgroups.release(cgroup, nextUserOf(start));
    return { shell, cgroup: undefined };
  } catch (error) {
    if (cgroup !== undefined) context.cgroups.release(cgroup, nextUserOf(start));
    throw error;
  }
}

/** For whose run a group may serve after this one; for nobody's if a limit is set in it. */
export function nextUserOf(start: StartMessage): GroupUser | "once" {
  return start.limits.maxMemoryMb > 0 ? "once" : userOf(start);
}

function takeGroup(start: StartMessage, { cgroups }: WorkerContext): string | undefined {
  try {
    return cgroups.take(userOf(start), start.run);
  } catch (error) {
    throw asNotStarted(error, start.limits);
  }
}

function userOf({ runAs }: StartMessage): GroupUser {
  return runAs === undefined ? "own" : "other";
}
