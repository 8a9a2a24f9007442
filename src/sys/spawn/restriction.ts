import { capabilitiesOfFilesAndUsers } from "./capabilities.ts";
import { type Step, toSucceed } from "./child_code.ts";
import { AT_FDCWD, systemCall } from "../system_call.ts";

const F_OK = 0n; // unistd.h

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
 * What restricts the process that makes the calls, and then shows that it is restricted: it fails to rename
 * the seal. It needs the rights that a change of user takes away, so it comes before that.
 * @param ruleset The descriptor that the process has of it.
 * @param seal Where `Restriction.seal` is in memory, as text, and the name that it would get where nothing is
 * restricted.
 */
export function restricting(ruleset: number, seal: { path: bigint; broken: bigint }): Step[] {
  return [
    // Where the seal is not there, that it can't be renamed says nothing.
    ...toSucceed(systemCall("faccessat", AT_FDCWD, seal.path, F_OK)),
    // It only takes away, which never fails.
    ...CAPABILITIES ? toSucceed(systemCall("capset", CAPABILITIES.header, CAPABILITIES.data)) : [],
    ...toSucceed(
      systemCall("prctl", PR_SET_NO_NEW_PRIVS, 1n, 0n, 0n, 0n),
      systemCall("landlock_restrict_self", BigInt(ruleset), 0n),
    ),
    { call: systemCall("renameat", AT_FDCWD, seal.path, AT_FDCWD, seal.broken), is: "to fail" },
  ];
}
