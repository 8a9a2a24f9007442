import { addressOf } from "../c_memory.ts";
import { ErrnoError } from "../errno.ts";
import { HOST_ENDIAN, LIBC } from "../libc.ts";

const GETPWUID_R = { parameters: ["u32", "buffer", "buffer", "usize", "buffer"], result: "i32" } as const;
const { symbols } = Deno.dlopen(LIBC, {
  getpwuid_r: GETPWUID_R,
  getpwuid_r_elsewhere: { ...GETPWUID_R, name: "getpwuid_r", nonblocking: true },
});

const PASSWD = {
  name: 0,
  /* passwd: 8, */ uid: 16,
  gid: 20,
  /* gecos: 24, */ dir: 32,
  shell: 40,
  size: 48,
} as const; // pwd.h
/** Room for the longest entry. The kernel gives it memory only as it is filled. */
const STRINGS_BYTES = 1_048_576;

/** An entry of the user database. */
interface User {
  uid: number;
  gid: number;
  name: string;
  /** Its directory need not exist. */
  home: string;
  /** Empty: /bin/sh, passwd(5). */
  shell: string;
}

/**
 * Looks a user up wherever nsswitch.conf says, on another thread: it can take seconds, or for ever, if that
 * is a server that does not answer.
 * @returns `undefined` if nobody has this uid.
 * @throws {ErrnoError} If the database can't be read.
 */
export async function userById(uid: number): Promise<User | undefined> {
  const room = roomForEntry();
  return room.userOf(await symbols.getpwuid_r_elsewhere(uid, ...room.args));
}

/** The same on this thread, which waits for it: for a last message only. */
export function userByIdNow(uid: number): User | undefined {
  const room = roomForEntry();
  return room.userOf(symbols.getpwuid_r(uid, ...room.args));
}

function roomForEntry() {
  const entry = new DataView(new ArrayBuffer(PASSWD.size));
  const strings = new Uint8Array(STRINGS_BYTES);
  const result = new BigUint64Array(1);
  const userOf = (errno: number): User | undefined => {
    const error = new ErrnoError(errno, "getpwuid_r");
    if (isNotFound(error)) return undefined;
    if (errno !== 0) throw error;
    return result[0] === 0n ? undefined : decodePasswd(entry, strings);
  };
  return { args: [entry, strings, BigInt(STRINGS_BYTES), result] as const, userOf };
}

/** "Not found" is 0 by the standard. getpwuid_r(3) lists these too, which libraries say of groups as well. */
export function isNotFound(error: ErrnoError): boolean {
  return error.is("ENOENT", "ESRCH", "EBADF", "EPERM");
}

function decodePasswd(entry: DataView, strings: Uint8Array<ArrayBuffer>): User {
  const base = addressOf(strings);
  const decoder = new TextDecoder();
  const text = (offset: number) => {
    const start = Number(entry.getBigUint64(offset, HOST_ENDIAN) - base);
    return decoder.decode(strings.subarray(start, strings.indexOf(0, start)));
  };
  return {
    uid: entry.getUint32(PASSWD.uid, HOST_ENDIAN),
    gid: entry.getUint32(PASSWD.gid, HOST_ENDIAN),
    name: text(PASSWD.name),
    home: text(PASSWD.dir),
    shell: text(PASSWD.shell),
  };
}
