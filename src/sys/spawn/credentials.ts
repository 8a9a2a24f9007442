import type { Arena } from "../c_memory.ts";
import { NO_CAPABILITIES } from "./capabilities.ts";
import { type Step, toSucceed } from "./child_code.ts";
import { readKernelFile } from "../files/kernel_files.ts";
import { AT_FDCWD, systemCall } from "../system_call.ts";

/** Whom a process becomes, by number: a name could be another user's, chosen to look like a number. */
export interface Credentials {
  uid: number;
  gid: number;
  /** The supplementary groups, which need not have `gid` among them. */
  groups: readonly number[];
}

const PR_SET_DUMPABLE = 4n; // linux/prctl.h
const NOT_DUMPABLE = 0n;
const AS_IT_IS = 0xffff_ffffn; // setresuid(2)
const PR_SET_SECUREBITS = 28n;
const NO_SECUREBITS = 0n; // linux/securebits.h
const O_WRONLY = 1n;
const GROUP_AND_OTHERS_WRITE = 0o022;

/**
 * How a child of root becomes another user for good, with nothing of root's left: setuid(2) alone leaves
 * some.
 *
 * The child shares our memory until it executes its program, so its user must not trace it before. Each time
 * that the effective user changes, setresuid(2) gives that memory what fs.suid_dumpable says; prctl(2) then
 * makes it not dumpable. In between, the user can't stop the child: its real and saved user are still root.
 * @see credentials(7), capabilities(7), ptrace(2)
 */
export function becoming({ uid, gid, groups }: Credentials, arena: Arena): Step[] {
  const [u, g] = [BigInt(uid), BigInt(gid)];
  return [
    // They may be locked.
    { call: systemCall("prctl", PR_SET_SECUREBITS, NO_SECUREBITS, 0n, 0n, 0n), is: "either way" },
    ...toSucceed(
      systemCall("umask", BigInt(UMASK_FOR_OTHERS)),
      systemCall("setgroups", BigInt(groups.length), arena.numbers(Uint32Array.from(groups))),
      systemCall("setresgid", g, g, g),
      systemCall("setresuid", AS_IT_IS, u, AS_IT_IS),
      systemCall("prctl", PR_SET_DUMPABLE, NOT_DUMPABLE, 0n, 0n, 0n),
      systemCall("setresuid", u, u, u),
      // Locked securebits may have kept some through setresuid(2); the inheritable ones stay in any case.
      systemCall("capset", NO_CAPABILITIES.header, NO_CAPABILITIES.data),
    ),
  ];
}

/**
 * Has the audit log name the user whose job it is, as pam_loginuid(8) does. That takes a right of root's, and
 * a kernel that audits: elsewhere it stays undone.
 * @param fd The lowest descriptor that is not in use.
 */
export function auditedAs({ uid }: Credentials, fd: number, arena: Arena): Step[] {
  const digits = String(uid);
  return [
    systemCall("openat", AT_FDCWD, arena.text("/proc/self/loginuid"), O_WRONLY, 0n),
    systemCall("write", BigInt(fd), arena.text(digits), BigInt(digits.length)),
  ].map((call) => ({ call, is: "either way" }));
}

/** Ours, and at least 022, as sshd(8) has it: not all may write what another user makes. */
const UMASK_FOR_OTHERS = readUmask() | GROUP_AND_OTHERS_WRITE;

/** Read, as umask(2) tells it only by changing it for all threads. */
function readUmask(): number {
  const [, octal = "0"] = /^Umask:\t(\d+)$/m.exec(readKernelFile("/proc/self/status")) ?? [];
  return parseInt(octal, 8);
}
