import { spawnIntoCgroup } from "../sys/clone_spawn.ts";
import { ErrnoError } from "../sys/errno.ts";
import { close, openReadOnly, openWriteOnly } from "../sys/file.ts";
import { spawn } from "../sys/spawn.ts";
import type { SpawnSpec } from "../sys/spawn_memory.ts";
import type { Started } from "../sys/started.ts";
import type { CommandLine } from "./command_line.ts";

/** Where a program is at its first instruction; who is to join has the group's cgroup.procs as descriptor 3. */
export type Place = "inside" | "to join" | "outside";

/**
 * Starts a program in a cgroup, or outside of one.
 * @param line What to execute there. Asked for "inside" first; then, where the kernel starts nothing in a group, for another.
 * @throws {ErrnoError} As `spawn`.
 */
export function start(
  cgroup: string | undefined,
  line: (place: Place) => CommandLine,
  spec: Omit<SpawnSpec, "path" | "args">,
): Started {
  if (cgroup === undefined) return spawn({ ...spec, ...line("outside") });
  return startInside(cgroup, line("inside"), spec) ?? startToJoin(cgroup, line, spec);
}

function startInside(
  cgroup: string,
  line: CommandLine,
  spec: Omit<SpawnSpec, "path" | "args">,
): Started | undefined {
  const group = openReadOnly(cgroup);
  try {
    return spawnIntoCgroup({ ...spec, ...line }, group);
  } finally {
    close(group);
  }
}

function startToJoin(
  cgroup: string,
  line: (place: Place) => CommandLine,
  spec: Omit<SpawnSpec, "path" | "args">,
): Started {
  const procs = openForJoining(cgroup);
  if (procs === undefined) return spawn({ ...spec, ...line("outside") });
  try {
    return spawn({ ...spec, ...line("to join"), fds: [...spec.fds, procs] });
  } finally {
    close(procs);
  }
}

/** @returns The descriptor by which a process joins the group; `undefined` if it can't. */
function openForJoining(cgroup: string): number | undefined {
  try {
    return openWriteOnly(`${cgroup}/cgroup.procs`);
  } catch (error) {
    if (error instanceof ErrnoError) return undefined;
    throw error;
  }
}
