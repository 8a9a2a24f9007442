import type { Pidfd } from "../../sys/processes/pidfd.ts";
import { waitIfEnded, type WaitStatus } from "../../sys/processes/wait.ts";
import type { Reactor } from "../reactor.ts";
import { delay } from "../../run/waiting.ts";

/** Between two looks whether a process has ended that can't be held. */
const LOOK_MS = 20;

/**
 * Resolves when a child of ours ends, with how that was.
 * @param pidfd What holds it, which stays open meanwhile; `undefined`: it can't be held.
 * @throws {ErrnoError} ECHILD, if somebody else has asked for that.
 */
export async function untilEnd(
  pid: number,
  pidfd: Pidfd | undefined,
  reactor: Reactor,
): Promise<WaitStatus> {
  if (pidfd) {
    const ended = Promise.withResolvers<void>();
    using _watch = reactor.watch(pidfd.fd, ended.resolve);
    await ended.promise;
  }
  for (;;) {
    const exit = waitIfEnded(pid);
    if (exit) return exit;
    await delay(LOOK_MS);
  }
}
