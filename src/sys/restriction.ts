import { addressOf } from "./c_memory.ts";
import { capabilitiesOfFilesAndUsers, type CapabilitySets } from "./capabilities.ts";
import type { NativeCall } from "./context.ts";

const PR_SET_NO_NEW_PRIVS = 38n; // linux/prctl.h

const SYSCALL_NUMBER = Deno.build.arch === "aarch64"
  ? { prctl: 167n, capset: 91n, renameat: 38n, landlock_restrict_self: 446n }
  : { prctl: 157n, capset: 126n, renameat: 264n, landlock_restrict_self: 446n };
const AT_FDCWD = BigInt.asUintN(64, -100n);

/**
 * A Landlock domain for a process and all that it starts, no_new_privs with it, and of root's capabilities only those over files and
 * users: others reach around Landlock.
 */
export interface Restriction {
  /** A Landlock ruleset's descriptor. */
  ruleset: number;
  /**
   * The absolute path of something that the ruleset lets nobody rename within its directory. What is restricted can't, and
   * so finds it there; what is not restricted after all renames it, and then the program is not started.
   */
  seal: string;
}

const CAPABILITIES = capabilitiesOfFilesAndUsers();

/** It only takes away, which never fails. */
function callCapset({ header, data }: CapabilitySets): NativeCall {
  return { function: "syscall", args: [SYSCALL_NUMBER.capset, addressOf(header), addressOf(data)] };
}

/**
 * What restricts the thread or process that calls it.
 * @param seal Where `Restriction.seal` is in memory, as text, and in `broken` the name that it gets where nothing is restricted.
 */
export function restricting(ruleset: number, seal: bigint, broken: bigint): NativeCall[] {
  return [
    ...CAPABILITIES ? [callCapset(CAPABILITIES)] : [],
    { function: "syscall", args: [SYSCALL_NUMBER.prctl, PR_SET_NO_NEW_PRIVS, 1n] },
    { function: "syscall", args: [SYSCALL_NUMBER.landlock_restrict_self, BigInt(ruleset)] },
    { function: "syscall", args: [SYSCALL_NUMBER.renameat, AT_FDCWD, seal, AT_FDCWD, broken] },
  ];
}
