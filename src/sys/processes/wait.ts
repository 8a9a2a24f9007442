import { check, HOST_ENDIAN, LIBC } from "../libc.ts";

const { symbols } = Deno.dlopen(LIBC, {
  waitpid: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  waitid: { parameters: ["i32", "u32", "buffer", "i32"], result: "i32" },
});

// linux/wait.h
const WNOHANG = 1;
const WEXITED = 4;
const WNOWAIT = 0x01000000;
const P_PID = 1;
const SIGINFO = { pid: 16, sizeof: 128 } as const; // siginfo_t, sigaction(2), 64 bit
const SIGRTMIN = 34; // of glibc; the two below are its own

/** The signals from 1 on, signal(7): the same on x86-64 and arm64. */
const SIGNALS = [
  "SIGHUP SIGINT SIGQUIT SIGILL SIGTRAP SIGABRT SIGBUS SIGFPE",
  "SIGKILL SIGUSR1 SIGSEGV SIGUSR2 SIGPIPE SIGALRM SIGTERM SIGSTKFLT",
  "SIGCHLD SIGCONT SIGSTOP SIGTSTP SIGTTIN SIGTTOU SIGURG SIGXCPU",
  "SIGXFSZ SIGVTALRM SIGPROF SIGWINCH SIGIO SIGPWR SIGSYS",
].flatMap((names) => names.split(" "));

/** How a process ended; `signal` is a name such as "SIGKILL" or "SIGRTMIN+3". */
export type WaitStatus = { kind: "exited"; status: number } | { kind: "signaled"; signal: string };

/**
 * Asks how a child ended, once: then its number may mean another process.
 * @returns `undefined` while it runs.
 * @throws {ErrnoError} ECHILD if it is not our child, or was asked for already.
 */
export function waitIfEnded(pid: number): WaitStatus | undefined {
  const status = new Int32Array(1);
  if (check(symbols.waitpid(pid, status, WNOHANG), "waitpid") === 0) return undefined;
  return decodeWaitStatus(status[0] ?? 0);
}

/** Whether a process is our child: one that lives, or has ended and was not waited for. */
export function childState(pid: number): "lives" | "ended" | "no child" {
  const info = new Uint8Array(SIGINFO.sizeof);
  if (symbols.waitid(P_PID, pid, info, WEXITED | WNOHANG | WNOWAIT) !== 0) return "no child";
  return new DataView(info.buffer).getInt32(SIGINFO.pid, HOST_ENDIAN) === pid ? "ended" : "lives";
}

/** @param status As waitpid(2) gives it for a process that has ended. */
export function decodeWaitStatus(status: number): WaitStatus {
  const signal = status & 0x7f;
  return signal === 0
    ? { kind: "exited", status: status >> 8 & 0xff }
    : { kind: "signaled", signal: SIGNALS[signal - 1] ?? `SIGRTMIN+${signal - SIGRTMIN}` };
}
