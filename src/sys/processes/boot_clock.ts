import { check, HOST_ENDIAN, LIBC } from "../libc.ts";

const { symbols } = Deno.dlopen(LIBC, {
  clock_gettime: { parameters: ["i32", "buffer"], result: "i32" },
});

const CLOCK_BOOTTIME = 7; // linux/time.h
const TIMESPEC = { seconds: 0, nanoseconds: 8, sizeof: 16 } as const; // struct timespec, 64 bit
/** USER_HZ, time(7). */
const TICKS_PER_SECOND = 100;
const NS_PER_TICK = 1_000_000_000 / TICKS_PER_SECOND;

const view = new DataView(new ArrayBuffer(TIMESPEC.sizeof));

/**
 * Now, on the clock by which the kernel notes a process's start: ticks since boot, field 22 of /proc/PID/stat.
 * No system call (vdso(7)), and no file that a container may have replaced, as lxcfs does with /proc/uptime.
 */
export function bootTicks(): number {
  check(symbols.clock_gettime(CLOCK_BOOTTIME, view.buffer), "clock_gettime");
  const seconds = Number(view.getBigInt64(TIMESPEC.seconds, HOST_ENDIAN));
  const nanoseconds = Number(view.getBigInt64(TIMESPEC.nanoseconds, HOST_ENDIAN));
  return seconds * TICKS_PER_SECOND + Math.floor(nanoseconds / NS_PER_TICK);
}
