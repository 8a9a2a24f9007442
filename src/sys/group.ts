import { ErrnoError } from "./errno.ts";
import { LIBC } from "./libc.ts";
import { isNotFound } from "./passwd.ts";

const { symbols } = Deno.dlopen(LIBC, {
  getgrgid_r: { parameters: ["u32", "buffer", "buffer", "usize", "buffer"], result: "i32" },
});

const GROUP_BYTES = 32; // struct group, grp.h
const BUFFER_BYTES = 1_024;

/**
 * Whether the group database has a group; see `userById` for how long that can take.
 * @throws {ErrnoError} If the database can't be read.
 */
export function isKnownGroup(gid: number): boolean {
  const entry = new Uint8Array(GROUP_BYTES);
  const strings = new Uint8Array(BUFFER_BYTES);
  const result = new BigUint64Array(1);
  const error = new ErrnoError(
    symbols.getgrgid_r(gid, entry, strings, BigInt(BUFFER_BYTES), result),
    "getgrgid_r",
  );
  if (error.is("ERANGE")) return true; // It is there, with many members.
  if (isNotFound(error)) return false;
  if (error.errno !== 0) throw error;
  return result[0] !== 0n;
}
