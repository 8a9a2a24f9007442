/**
 * The control groups of a state file's daemons, which one that was killed leaves to the next with the same
 * file.
 */
import { DatabaseSync } from "node:sqlite";
import { findCgroups, listGroups, removeCgroup } from "../src/worker/cgroup/cgroup.ts";

/** @returns None where there can be none, or where the file does not tell. */
export function groupsOf(stateFile: string): string[] {
  const read = (name: string) => Deno.readTextFileSync(`/proc/self/${name}`);
  const place = findCgroups(read("mountinfo"), read("cgroup"));
  const identity = place && identityIn(stateFile);
  if (!place || identity === undefined) return [];
  return listGroups(place.own).filter((path) => path.includes(`/filed-${identity}-`));
}

/** Removes those that have no process any more. */
export function removeGroupsOf(stateFile: string): void {
  for (const path of groupsOf(stateFile)) removeCgroup(path);
}

function identityIn(stateFile: string): string | undefined {
  try {
    using database = new DatabaseSync(stateFile, { readOnly: true });
    const row = database.prepare("SELECT value FROM settings WHERE name = 'identity'").get();
    return row?.value as string | undefined;
  } catch {
    return undefined; // There is none, or a test has damaged it.
  }
}
