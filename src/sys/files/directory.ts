import { listDirents } from "./dirents.ts";
import { ErrnoError, type ErrnoName } from "../errno.ts";
import { factsOf } from "./facts.ts";
import {
  changeMode,
  changeOwner,
  Descriptor,
  O_CLOEXEC,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  openDirectory,
  tryLock,
} from "./file.ts";
import { check, cString, LIBC } from "../libc.ts";
import { openBelow } from "./open_at.ts";

const { symbols } = Deno.dlopen(LIBC, {
  mkdirat: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  // mknodat is not a function of older C libraries.
  mknodat: { name: "syscall", parameters: ["i64", "i32", "buffer", "u32", "u64"], result: "i32" },
  // openat is variadic, but on Linux an integer is passed alike either way, on x86-64 and arm64.
  openat: { parameters: ["i32", "buffer", "i32", "u32"], result: "i32" },
  unlinkat: { parameters: ["i32", "buffer", "i32"], result: "i32" },
});

const IS_ARM = Deno.build.arch === "aarch64";
// fcntl.h
const AT_REMOVEDIR = 0x200;
const O_WRONLY = 0o1;
const O_CREAT = 0o100;
const O_EXCL = 0o200;
const SYS_MKNODAT = IS_ARM ? 33n : 259n;
const S_IFCHR = 0o020000; // sys/stat.h
const WHITEOUT_DEV = 0n; // linux/fs.h

/** Errors of a lookup that finds nothing, or nothing of this file system. */
const NOT_THERE: readonly ErrnoName[] = ["ENOENT", "ENOTDIR", "ELOOP", "EXDEV", "EACCES"];

/**
 * An open directory. Its methods stay in its own file system and follow no symbolic link, so they never ask
 * what is mounted below. Close-on-exec.
 */
export class Directory extends Descriptor {
  /** @throws {ErrnoError} As open(2). */
  static open(path: string): Directory {
    return new Directory(openDirectory(path));
  }

  /** @throws {ErrnoError} As openat2(2): ENOTDIR if it is none, ELOOP for a link, EXDEV for a mount point. */
  openChild(name: string): Directory {
    return new Directory(openBelow(this.fd, cString(name), O_DIRECTORY | O_NOFOLLOW, "own file system"));
  }

  /**
   * Looks for an entry, which takes no right to read it and asks nobody.
   * @param path Of one or more names.
   * @returns Its inode's number, `undefined` if this file system has nothing there.
   * @throws {ErrnoError} EMFILE, ENFILE, ENOMEM.
   */
  inodeAt(path: string): bigint | undefined {
    using found = this.#find(path);
    return found && factsOf(found.fd).inode;
  }

  /** The names of all entries; what is no UTF-8 in them is replaced. @throws {ErrnoError} As getdents(2). */
  list(): string[] {
    using again = new Directory(openBelow(this.fd, cString("."), O_DIRECTORY, "own file system"));
    return listDirents(again.fd).map(({ name }) => name);
  }

  /** @throws {ErrnoError} As mkdirat(2). */
  makeDirectory(name: string, mode: number): void {
    check(symbols.mkdirat(this.fd, cString(name), mode), "mkdirat");
  }

  /**
   * Makes a file, with no right for anybody as yet.
   * @returns Its descriptor, for writing; close-on-exec.
   * @throws {ErrnoError} As openat(2): EEXIST if anything has that name.
   */
  makeFile(name: string): number {
    const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    return check(symbols.openat(this.fd, cString(name), flags, 0), "openat");
  }

  /** Opens an entry of any kind by O_PATH; close-on-exec. @throws {ErrnoError} As openat2(2). */
  openPath(name: string): number {
    return openBelow(this.fd, cString(name), O_PATH | O_NOFOLLOW, "own file system");
  }

  /**
   * Makes a character device that stands for nothing, as overlay file systems mark a removed file.
   * @throws {ErrnoError} As mknodat(2): EPERM on an overlay file system itself.
   */
  makeWhiteout(name: string): void {
    check(symbols.mknodat(SYS_MKNODAT, this.fd, cString(name), S_IFCHR, WHITEOUT_DEV), "mknodat");
  }

  /**
   * Not for another user's directory: its owner can hold its lock for ever.
   * @returns Whether it was possible.
   */
  removeDirectory(name: string): boolean {
    return symbols.unlinkat(this.fd, cString(name), AT_REMOVEDIR) === 0;
  }

  /** Removes a file that is no directory, and not another user's. @returns Whether it was possible. */
  removeFile(name: string): boolean {
    return symbols.unlinkat(this.fd, cString(name), 0) === 0;
  }

  /** @throws {ErrnoError} As fchown(2). */
  changeOwner(uid: number, gid: number): void {
    changeOwner(this.fd, uid, gid);
  }

  /** @throws {ErrnoError} As fchmod(2). */
  changeMode(mode: number): void {
    changeMode(this.fd, mode);
  }

  /** Takes flock(2)'s lock until this is closed. @returns Whether nobody else has it. */
  tryLock(): boolean {
    return tryLock(this.fd);
  }

  #find(path: string): Descriptor | undefined {
    try {
      return new Descriptor(openBelow(this.fd, cString(path), O_PATH | O_NOFOLLOW, "own file system"));
    } catch (error) {
      if (error instanceof ErrnoError && error.is(...NOT_THERE)) return undefined;
      throw error;
    }
  }
}
