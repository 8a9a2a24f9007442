import { LIBC } from "./libc.ts";

/** A system call by its number, for a child's code or where older C libraries have no function for it. */
export interface SystemCall {
  readonly name: Name;
  readonly number: bigint;
  /** Integers and addresses, five at most. */
  readonly args: readonly bigint[];
}

/** asm/unistd_64.h of x86-64, and asm-generic/unistd.h, which arm64 has. Above 423 the two agree. */
const NUMBER = {
  write: [1n, 64n],
  rt_sigaction: [13n, 134n],
  rt_sigprocmask: [14n, 135n],
  nanosleep: [35n, 101n],
  clone: [56n, 220n],
  execve: [59n, 221n],
  chdir: [80n, 49n],
  umask: [95n, 166n],
  setsid: [112n, 157n],
  setgroups: [116n, 159n],
  setresuid: [117n, 147n],
  setresgid: [119n, 149n],
  capset: [126n, 91n],
  setpriority: [141n, 140n],
  prctl: [157n, 167n],
  keyctl: [250n, 219n],
  openat: [257n, 56n],
  renameat: [264n, 38n],
  faccessat: [269n, 48n],
  dup3: [292n, 24n],
  prlimit64: [302n, 261n],
  pidfd_send_signal: [424n, 424n],
  pidfd_open: [434n, 434n],
  clone3: [435n, 435n],
  close_range: [436n, 436n],
  landlock_restrict_self: [446n, 446n],
} as const;
type Name = keyof typeof NUMBER;

const ARCHITECTURE = Deno.build.arch === "aarch64" ? 1 : 0;

/** In place of a directory's descriptor: the working directory; fcntl.h. */
export const AT_FDCWD = BigInt.asUintN(64, -100n);

export function systemCall(name: Name, ...args: readonly bigint[]): SystemCall {
  return { name, number: NUMBER[name][ARCHITECTURE], args };
}

const { symbols } = Deno.dlopen(LIBC, {
  syscall: { parameters: ["i64", "i64", "i64", "i64", "i64"], result: "i64" },
});

/**
 * Makes a call of four arguments at most on this thread.
 * @returns What it gives; -1 if it fails, with errno.
 */
export function perform({ number, args: [a = 0n, b = 0n, c = 0n, d = 0n] }: SystemCall): number {
  return Number(symbols.syscall(number, a, b, c, d));
}
