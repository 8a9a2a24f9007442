import { O_CLOEXEC, O_PATH } from "./file.ts";
import { check, cString, HOST_ENDIAN, lastErrno, LIBC } from "../libc.ts";

const { symbols } = Deno.dlopen(LIBC, {
  // syscall(2), since older C libraries have no function for it.
  openat2: { name: "syscall", parameters: ["i64", "i32", "buffer", "buffer", "usize"], result: "i32" },
});

const SYS_OPENAT2 = 437n; // the same on all architectures; Linux 5.6
const OPEN_HOW = { flags: 0, mode: 8, resolve: 16, sizeof: 24 } as const; // linux/openat2.h
const RESOLVE_NO_XDEV = 0x01;
const RESOLVE_NO_MAGICLINKS = 0x02;
const RESOLVE_NO_SYMLINKS = 0x04;
const RESOLVE_BENEATH = 0x08;
const RESOLVE_CACHED = 0x20; // Linux 5.12
const AT_FDCWD = -100;

/** Things that a lookup must not do. */
const RESOLVE = {
  /** Leave the directory or its file system, or follow a link. What is mounted below is never asked. */
  "own file system": RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH,
  /** Wait: the kernel knows the answer, or says EAGAIN. No link is followed, but mounts are entered. */
  "known below": RESOLVE_CACHED | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH,
  /** Wait for anything; links are followed. */
  "known anywhere": RESOLVE_CACHED,
} as const;

/**
 * Opens what is in or below a directory; close-on-exec.
 * @param path Relative to the directory, with the NUL at its end.
 * @throws {ErrnoError} As openat2(2): EXDEV for a mount, ELOOP for a link, EAGAIN for what is not known.
 */
export function openBelow(
  directory: number,
  path: Uint8Array<ArrayBuffer>,
  flags: number,
  how: "own file system" | "known below",
): number {
  return check(openat2(directory, path, flags, RESOLVE[how]), "openat2");
}

/**
 * Opens a file of any kind by O_PATH, if the kernel knows without waiting what is there; close-on-exec.
 * @returns The descriptor, or the negative error number: -EAGAIN if it does not know.
 */
export function openKnownPath(path: string, flags: number): number {
  const result = openat2(AT_FDCWD, cString(path), flags | O_PATH, RESOLVE["known anywhere"]);
  return result === -1 ? -lastErrno() : result;
}

/**
 * Opens the working directory of another process of this user, or a file that it has open, by O_PATH: without
 * asking its file system. Close-on-exec.
 * @throws {ErrnoError} As open(2): ENOENT if the process is gone, or has no such file.
 */
export function openProcessPath(pid: number, what: "cwd" | `fd/${number}`): number {
  return check(openat2(AT_FDCWD, cString(`/proc/${pid}/${what}`), O_PATH, 0), `open /proc/${pid}/${what}`);
}

function openat2(directory: number, path: Uint8Array<ArrayBuffer>, flags: number, resolve: number): number {
  const how = new DataView(new ArrayBuffer(OPEN_HOW.sizeof));
  how.setBigUint64(OPEN_HOW.flags, BigInt(flags | O_CLOEXEC), HOST_ENDIAN);
  how.setBigUint64(OPEN_HOW.resolve, BigInt(resolve), HOST_ENDIAN);
  return symbols.openat2(SYS_OPENAT2, directory, path, new Uint8Array(how.buffer), BigInt(OPEN_HOW.sizeof));
}
