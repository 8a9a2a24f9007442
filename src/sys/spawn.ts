import { spawnByClone } from "./clone_spawn.ts";
import { posixSpawn } from "./posix_spawn.ts";
import type { SpawnSpec } from "./spawn_memory.ts";

/**
 * Starts a program in a session of its own, with no signal blocked or ignored, and returns once it runs.
 * @returns Its process number; the caller waits for it.
 * @throws {ErrnoError} As execve(2), and what comes before it.
 */
export function spawn(spec: SpawnSpec): number {
  return spawnByClone(spec) ?? posixSpawn(spec);
}
