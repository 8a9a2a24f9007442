import { type Dirent, DT_DIR, DT_UNKNOWN, readDirents } from "./dirents.ts";
import { ErrnoError } from "./errno.ts";
import { close } from "./file.ts";
import { check, cString, HOST_ENDIAN, LIBC } from "./libc.ts";
import { STATX } from "./statx.ts";

const { symbols } = Deno.dlopen(LIBC, {
  // openat and ioctl are variadic, but on Linux an integer is passed alike either way, on x86-64 and arm64.
  openat: { parameters: ["i32", "buffer", "i32", "i32"], result: "i32" },
  ioctl: { parameters: ["i32", "u64", "buffer"], result: "i32" },
  lseek: { parameters: ["i32", "i64", "i32"], result: "i64" },
  mkdirat: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  // mknodat is not a function of older C libraries.
  mknodat: { name: "syscall", parameters: ["i64", "i32", "buffer", "u32", "u64"], result: "i32" },
  fchown: { parameters: ["i32", "u32", "u32"], result: "i32" },
  chmod: { parameters: ["buffer", "u32"], result: "i32" },
  fchmod: { parameters: ["i32", "u32"], result: "i32" },
  flock: { parameters: ["i32", "i32"], result: "i32" },
  renameat: { parameters: ["i32", "buffer", "i32", "buffer"], result: "i32" },
  rmdirat: { name: "unlinkat", parameters: ["i32", "buffer", "i32"], result: "i32" },
  unlinkat: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  unlinkatElsewhere: {
    name: "unlinkat",
    parameters: ["i32", "buffer", "i32"],
    result: "i32",
    nonblocking: true,
  },
  statx: { parameters: ["i32", "buffer", "i32", "u32", "buffer"], result: "i32" },
});

const IS_ARM = Deno.build.arch === "aarch64";
const AT_FDCWD = -100;
// fcntl.h; the first one opens for reading
const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;
const O_PATH = 0o10000000;
const O_DIRECTORY = IS_ARM ? 0o40000 : 0o200000;
const O_NOFOLLOW = IS_ARM ? 0o100000 : 0o400000;
const AT_REMOVEDIR = 0x200;
const LOCK_EX = 2; // sys/file.h
const LOCK_NB = 4;
// linux/fs.h
const FS_IOC_GETFLAGS = 0x80086601n;
const FS_IOC_SETFLAGS = 0x40086602n;
const SYS_MKNODAT = IS_ARM ? 33n : 259n;
const S_IFCHR = 0o020000; // sys/stat.h
const WHITEOUT_DEV = 0n; // linux/fs.h
const FS_IMMUTABLE_FL = 0x10;
const FS_APPEND_FL = 0x20;
const SEEK_SET = 0;

// linux/stat.h
const AT_SYMLINK_NOFOLLOW = 0x100;
const STATX_BLOCKS = 0x400;
const BLOCK_BYTES = 512n;
/** What takes longer to remove than a switch to another thread and back. */
const LARGE_BYTES = 16_777_216n;
const LISTING_BYTES = 32_768;

/** A name in a directory, with the NUL at its end: `cString` makes one, and it can be any bytes. */
export type EntryName = Uint8Array<ArrayBuffer>;

export interface Entry {
  name: EntryName;
  isDirectory: boolean;
}

/** An open directory. What is done by it concerns its own entries, and follows no symbolic link. Close-on-exec. */
export class Directory implements Disposable {
  #fd: number | undefined;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** @throws {ErrnoError} As open(2). */
  static open(path: string): Directory {
    return new Directory(open(AT_FDCWD, cString(path), O_DIRECTORY));
  }

  get fd(): number {
    if (this.#fd === undefined) throw new Error("the directory is closed");
    return this.#fd;
  }

  /** @throws {ErrnoError} As openat(2): ENOTDIR if it is none, or a symbolic link. */
  openChild(name: EntryName): Directory {
    return new Directory(open(this.fd, name, O_DIRECTORY));
  }

  /**
   * @returns Some of the entries, and none only if there are none: who wants all to be gone removes these and asks again.
   * @throws {ErrnoError} As getdents(2).
   */
  list(): Entry[] {
    symbols.lseek(this.fd, 0n, SEEK_SET);
    for (;;) {
      const dirents = readDirents(this.fd, new Uint8Array(LISTING_BYTES));
      if (dirents === undefined) return [];
      if (dirents.length > 0) return dirents.map((dirent) => this.#entryOf(dirent));
    }
  }

  /** @throws {ErrnoError} As mkdirat(2). */
  makeDirectory(name: EntryName, mode: number): void {
    check(symbols.mkdirat(this.fd, name, mode), "mkdirat");
  }

  /**
   * Makes a character device that stands for nothing, as overlay file systems mark what was removed.
   * @throws {ErrnoError} As mknodat(2): EPERM on an overlay file system itself.
   */
  makeWhiteout(name: EntryName): void {
    check(symbols.mknodat(SYS_MKNODAT, this.fd, name, S_IFCHR, WHITEOUT_DEV), "mknodat");
  }

  /** @returns Whether it was possible. */
  removeDirectory(name: EntryName): boolean {
    return symbols.rmdirat(this.fd, name, AT_REMOVEDIR) === 0;
  }

  /** Removes what is no directory; a large file on another thread, as it takes long. @returns Whether it was possible. */
  removeFile(name: EntryName): boolean | Promise<boolean> {
    if (this.#allocatedBytes(name) < LARGE_BYTES) return symbols.unlinkat(this.fd, name, 0) === 0;
    return symbols.unlinkatElsewhere(this.fd, name, 0).then((result) => result === 0);
  }

  /** @returns Whether it was possible. */
  move(name: EntryName, to: Directory, newName: EntryName): boolean {
    return symbols.renameat(this.fd, name, to.fd, newName) === 0;
  }

  /** @throws {ErrnoError} As fchown(2). */
  changeOwner(uid: number, gid: number): void {
    check(symbols.fchown(this.fd, uid, gid), "fchown");
  }

  /** @throws {ErrnoError} As fchmod(2). */
  changeMode(mode: number): void {
    check(symbols.fchmod(this.fd, mode), "fchmod");
  }

  /** Takes flock(2)'s lock until this is closed. @returns Whether nobody else has it. */
  tryLock(): boolean {
    return symbols.flock(this.fd, LOCK_EX | LOCK_NB) === 0;
  }

  /** Takes from an entry what would keep its owner, or root, from changing it, as far as that goes. */
  loosen(name: EntryName): void {
    attempt(() => {
      const fd = open(this.fd, name, O_NONBLOCK);
      clearFlags(fd);
      close(fd);
    });
    attempt(() => {
      const fd = open(this.fd, name, O_PATH | O_DIRECTORY);
      // What may not be read can't be opened otherwise, and can be changed only so.
      symbols.chmod(cString(`/proc/self/fd/${fd}`), 0o700);
      close(fd);
    });
  }

  [Symbol.dispose](): void {
    if (this.#fd !== undefined) close(this.#fd);
    this.#fd = undefined;
  }

  #entryOf({ name, type }: Dirent): Entry {
    return { name, isDirectory: type === DT_DIR || type === DT_UNKNOWN && this.#isDirectory(name) };
  }

  #allocatedBytes(name: EntryName): bigint {
    const buffer = new DataView(new ArrayBuffer(STATX.sizeof));
    symbols.statx(this.fd, name, AT_SYMLINK_NOFOLLOW, STATX_BLOCKS, buffer);
    return buffer.getBigUint64(STATX.blocks, HOST_ENDIAN) * BLOCK_BYTES;
  }

  #isDirectory(name: EntryName): boolean {
    const fd = symbols.openat(this.fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
    if (fd !== -1) close(fd);
    return fd !== -1;
  }
}

function open(directory: number, name: EntryName, flags: number): number {
  return check(symbols.openat(directory, name, flags | O_NOFOLLOW | O_CLOEXEC, 0), "openat");
}

function clearFlags(fd: number): void {
  const flags = new Uint32Array(2);
  const bytes = new Uint8Array(flags.buffer);
  if (symbols.ioctl(fd, FS_IOC_GETFLAGS, bytes) !== 0) return; // This file system has none.
  const closed = FS_IMMUTABLE_FL | FS_APPEND_FL;
  if (((flags[0] ?? 0) & closed) === 0) return;
  flags[0] = (flags[0] ?? 0) & ~closed;
  symbols.ioctl(fd, FS_IOC_SETFLAGS, bytes);
}

/** What the system refuses stays undone. */
function attempt(act: () => void): void {
  try {
    act();
  } catch (error) {
    if (!(error instanceof ErrnoError)) throw error;
  }
}
