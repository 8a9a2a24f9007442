import { ErrnoError } from "../errno.ts";
import { check, cString, LIBC } from "../libc.ts";
import { changeMode, changeOwner, close, O_CLOEXEC, openReadOnly, writeAll } from "./file.ts";

const { symbols } = Deno.dlopen(LIBC, {
  memfd_create: { parameters: ["buffer", "u32"], result: "i32" },
  open: { parameters: ["buffer", "i32", "i32"], result: "i32" },
});

const IS_ARM = Deno.build.arch === "aarch64";
// linux/memfd.h
const MFD_CLOEXEC = 1;
const MFD_EXEC = 0x10; // Linux 6.3, where vm.memfd_noexec may forbid to execute the others
// fcntl.h
const O_RDWR = 0o2;
/** Nobody can give it a name. */
const O_EXCL = 0o200;
const O_TMPFILE = IS_ARM ? 0o20040000 : 0o20200000;

/** Whose a file is, and what that user may do with it. */
interface Ownership {
  /** `undefined`: it stays ours. */
  owner: { uid: number; gid: number } | undefined;
  mode: number;
}

/**
 * A file with these bytes that is only in memory, which its descriptor keeps; open for reading, at its
 * beginning, close-on-exec.
 * @throws {ErrnoError} As memfd_create(2): EACCES if it is to be executed, and vm.memfd_noexec forbids that.
 */
export function memoryFile(bytes: Uint8Array, use: "data" | "program", ownership: Ownership): number {
  return filled(makeMemoryFile(use), bytes, ownership);
}

/**
 * The same in a directory's file system, where it has no name.
 * @throws {ErrnoError} As open(2): EOPNOTSUPP where there are no such files.
 */
export function namelessFile(bytes: Uint8Array, directory: string, ownership: Ownership): number {
  const flags = O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC;
  const what = `open ${directory} for a file without a name`;
  return filled(check(symbols.open(cString(directory), flags, 0), what), bytes, ownership);
}

function makeMemoryFile(use: "data" | "program"): number {
  const name = cString("filed");
  const make = (flags: number) => check(symbols.memfd_create(name, MFD_CLOEXEC | flags), "memfd_create");
  if (use === "data") return make(0);
  try {
    return make(MFD_EXEC);
  } catch (error) {
    if (error instanceof ErrnoError && error.is("EINVAL")) return make(0); // An older kernel.
    throw error;
  }
}

/** Who can write a file can't execute it meanwhile, so it is opened anew, for reading. */
function filled(fd: number, bytes: Uint8Array, { owner, mode }: Ownership): number {
  try {
    writeAll(fd, bytes);
    changeMode(fd, mode);
    if (owner) changeOwner(fd, owner.uid, owner.gid);
    return openReadOnly(`/proc/self/fd/${fd}`);
  } finally {
    close(fd);
  }
}
