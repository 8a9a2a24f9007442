import { addressOf } from "./c_memory.ts";
import { ErrnoError } from "./errno.ts";
import { HOST_ENDIAN, LIBC } from "./libc.ts";

// On another thread: the database may be a server that does not answer.
const { symbols } = Deno.dlopen(LIBC, {
  getpwuid_r: {
    parameters: ["u32", "buffer", "buffer", "usize", "buffer"],
    result: "i32",
    nonblocking: true,
  },
});

const PASSWD = {
  name: 0,
  /* passwd: 8, */ uid: 16,
  gid: 20,
  /* gecos: 24, */ dir: 32,
  shell: 40,
  size: 48,
} as const; // pwd.h
const FIRST_BUFFER_BYTES = 1_024;
const LAST_BUFFER_BYTES = 1_048_576;

/** An entry of the user database. */
export interface User {
  uid: number;
  gid: number;
  name: string;
  /** Its directory need not exist. */
  home: string;
  /** Empty: /bin/sh, passwd(5). */
  shell: string;
}

/**
 * Looks a user up wherever nsswitch.conf says; that can take seconds, or for ever, if it is a server that does not answer.
 * @returns `undefined` if nobody has this uid.
 * @throws {ErrnoError} If the database can't be read.
 */
export async function userById(uid: number): Promise<User | undefined> {
  for (let bytes = FIRST_BUFFER_BYTES;; bytes *= 4) {
    const entry = new DataView(new ArrayBuffer(PASSWD.size));
    const strings = new Uint8Array(bytes);
    const result = new BigUint64Array(1);
    const errno = await symbols.getpwuid_r(uid, entry, strings, BigInt(bytes), result);
    const error = new ErrnoError(errno, "getpwuid_r");
    if (error.is("ERANGE") && bytes < LAST_BUFFER_BYTES) continue;
    if (isNotFound(error)) return undefined;
    if (error.errno !== 0) throw error;
    return result[0] === 0n ? undefined : decodePasswd(entry, strings);
  }
}

/** "Not found" is 0 by the standard; getpwuid_r(3) lists what else libraries say, and so they do of groups. */
export function isNotFound(error: ErrnoError): boolean {
  return error.is("ENOENT") || error.is("ESRCH") || error.is("EBADF") || error.is("EPERM");
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
