import { check, HOST_ENDIAN, LIBC } from "../libc.ts";

const { symbols } = Deno.dlopen(LIBC, {
  getdents64: { parameters: ["i32", "buffer", "usize"], result: "i32" },
});

const DIRENT = { reclen: 16, type: 18, name: 19 } as const; // struct linux_dirent64, getdents(2)
// dirent.h
const DT_UNKNOWN = 0; // from file systems that don't say
const DT_DIR = 4;
const DOT = 0x2e;

/** Nothing in it is needed after a call. */
const LISTING = new Uint8Array(65_536);
const DECODER = new TextDecoder();

/** An entry of a directory. */
interface Dirent {
  /** Any bytes, and the NUL at the end; of the buffer that was read into. */
  name: Uint8Array<ArrayBuffer>;
  /** One of `DT_`. */
  type: number;
}

/**
 * Reads on in an open directory; `.` and `..` are left out.
 * @returns `undefined` at the end; what is left out may leave nothing before that.
 * @throws {ErrnoError} As getdents(2).
 */
export function readDirents(fd: number, buffer: Uint8Array<ArrayBuffer>): Dirent[] | undefined {
  const sizeBytes = check(symbols.getdents64(fd, buffer, BigInt(buffer.length)), "getdents64");
  return sizeBytes === 0 ? undefined : [...decode(buffer, sizeBytes)];
}

export interface Entry {
  name: string;
  isDirectory: boolean;
}

/** All that is left in an open directory, in its order. @throws {ErrnoError} As getdents(2). */
export function listDirents(fd: number): Entry[] {
  const entries: Entry[] = [];
  for (let dirents; (dirents = readDirents(fd, LISTING)) !== undefined;) {
    for (const { name, type } of dirents) {
      entries.push({ name: DECODER.decode(name.subarray(0, -1)), isDirectory: type === DT_DIR });
    }
  }
  return entries;
}

function* decode(buffer: Uint8Array<ArrayBuffer>, sizeBytes: number): Generator<Dirent> {
  const view = new DataView(buffer.buffer);
  for (let at = 0; at < sizeBytes; at += view.getUint16(at + DIRENT.reclen, HOST_ENDIAN)) {
    const start = at + DIRENT.name;
    const name = buffer.subarray(start, buffer.indexOf(0, start) + 1);
    if (!isDotOrDotDot(name)) yield { name, type: buffer[at + DIRENT.type] ?? DT_UNKNOWN };
  }
}

function isDotOrDotDot(name: Uint8Array): boolean {
  return name[0] === DOT && (name.length === 2 || name[1] === DOT && name.length === 3);
}
