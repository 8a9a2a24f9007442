import { capabilitiesOfFilesAndUsers } from "./capabilities.ts";
import { AT_FDCWD, type SystemCall, systemCall } from "./system_call.ts";

const PR_SET_NO_NEW_PRIVS = 38n; // linux/prctl.h

/**
 * A Landlock domain for a process and all that it starts, no_new_privs with it, and of root's capabilities only those over files and
 * users: others reach around Landlock.
 */
export interface Restriction {
  /** A Landlock ruleset's descriptor. */
  ruleset: number;
  /**
   * The absolute path of something that the ruleset lets nobody rename within its directory. What is restricted can't; what is
   * not restricted after all renames it, and then the program is not started.
   */
  seal: string;
}

const CAPABILITIES = capabilitiesOfFilesAndUsers();

/**
 * What restricts the thread or process that makes the calls. That is better no thread of ours: what runs in the same domain may
 * signal it, by the thread's number, and write to its memory, which is all of ours.
 */
export function restricting(ruleset: number): SystemCall[] {
  return [
    // It only takes away, which never fails.
    ...CAPABILITIES ? [systemCall("capset", CAPABILITIES.header, CAPABILITIES.data)] : [],
    systemCall("prctl", PR_SET_NO_NEW_PRIVS, 1n, 0n, 0n, 0n),
    systemCall("landlock_restrict_self", BigInt(ruleset), 0n),
  ];
}

/**
 * What fails for who is restricted.
 * @param seal Where `Restriction.seal` is in memory, as text, and in `broken` the name that it gets where nothing is restricted.
 */
export function breakingSeal(seal: bigint, broken: bigint): SystemCall {
  return systemCall("renameat", AT_FDCWD, seal, AT_FDCWD, broken);
}
