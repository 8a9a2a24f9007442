import { must } from "../../must.ts";
import { readDirents } from "./dirents.ts";
import { ErrnoError, type ErrnoName } from "../errno.ts";
import { factsOf } from "./facts.ts";
import { changeOwner, close, O_DIRECTORY, O_NOFOLLOW, O_PATH, openDirectory, tryLock } from "./file.ts";
import { check, cString, LIBC } from "../libc.ts";
import { openBelow } from "./open_at.ts";

const { symbols } = Deno.dlopen(LIBC, {
  mkdirat: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  // mknodat is not a function of older C libraries.
  mknodat: { name: "syscall", parameters: ["i64", "i32", "buffer", "u32", "u64"], result: "i32" },
  fchmod: { parameters: ["i32", "u32"], result: "i32" },
  unlinkat: { parameters: ["i32", "buffer", "i32"], result: "i32" },
});

const IS_ARM = Deno.build.arch === "aarch64";
const AT_REMOVEDIR = 0x200; // fcntl.h
const SYS_MKNODAT = IS_ARM ? 33n : 259n;
const S_IFCHR = 0o020000; // sys/stat.h
const WHITEOUT_DEV = 0n; // linux/fs.h
const LISTING_BYTES = 32_768;
const DECODER = new TextDecoder();

/** Errors of a lookup that finds nothing, or nothing of this file system. */
const NOT_THERE: readonly ErrnoName[] = ["ENOENT", "ENOTDIR", "ELOOP", "EXDEV", "EACCES"];

/**
 * An open directory. Its methods stay in its own file system and follow no symbolic link, so they never ask
 * what is mounted below. Close-on-exec.
 */
export class Directory implements Disposable {
  #fd: number | undefined;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** @throws {ErrnoError} As open(2). */
  static open(path: string): Directory {
    return new Directory(openDirectory(path));
  }

  get fd(): number {
    return must(this.#fd, "a directory is used before it is closed");
  }

  /**
   * @throws {ErrnoError} As openat2(2): ENOTDIR if it is none, ELOOP for a symbolic link, EXDEV for a mount
   * point.
   */
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
    const fd = this.#find(path);
    if (fd === undefined) return undefined;
    try {
      return factsOf(fd).inode;
    } finally {
      close(fd);
    }
  }

  /** The names of all entries, those that are no UTF-8 left out. @throws {ErrnoError} As getdents(2). */
  list(): string[] {
    using again = new Directory(openBelow(this.fd, cString("."), O_DIRECTORY, "own file system"));
    const names: string[] = [];
    for (let dirents; (dirents = readDirents(again.fd, new Uint8Array(LISTING_BYTES))) !== undefined;) {
      names.push(...dirents.map(({ name }) => DECODER.decode(name.subarray(0, -1))));
    }
    return names;
  }

  /** @throws {ErrnoError} As mkdirat(2). */
  makeDirectory(name: string, mode: number): void {
    check(symbols.mkdirat(this.fd, cString(name), mode), "mkdirat");
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
    check(symbols.fchmod(this.fd, mode), "fchmod");
  }

  /** Takes flock(2)'s lock until this is closed. @returns Whether nobody else has it. */
  tryLock(): boolean {
    return tryLock(this.fd);
  }

  [Symbol.dispose](): void {
    if (this.#fd !== undefined) close(this.#fd);
    this.#fd = undefined;
  }

  #find(path: string): number | undefined {
    try {
      return openBelow(this.fd, cString(path), O_PATH | O_NOFOLLOW, "own file system");
    } catch (error) {
      if (error instanceof ErrnoError && error.is(...NOT_THERE)) return undefined;
      throw error;
    }
  }
}
