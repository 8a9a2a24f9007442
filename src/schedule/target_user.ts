import type { User } from "./pauses.ts";
import type { TargetUser } from "../run/messages.ts";

/** Whom a job runs as. */
export type Identity =
  /** The user that the daemon runs as. */
  | { kind: "daemon" }
  | { kind: "other"; user: TargetUser }
  /** Nobody. */
  | { kind: "refused"; reason: string };

const ROOT = 0;

/**
 * Whom a job runs as, by its file. An owner's rights go to what the owner or root wrote, and to nothing else: a mode that
 * lets others write, or a descriptor opened before a chown, must not let them run what they like as somebody else.
 * @param daemon Whom the daemon runs as, and whether it runs jobs as itself although it may change users.
 */
export function identityOf(
  job: { uid: number; gid: number; foreignWriter: number | null },
  daemon: { uid: number; runAs: "owner" | "daemon" },
): Identity {
  if (daemon.uid !== ROOT || daemon.runAs === "daemon") return { kind: "daemon" };
  const { uid, gid, foreignWriter } = job;
  if (foreignWriter !== null) {
    return { kind: "refused", reason: `user ${foreignWriter} wrote to it; its owner can write it anew` };
  }
  return uid === ROOT ? { kind: "daemon" } : { kind: "other", user: { uid, gid } };
}

/** Whose shortages hold up the jobs of a user: that user's, or filed's own, whom all run as. */
export function userOf(uid: number, daemon: { uid: number; runAs: "owner" | "daemon" }): User {
  return daemon.uid !== ROOT || daemon.runAs === "daemon" || uid === ROOT ? "own" : uid;
}
