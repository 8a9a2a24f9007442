import { check, cString, HOST_ENDIAN, LIBC } from "../libc.ts";

const { symbols } = Deno.dlopen(LIBC, { statfs: { parameters: ["buffer", "buffer"], result: "i32" } });

/** struct statfs, asm/statfs.h: the same on x86-64 and arm64. */
const STATFS = { f_bsize: 8, f_bavail: 32, sizeof: 120 } as const;

/** How many bytes this user may still fill of a file's file system. @throws {ErrnoError} As statfs(2). */
export function freeBytes(path: string): number {
  const view = new DataView(new ArrayBuffer(STATFS.sizeof));
  check(symbols.statfs(cString(path), new Uint8Array(view.buffer)), `statfs ${path}`);
  const word = (offset: number) => Number(view.getBigUint64(offset, HOST_ENDIAN));
  return word(STATFS.f_bsize) * word(STATFS.f_bavail);
}
