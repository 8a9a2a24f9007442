import { ErrnoError } from "../../sys/errno.ts";
import { close, openReadOnly } from "../../sys/file.ts";
import { spawn } from "../../sys/spawn.ts";
import { waitIfEnded } from "../../sys/wait.ts";
import type { Cgroups } from "../cgroup.ts";
import { openForJoining } from "../shell.ts";
import { delay } from "../waiting.ts";
import { RuleError } from "./paths.ts";
import type { Sandbox } from "./sandbox.ts";

const NOT_JOINED = 3;

/**
 * Runs a job that does nothing but join a cgroup.
 * @returns Whether jobs can do that, so that an empty cgroup shows that nothing is left of one.
 * @throws {RuleError} If no job can run in this sandbox.
 */
export async function tryOut(sandbox: Sandbox, cgroups: Cgroups): Promise<boolean> {
  const confinement = sandbox.enter();
  const nothing = openReadOnly("/dev/null");
  const cgroup = cgroups.take();
  const procs = cgroup === undefined ? undefined : openForJoining(cgroup);
  try {
    const pid = spawn({
      path: "/bin/sh",
      args: ["sh", "-c", procs === undefined ? ":" : `echo 0 >&3 || exit ${NOT_JOINED}`],
      env: [],
      cwd: "/",
      fds: [nothing, nothing, nothing, ...procs === undefined ? [] : [procs]],
      restriction: confinement.restriction,
      nice: 0,
    });
    let exit = waitIfEnded(pid);
    for (; !exit; exit = waitIfEnded(pid)) await delay(1);
    if (exit.kind === "exited" && exit.status === 0) return procs !== undefined;
    if (exit.kind === "exited" && exit.status === NOT_JOINED) return false;
    throw new RuleError(`No shell works in the sandbox: /bin/sh ended with ${JSON.stringify(exit)}`);
  } catch (error) {
    if (!(error instanceof ErrnoError)) throw error;
    throw new RuleError(`No shell starts in the sandbox: ${error.message}`, { cause: error });
  } finally {
    close(nothing);
    if (procs !== undefined) close(procs);
    if (cgroup !== undefined) cgroups.release(cgroup, "again");
    sandbox.leave(confinement, "nothing");
  }
}
