import { spawnByClone } from "./clone_spawn.ts";
import { posixSpawn } from "./posix_spawn.ts";
import type { SpawnSpec } from "./spawn_memory.ts";
import type { Started } from "./started.ts";

/**
 * Starts a program in a session of its own, with no signal blocked or ignored.
 * @throws {ErrnoError} If there can be no process.
 */
export function spawn(spec: SpawnSpec): Started {
  return spawnByClone(spec) ?? posixSpawn(spec);
}
