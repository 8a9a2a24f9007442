import { listKernelDirectory } from "./kernel_files.ts";
import { LIBC } from "../libc.ts";

const { symbols } = Deno.dlopen(LIBC, { fcntl: { parameters: ["i32", "i32", "i32"], result: "i32" } });

const F_SETFD = 2; // fcntl.h
const FD_CLOEXEC = 1;

/**
 * Keeps every descriptor that is open now, but 0, 1 and 2, from the programs that we start: those that we
 * have inherited are not close-on-exec.
 */
export function closeInheritedOnExec(): void {
  const fds = listKernelDirectory("/proc/self/fd").map(({ name }) => Number(name)).filter((fd) => fd > 2);
  // The directory's own descriptor is among them and closed by now: EBADF.
  for (const fd of fds) symbols.fcntl(fd, F_SETFD, FD_CLOEXEC);
}
