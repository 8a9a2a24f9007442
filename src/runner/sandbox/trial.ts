import { ErrnoError } from "../../sys/errno.ts";
import { close, openReadOnly } from "../../sys/file.ts";
import { waitIfEnded } from "../../sys/wait.ts";
import type { Cgroups } from "../cgroup.ts";
import { type Place, start } from "../start.ts";
import { delay } from "../waiting.ts";
import { RuleError } from "./paths.ts";
import type { Sandbox } from "./sandbox.ts";

const NOT_JOINED = 3;

/**
 * Runs a job that does nothing but get into a cgroup.
 * @returns Whether jobs can do that, so that an empty cgroup shows that nothing is left of one.
 * @throws {RuleError} If no job can run in this sandbox.
 */
export async function tryOut(sandbox: Sandbox, cgroups: Cgroups): Promise<boolean> {
  const confinement = sandbox.enter();
  const nothing = openReadOnly("/dev/null");
  const cgroup = cgroups.take();
  let place: Place = "outside";
  const line = (where: Place) => {
    place = where;
    const command = where === "to join" ? `echo 0 >&3 || exit ${NOT_JOINED}` : ":";
    return { path: "/bin/sh", args: ["sh", "-c", command] };
  };
  try {
    const { pid, failure } = start(cgroup, line, {
      env: [],
      cwd: "/",
      fds: [nothing, nothing, nothing],
      restriction: confinement.restriction,
      nice: 0,
    });
    let exit = waitIfEnded(pid);
    for (; !exit; exit = waitIfEnded(pid)) await delay(1);
    const error = failure();
    if (error) throw error;
    if (exit.kind === "exited" && exit.status === 0) return isIn(place);
    if (exit.kind === "exited" && exit.status === NOT_JOINED) return false;
    throw new RuleError(`No shell works in the sandbox: /bin/sh ended with ${JSON.stringify(exit)}`);
  } catch (error) {
    if (!(error instanceof ErrnoError)) throw error;
    throw new RuleError(`No shell starts in the sandbox: ${error.message}`, { cause: error });
  } finally {
    close(nothing);
    if (cgroup !== undefined) cgroups.release(cgroup, "again");
    sandbox.leave(confinement, "nothing");
  }
}

function isIn(place: Place): boolean {
  return place !== "outside";
}
