import { ErrnoError } from "../../sys/errno.ts";
import { close, openReadOnly } from "../../sys/file.ts";
import { spawn } from "../../sys/spawn.ts";
import { waitIfEnded } from "../../sys/wait.ts";
import { delay } from "../waiting.ts";
import { RuleError } from "./paths.ts";
import type { Sandbox } from "./sandbox.ts";

/** Runs an empty job. @throws {RuleError} If none can run in this sandbox. */
export async function tryOut(sandbox: Sandbox): Promise<void> {
  const confinement = sandbox.enter();
  const nothing = openReadOnly("/dev/null");
  try {
    const pid = spawn({
      path: "/bin/sh",
      args: ["sh", "-c", ":"],
      env: [],
      cwd: "/",
      fds: [nothing, nothing, nothing],
      restriction: confinement.restriction,
    });
    let exit = waitIfEnded(pid);
    for (; !exit; exit = waitIfEnded(pid)) await delay(1);
    if (exit.kind === "exited" && exit.status === 0) return;
    throw new RuleError(`No shell works in the sandbox: /bin/sh ended with ${JSON.stringify(exit)}`);
  } catch (error) {
    if (!(error instanceof ErrnoError)) throw error;
    throw new RuleError(`No shell starts in the sandbox: ${error.message}`, { cause: error });
  } finally {
    close(nothing);
    sandbox.leave(confinement, "nothing");
  }
}
