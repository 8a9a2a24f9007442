import { cString, LIBC } from "../libc.ts";
import { ErrnoError } from "../errno.ts";
import { isNotFound } from "./passwd.ts";

// On another thread: the database may be a server that does not answer.
const { symbols } = Deno.dlopen(LIBC, {
  getgrgid_r: {
    parameters: ["u32", "buffer", "buffer", "usize", "buffer"],
    result: "i32",
    nonblocking: true,
  },
  getgrouplist: { parameters: ["buffer", "u32", "buffer", "buffer"], result: "i32", nonblocking: true },
});

const GROUP_BYTES = 32; // struct group, grp.h
const BUFFER_BYTES = 1_024;
const MOST_GROUPS = 65_536; // NGROUPS_MAX, linux/limits.h

/**
 * Whether the group database has a group; see `userById` for how long that can take.
 * @throws {ErrnoError} If the database can't be read.
 */
export async function isKnownGroup(gid: number): Promise<boolean> {
  const entry = new Uint8Array(GROUP_BYTES);
  const strings = new Uint8Array(BUFFER_BYTES);
  const result = new BigUint64Array(1);
  const errno = await symbols.getgrgid_r(gid, entry, strings, BigInt(BUFFER_BYTES), result);
  const error = new ErrnoError(errno, "getgrgid_r");
  if (error.is("ERANGE")) return true; // It is there, with many members.
  if (isNotFound(error)) return false;
  if (error.errno !== 0) throw error;
  return result[0] !== 0n;
}

/**
 * The groups that a login of a user would have, `gid` among them; see `userById` for how long that can take.
 * @throws {ErrnoError} E2BIG if there are more than a process can have.
 * @see getgrouplist(3), which initgroups(3) uses
 */
export async function groupsOf(name: string, gid: number): Promise<number[]> {
  const groups = new Uint32Array(MOST_GROUPS);
  const count = Int32Array.of(MOST_GROUPS);
  if (await symbols.getgrouplist(cString(name), gid, groups, count) !== -1) {
    return [...groups.subarray(0, count[0])];
  }
  throw new ErrnoError("E2BIG", `getgrouplist of ${name}`);
}
