import { check, HOST_ENDIAN, LIBC } from "../libc.ts";

const { symbols } = Deno.dlopen(LIBC, {
  statx: { parameters: ["i32", "buffer", "i32", "u32", "buffer"], result: "i32" },
});

/** struct statx, linux/stat.h. */
const STATX = {
  uid: 20,
  gid: 24,
  mode: 28,
  ino: 32,
  ctime_sec: 96,
  ctime_nsec: 104,
  dev_major: 136,
  dev_minor: 140,
  sizeof: 256,
} as const;

// linux/stat.h
const AT_EMPTY_PATH = 0x1000;
const STATX_BASIC_STATS = 0x7ff;
const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;
const NS_PER_SEC = 1_000_000_000n;
const EMPTY_PATH = new Uint8Array(1);
/** We read it at once, so the next call may fill it again. */
const BUFFER = new DataView(new ArrayBuffer(STATX.sizeof));

export interface FileFacts {
  kind: "directory" | "file";
  /** Whether it is read and written, and no device, pipe or symbolic link. */
  isRegular: boolean;
  uid: number;
  gid: number;
  /** With the type, as in stat(2). */
  mode: number;
  inode: bigint;
  /** The file system that the inode is of: `major:minor`. */
  device: string;
  /**
   * When it, or an entry of a directory, was last changed, in epoch ns. Before Linux 6.13 that clock has
   * steps of up to 10 ms: two changes within one look like one.
   */
  changedAtNs: bigint;
}

/** Looks at an open file; O_PATH will do. @throws {ErrnoError} As statx(2). */
export function factsOf(fd: number): FileFacts {
  check(symbols.statx(fd, EMPTY_PATH, AT_EMPTY_PATH, STATX_BASIC_STATS, BUFFER), "statx");
  const changedSec = BUFFER.getBigInt64(STATX.ctime_sec, HOST_ENDIAN);
  const u32 = (offset: number) => BUFFER.getUint32(offset, HOST_ENDIAN);
  const mode = BUFFER.getUint16(STATX.mode, HOST_ENDIAN);
  return {
    kind: (mode & S_IFMT) === S_IFDIR ? "directory" : "file",
    isRegular: (mode & S_IFMT) === S_IFREG,
    uid: u32(STATX.uid),
    gid: u32(STATX.gid),
    mode,
    inode: BUFFER.getBigUint64(STATX.ino, HOST_ENDIAN),
    device: `${u32(STATX.dev_major)}:${u32(STATX.dev_minor)}`,
    changedAtNs: changedSec * NS_PER_SEC + BigInt(u32(STATX.ctime_nsec)),
  };
}
