import { GroupMembers } from "./group_members.ts";
import type { Members } from "./member.ts";
import { type Kinship, type Lookout, TracedMembers } from "./traced_members.ts";

/** The clues by which we know a run's processes. */
export interface Clues extends Kinship {
  /** The cgroup in which the leader was started; `undefined`: in none of its own. */
  cgroup: string | undefined;
  /** The leader's number, if it is a child of ours and lives. */
  child(): number | undefined;
}

/**
 * A run with a cgroup has no process outside of it, unless somebody who may do that has moved it out of the
 * run.
 */
export function membersOf({ cgroup, child, ...kinship }: Clues, lookout: Lookout): Members {
  return cgroup === undefined ? new TracedMembers(kinship, lookout) : new GroupMembers(cgroup, child);
}
