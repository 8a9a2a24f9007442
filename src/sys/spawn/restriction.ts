import type { Arena } from "../c_memory.ts";
import { capabilitiesOfFilesAndUsers } from "./capabilities.ts";
import { type Step, toSucceed } from "./child_code.ts";
import { AT_FDCWD, systemCall } from "../system_call.ts";

const F_OK = 0n; // unistd.h

const PR_SET_NO_NEW_PRIVS = 38n; // linux/prctl.h

/**
 * A Landlock domain for a process and all that it starts, with no_new_privs. Of root's capabilities it keeps
 * those over files and users only: others reach around Landlock.
 */
export interface Restriction {
  /** A Landlock ruleset's descriptor. */
  ruleset: number;
  /**
   * The absolute path of something that the ruleset lets nobody rename within its directory. A process that
   * can rename it is not restricted after all, and then the program is not started.
   */
  proof: string;
}

const CAPABILITIES = capabilitiesOfFilesAndUsers();

/**
 * Restricts the process that makes the calls, which then proves that it is: it fails to rename the proof.
 * This takes rights that a change of user takes away, so it comes before that.
 * @param ruleset The descriptor that the process has of it.
 */
export function restricting({ proof }: Restriction, ruleset: number, arena: Arena): Step[] {
  const [path, broken] = [arena.text(proof), arena.text(`${proof}-broken`)];
  return [
    // Where it is not there, that it can't be renamed proves nothing.
    ...toSucceed(systemCall("faccessat", AT_FDCWD, path, F_OK)),
    // It only takes away, which never fails.
    ...CAPABILITIES ? toSucceed(systemCall("capset", CAPABILITIES.header, CAPABILITIES.data)) : [],
    ...toSucceed(
      systemCall("prctl", PR_SET_NO_NEW_PRIVS, 1n, 0n, 0n, 0n),
      systemCall("landlock_restrict_self", BigInt(ruleset), 0n),
    ),
    { call: systemCall("renameat", AT_FDCWD, path, AT_FDCWD, broken), is: "to fail" },
  ];
}
