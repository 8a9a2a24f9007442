import { ErrnoError } from "../../sys/errno.ts";
import { waitIfEnded } from "../../sys/processes/wait.ts";
import type { Cgroups } from "../cgroup/cgroups.ts";
import { AS_WE_ARE } from "../../sys/spawn/mod.ts";
import { NOTHING, NOWHERE } from "../start/own_process.ts";
import { start } from "../start/start.ts";
import { delay } from "../../run/waiting.ts";
import { RuleError } from "./paths.ts";
import type { Sandbox } from "./sandbox.ts";

/**
 * Runs a job that does nothing: where none can, filed does not start.
 * @returns Whether jobs start inside of a cgroup, so that an empty one shows that nothing is left of a job.
 * @throws {RuleError} If no job can run in this sandbox.
 */
export async function selfTest(sandbox: Sandbox, cgroups: Cgroups): Promise<boolean> {
  const confinement = sandbox.enter();
  const cgroup = cgroups.take("own", crypto.randomUUID());
  try {
    const { pid, side, failure } = start(cgroup, () => ({
      ...AS_WE_ARE,
      path: "/bin/sh",
      args: ["sh", "-c", ":"],
      fds: [NOTHING, NOWHERE, NOWHERE],
      restriction: confinement.restriction,
    }));
    let exit = waitIfEnded(pid);
    for (; !exit; exit = waitIfEnded(pid)) await delay(1);
    const error = failure();
    if (error) throw error;
    if (exit.kind === "exited" && exit.status === 0) return side === "inside";
    throw new RuleError(`No shell works in the sandbox: /bin/sh ended with ${JSON.stringify(exit)}`);
  } catch (error) {
    if (!(error instanceof ErrnoError)) throw error;
    throw new RuleError(`No shell starts in the sandbox: ${error.message}`, { cause: error });
  } finally {
    if (cgroup !== undefined) cgroups.release(cgroup, "own");
    sandbox.leave(confinement, "nothing");
  }
}
