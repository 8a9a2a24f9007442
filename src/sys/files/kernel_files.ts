/**
 * Files of /proc and /sys, through libc: Deno opens them only with the permission for everything, the network
 * included. The kernel makes their content from memory, so no call waits for a disk.
 */
import { Buffer } from "node:buffer";
import { type Entry, listDirents } from "./dirents.ts";
import { Descriptor, openReadOnly, openWriteOnly, readAt, write } from "./file.ts";
import { check, cString, LIBC } from "../libc.ts";

const { symbols } = Deno.dlopen(LIBC, {
  mkdir: { parameters: ["buffer", "u32"], result: "i32" },
  rmdir: { parameters: ["buffer"], result: "i32" },
  readlink: { parameters: ["buffer", "buffer", "usize"], result: "i32" },
});

const DIRECTORY_MODE = 0o777; // less the umask

/** Holds most of these files in one read; a longer one makes it grow. */
let buffer = new Uint8Array(65_536);
const decoder = new TextDecoder();

/** @returns All of the file. @throws {ErrnoError} As open(2) and read(2); ESRCH for a process that ends. */
export function readKernelFile(path: string): string {
  using file = new Descriptor(openReadOnly(path));
  return readOpenKernelFile(file.fd);
}

/** The same with one character for each byte, where names are any bytes. */
export function readKernelBytes(path: string): string {
  using file = new Descriptor(openReadOnly(path));
  return Buffer.from(readOpen(file.fd)).toString("latin1");
}

/** The same of an open file, from its beginning: for a look that must not fail for want of a descriptor. */
export function readOpenKernelFile(fd: number): string {
  return decoder.decode(readOpen(fd));
}

/** @returns All of the file, in a buffer that the next read fills again. */
function readOpen(fd: number): Uint8Array {
  let sizeBytes = 0;
  for (;;) {
    const count = readAt(fd, buffer.subarray(sizeBytes), sizeBytes);
    if (count === 0) return buffer.subarray(0, sizeBytes);
    sizeBytes += count;
    if (sizeBytes === buffer.length) buffer = new Uint8Array(buffer.buffer.transfer(2 * sizeBytes));
  }
}

/** Gives the file a text that it takes in one write. @throws {ErrnoError} As open(2) and write(2). */
export function writeKernelFile(path: string, text: string): void {
  using file = new Descriptor(openWriteOnly(path));
  const bytes = new TextEncoder().encode(text);
  write(file.fd, bytes, bytes.length);
}

/** @returns The entries in the directory's order. @throws {ErrnoError} As open(2) and getdents(2). */
export function listKernelDirectory(path: string): Entry[] {
  using directory = new Descriptor(openReadOnly(path));
  return listDirents(directory.fd);
}

/** Makes a directory: so one makes a cgroup. @throws {ErrnoError} As mkdir(2). */
export function makeKernelDirectory(path: string): void {
  check(symbols.mkdir(cString(path), DIRECTORY_MODE), `mkdir ${path}`);
}

/** @throws {ErrnoError} As rmdir(2). */
export function removeKernelDirectory(path: string): void {
  check(symbols.rmdir(cString(path)), `rmdir ${path}`);
}

/** @returns The target of a link. @throws {ErrnoError} As readlink(2). */
export function readKernelLink(path: string): string {
  const sizeBytes = check(
    symbols.readlink(cString(path), buffer, BigInt(buffer.length)),
    `readlink ${path}`,
  );
  return decoder.decode(buffer.subarray(0, sizeBytes));
}
