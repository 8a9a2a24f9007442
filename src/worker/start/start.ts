import { close, openReadOnly } from "../../sys/files/file.ts";
import { spawn, spawnIntoCgroup, type SpawnSpec, type Started } from "../../sys/spawn/mod.ts";
import { setRunOf } from "../cgroup/run_mark.ts";

/** On which side of its group a program is, from its first instruction on. */
export type Side = "inside" | "outside";

/**
 * Starts a program in a cgroup, or outside of one.
 * @param spec What to start there: asked for "inside" first, and for "outside" where the kernel starts
 * nothing in the group.
 * @throws {ErrnoError} As `spawnIntoCgroup`; ENOENT or ENODEV if the group is gone.
 */
export function start(
  cgroup: string | undefined,
  spec: (side: Side) => SpawnSpec,
): Started & { side: Side } {
  const inside = cgroup === undefined ? undefined : startInside(cgroup, spec("inside"));
  if (inside) return { ...inside, side: "inside" };
  // Before there is a process: the next daemon would look for it in the group, and nowhere else.
  if (cgroup !== undefined) setRunOf(cgroup, "");
  return { ...spawn(spec("outside")), side: "outside" };
}

function startInside(cgroup: string, spec: SpawnSpec): Started | undefined {
  const group = openReadOnly(cgroup);
  try {
    return spawnIntoCgroup(spec, group);
  } finally {
    close(group);
  }
}
