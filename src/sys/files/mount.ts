import { check, cString, LIBC } from "../libc.ts";

const { symbols } = Deno.dlopen(LIBC, {
  mount: { parameters: ["buffer", "buffer", "buffer", "u64", "buffer"], result: "i32" },
  umount2: { parameters: ["buffer", "i32"], result: "i32", nonblocking: true },
  close: { parameters: ["i32"], result: "i32", nonblocking: true },
});

export const MS_NOSUID = 2;
export const MS_NODEV = 4;
export const MNT_FORCE = 1;
export const MNT_DETACH = 2;

/**
 * @param data The file system's own options, separated by commas; the kernel cuts them after a page.
 * @throws {ErrnoError} As mount(2).
 */
export function mount(source: string, target: string, type: string, flags: number, data: string): void {
  check(
    symbols.mount(cString(source), cString(target), cString(type), BigInt(flags), cString(data)),
    `mount ${type} on ${target}`,
  );
}

/**
 * Unmounts what is topmost at `target`, on another thread: it can wait for this one to answer the kernel.
 * @returns Whether it succeeded; the errno is lost.
 */
export async function umount(target: string, flags: number): Promise<boolean> {
  return await symbols.umount2(cString(target), flags) === 0;
}

/**
 * Unmounts what an open file is the root of, wherever its path leads by now, and closes that; on another
 * thread, as the last of a file system can wait for who serves it.
 * @returns Whether it succeeded; the errno is lost.
 */
export async function umountOpen(fd: number, flags: number): Promise<boolean> {
  const isUnmounted = await umount(`/proc/self/fd/${fd}`, flags);
  await symbols.close(fd);
  return isUnmounted;
}
