import { must } from "../../must.ts";
import { ERRNO, ErrnoError } from "../errno.ts";
import { check, cString, lastErrno, LIBC } from "../libc.ts";
import { opened, refillReserve } from "./reserve.ts";

const { symbols } = Deno.dlopen(LIBC, {
  // open and fcntl are variadic, but on Linux an integer is passed alike either way, on x86-64 and arm64.
  open: { parameters: ["buffer", "i32", "i32"], result: "i32" },
  fcntl: { parameters: ["i32", "i32", "i32"], result: "i32" },
  flock: { parameters: ["i32", "i32"], result: "i32" },
  access: { parameters: ["buffer", "i32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  // Sizes here are below 2 GiB: an i32 holds each result and costs less than a bigint.
  read: { parameters: ["i32", "buffer", "usize"], result: "i32" },
  pread: { parameters: ["i32", "buffer", "usize", "i64"], result: "i32" },
  write: { parameters: ["i32", "buffer", "usize"], result: "i32" },
  fchown: { parameters: ["i32", "u32", "u32"], result: "i32" },
  fchmod: { parameters: ["i32", "u32"], result: "i32" },
  pipe2: { parameters: ["buffer", "i32"], result: "i32" },
});

const IS_ARM = Deno.build.arch === "aarch64";
// fcntl.h
const O_RDONLY = 0o0;
const O_WRONLY = 0o1;
const O_RDWR = 0o2;
const O_CREAT = 0o100;
const O_NONBLOCK = 0o4000;
export const O_CLOEXEC = 0o2000000;
export const O_PATH = 0o10000000;
export const O_DIRECTORY = IS_ARM ? 0o40000 : 0o200000;
export const O_NOFOLLOW = IS_ARM ? 0o100000 : 0o400000;
const F_SETFD = 2;
const F_SETFL = 4;
const F_DUPFD_CLOEXEC = 1030;
const F_OK = 0; // unistd.h
const LOCK_EX = 2; // sys/file.h
const LOCK_NB = 4;

/** Whether this process can find anything at a path, symlinks followed. */
export function exists(path: string): boolean {
  return symbols.access(cString(path), F_OK) === 0;
}

/** @param mode Of what O_CREAT makes. @throws {ErrnoError} As open(2). */
function open(path: string, flags: number, mode = 0): number {
  return check(symbols.open(cString(path), flags | O_CLOEXEC, mode), `open ${path}`);
}

/**
 * Opens for a short while, in the place of a descriptor that is kept if need be.
 * @throws {ErrnoError} As open(2).
 */
function openShortly(path: string, flags: number): number {
  const name = cString(path);
  return opened(() => symbols.open(name, flags | O_CLOEXEC, 0), `open ${path}`);
}

/** Opens for reading and writing; close-on-exec and non-blocking. @throws {ErrnoError} As open(2). */
export function openReadWrite(path: string): number {
  return open(path, O_RDWR | O_NONBLOCK);
}

/**
 * Opens for reading and writing, and makes what is not there. No symbolic link is followed at the end of the
 * path, and no pipe is waited for. Close-on-exec.
 * @throws {ErrnoError} As open(2); ELOOP if it is a symbolic link.
 */
export function openOrMake(path: string, mode: number): number {
  return open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, mode);
}

/** Takes flock(2)'s lock until `fd` is closed. @returns Whether nobody else has it. */
export function tryLock(fd: number): boolean {
  return symbols.flock(fd, LOCK_EX | LOCK_NB) === 0;
}

/** Opens for reading, for a short while; close-on-exec. @throws {ErrnoError} As open(2). */
export function openReadOnly(path: string): number {
  return openShortly(path, O_RDONLY);
}

/**
 * @returns The reading end, which is non-blocking, and the writing end; both close-on-exec.
 * @throws {ErrnoError} As pipe2(2).
 */
export function pipe(): { reader: number; writer: number } {
  const ends = blockingPipe();
  setNonblocking(ends.reader);
  return ends;
}

/** The same, and who reads waits. @throws {ErrnoError} As pipe2(2). */
export function blockingPipe(): { reader: number; writer: number } {
  const ends = new Int32Array(2);
  check(symbols.pipe2(ends, O_CLOEXEC), "pipe2");
  return { reader: must(ends[0], "a pipe has two ends"), writer: must(ends[1], "a pipe has two ends") };
}

/** Makes `fd` non-blocking and clears its other status flags. @throws {ErrnoError} As fcntl(2). */
export function setNonblocking(fd: number): void {
  check(symbols.fcntl(fd, F_SETFL, O_NONBLOCK), "fcntl F_SETFL");
}

/** Opens for writing what is there, for a short while; close-on-exec. @throws {ErrnoError} As open(2). */
export function openWriteOnly(path: string): number {
  return openShortly(path, O_WRONLY);
}

/**
 * Opens a file of any kind by O_PATH, which takes no right to read it; a symbolic link itself, where there is
 * one at the end of the path. Close-on-exec.
 * @throws {ErrnoError} As open(2).
 */
export function openPathItself(path: string): number {
  return open(path, O_PATH | O_NOFOLLOW);
}

/** Opens a directory; close-on-exec. @throws {ErrnoError} As open(2): ENOTDIR for a symbolic link too. */
export function openDirectory(path: string): number {
  return open(path, O_DIRECTORY | O_NOFOLLOW);
}

/**
 * Another descriptor of what is open, the lowest from `least` on; close-on-exec.
 * @throws {ErrnoError} As fcntl(2).
 */
export function duplicate(fd: number, least: number): number {
  return check(symbols.fcntl(fd, F_DUPFD_CLOEXEC, least), "fcntl F_DUPFD_CLOEXEC");
}

/** Lets children inherit `fd`. @throws {ErrnoError} As fcntl(2). */
export function clearCloseOnExec(fd: number): void {
  check(symbols.fcntl(fd, F_SETFD, 0), "fcntl F_SETFD");
}

/** @throws {ErrnoError} As fchown(2). */
export function changeOwner(fd: number, uid: number, gid: number): void {
  check(symbols.fchown(fd, uid, gid), "fchown");
}

/** @throws {ErrnoError} As fchmod(2). */
export function changeMode(fd: number, mode: number): void {
  check(symbols.fchmod(fd, mode), "fchmod");
}

/** @throws {ErrnoError} As close(2). */
export function close(fd: number): void {
  check(symbols.close(fd), "close");
  refillReserve();
}

/** What is open until its owner disposes of it. */
export class Descriptor implements Disposable {
  #fd: number | undefined;

  constructor(fd: number) {
    this.#fd = fd;
  }

  get fd(): number {
    return must(this.#fd, "a descriptor is used before it is closed");
  }

  [Symbol.dispose](): void {
    if (this.#fd !== undefined) close(this.#fd);
    this.#fd = undefined;
  }
}

/**
 * Reads at a position, in bytes.
 * @returns How many bytes `buffer` now holds, 0 at the end.
 * @throws {ErrnoError} As pread(2).
 */
export function readAt(fd: number, buffer: Uint8Array<ArrayBuffer>, position: number): number {
  return check(symbols.pread(fd, buffer, BigInt(buffer.length), BigInt(position)), "pread");
}

/**
 * Reads from a non-blocking `fd`.
 * @returns How many bytes `buffer` now holds, `undefined` if there is nothing to read (EAGAIN).
 * @throws {ErrnoError} As read(2).
 */
export function readNonblocking(fd: number, buffer: Uint8Array<ArrayBuffer>): number | undefined {
  const sizeBytes = symbols.read(fd, buffer, BigInt(buffer.length));
  if (sizeBytes >= 0) return sizeBytes;
  const errno = lastErrno();
  if (errno === ERRNO.EAGAIN) return undefined;
  throw new ErrnoError(errno, "read");
}

/**
 * Writes the first `sizeBytes` of `buffer` in one call.
 * @returns How many bytes were written.
 * @throws {ErrnoError} As write(2).
 */
export function write(fd: number, buffer: Uint8Array<ArrayBuffer>, sizeBytes: number): number {
  return check(symbols.write(fd, buffer, BigInt(sizeBytes)), "write");
}

/** Written in one call at the most. */
const PART_BYTES = 1_048_576;

/** Writes all of it, in as many calls as that takes. @throws {ErrnoError} As write(2). */
export function writeAll(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) {
    const part = bytes.slice(at, at + PART_BYTES);
    at += write(fd, part, part.length);
  }
}
