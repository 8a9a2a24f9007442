import { ERRNO } from "../errno.ts";
import { lastErrno, LIBC } from "../libc.ts";

const { symbols } = Deno.dlopen(LIBC, {
  geteuid: { parameters: [], result: "u32" },
  getegid: { parameters: [], result: "u32" },
  getpriority: { parameters: ["i32", "u32"], result: "i32" },
  getpgid: { parameters: ["i32"], result: "i32" },
  getpagesize: { parameters: [], result: "i32" },
  // prctl is variadic, but on Linux an integer is passed alike either way, on x86-64 and arm64.
  prctl: { parameters: ["i32", "buffer", "u64", "u64", "u64"], result: "i32" },
});

/** Whose rights this process has. */
export const effectiveUid = (): number => symbols.geteuid();
export const effectiveGid = (): number => symbols.getegid();
export const isRoot = (): boolean => effectiveUid() === 0;

const PRIO_PROCESS = 0; // sys/resource.h

/** How nice this thread is, -20 to 19. */
export const niceness = (): number => symbols.getpriority(PRIO_PROCESS, 0);

/**
 * The group of a process, also of a zombie; 0 if nobody says.
 * @returns `undefined` if there is no such process.
 */
export function processGroup(pid: number): number | undefined {
  const group = symbols.getpgid(pid);
  if (group !== -1) return group;
  return lastErrno() === ERRNO.ESRCH ? undefined : 0; // EACCES: a security module keeps it to itself.
}

/** The size of a page of memory, in bytes. */
export const pageSizeBytes = (): number => symbols.getpagesize();

const PR_GET_CHILD_SUBREAPER = 37; // linux/prctl.h
const INIT = 1;

/** Whether orphans become our children: we are the first of the PID namespace, or a subreaper. */
export function adoptsOrphans(): boolean {
  const isSubreaper = new Int32Array(1);
  symbols.prctl(PR_GET_CHILD_SUBREAPER, isSubreaper, 0n, 0n, 0n);
  return Deno.pid === INIT || isSubreaper[0] === 1;
}
