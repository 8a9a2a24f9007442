import { close, openReadOnly } from "../../sys/files/file.ts";
import { spawn, spawnIntoCgroup, type SpawnSpec, type Started } from "../../sys/spawn/mod.ts";

/** Where a program is from its first instruction on. */
export type Place = "inside" | "outside";

/**
 * Starts a program in a cgroup, or outside of one.
 * @param spec What to start there: asked for "inside" first, and for "outside" where the kernel starts
 * nothing in the group.
 * @throws {ErrnoError} As `spawnIntoCgroup`; ENOENT or ENODEV if the group is gone.
 */
export function start(
  cgroup: string | undefined,
  spec: (place: Place) => SpawnSpec,
): Started & { place: Place } {
  const inside = cgroup === undefined ? undefined : startInside(cgroup, spec("inside"));
  if (inside) return { ...inside, place: "inside" };
  return { ...spawn(spec("outside")), place: "outside" };
}

function startInside(cgroup: string, spec: SpawnSpec): Started | undefined {
  const group = openReadOnly(cgroup);
  try {
    return spawnIntoCgroup(spec, group);
  } finally {
    close(group);
  }
}
