import { ErrnoError } from "../sys/errno.ts";
import {
  BATCH_FORGET_IN,
  CREATE_IN,
  FATTR,
  FLUSH_IN,
  FORGET_IN,
  FORGET_ONE,
  FSYNC_IN,
  FUSE_FSYNC_FDATASYNC,
  FUSE_GETATTR_FH,
  FUSE_OPEN_KILL_SUIDGID,
  FUSE_WRITE_KILL_SUIDGID,
  GETATTR_IN,
  INTERRUPT_IN,
  MAX_TRANSFER_BYTES,
  MKDIR_IN,
  MKNOD_IN,
  OPEN_IN,
  READ_IN,
  RELEASE_IN,
  RENAME2_IN,
  RENAME_IN,
  SETATTR_IN,
  WRITE_IN,
} from "./abi.ts";
import type { Fh, NodeId } from "./attributes.ts";
import type { AttributeChanges, Privileges } from "./filesystem.ts";
import { bytesOf, readExact, readTimeMs, readU32, readU64, requireSize } from "./wire.ts";

/** The permission bits of a mode; SETATTR sends type bits along. */
const PERMISSIONS = 0o7777;

/**
 * The name at `start`, as a copy without its NUL.
 * @throws {ErrnoError} EINVAL if it is empty or not ended.
 */
function readName(body: DataView, start: number): Uint8Array {
  const bytes = bytesOf(body, 0);
  const end = bytes.indexOf(0, start);
  if (end <= start) throw new ErrnoError("EINVAL", "Name is empty or not ended by NUL");
  return bytes.slice(start, end);
}

/** Two names in a row. */
function readNames(body: DataView, start: number): [Uint8Array, Uint8Array] {
  const first = readName(body, start);
  return [first, readName(body, start + first.length + 1)];
}

const readFh = (body: DataView, offset: number) => readU64(body, offset) as Fh;
const readNode = (body: DataView, offset: number) => readU64(body, offset) as NodeId;

function privileges(flags: number, kill: number): Privileges {
  return flags & kill ? "kill" : "keep";
}

export const decodeNothing = (): undefined => undefined;

export function decodeNameIn(body: DataView): Uint8Array {
  return readName(body, 0);
}

export function decodeForgetIn(body: DataView): number {
  requireSize(body, FORGET_IN.sizeof, "fuse_forget_in");
  return readExact(body, FORGET_IN.nlookup, "EINVAL");
}

export function decodeBatchForgetIn(body: DataView): { nodeid: NodeId; count: number }[] {
  requireSize(body, BATCH_FORGET_IN.sizeof, "fuse_batch_forget_in");
  const count = readU32(body, BATCH_FORGET_IN.count);
  requireSize(body, BATCH_FORGET_IN.sizeof + count * FORGET_ONE.sizeof, "its count of fuse_forget_one");
  return Array.from({ length: count }, (_, i) => {
    const at = BATCH_FORGET_IN.sizeof + i * FORGET_ONE.sizeof;
    return {
      nodeid: readNode(body, at + FORGET_ONE.nodeid),
      count: readExact(body, at + FORGET_ONE.nlookup, "EINVAL"),
    };
  });
}

/** The `unique` of the request whose caller got a signal. */
export function decodeInterruptIn(body: DataView): bigint {
  requireSize(body, INTERRUPT_IN.sizeof, "fuse_interrupt_in");
  return readU64(body, INTERRUPT_IN.unique);
}

/** Also `fuse_statx_in`, which starts alike. */
export function decodeGetattrIn(body: DataView): Fh | undefined {
  requireSize(body, GETATTR_IN.sizeof, "fuse_getattr_in");
  const hasFh = readU32(body, GETATTR_IN.getattr_flags) & FUSE_GETATTR_FH;
  return hasFh ? readFh(body, GETATTR_IN.fh) : undefined;
}

export function decodeSetattrIn(body: DataView): AttributeChanges {
  requireSize(body, SETATTR_IN.sizeof, "fuse_setattr_in");
  const valid = readU32(body, SETATTR_IN.valid);
  const time = (now: number, set: number, seconds: number, nanoseconds: number) =>
    valid & now ? "now" : valid & set ? readTimeMs(body, seconds, nanoseconds) : undefined;
  const atime = time(FATTR.ATIME_NOW, FATTR.ATIME, SETATTR_IN.atime, SETATTR_IN.atimensec);
  const mtime = time(FATTR.MTIME_NOW, FATTR.MTIME, SETATTR_IN.mtime, SETATTR_IN.mtimensec);
  return {
    ...(valid & FATTR.MODE && { mode: readU32(body, SETATTR_IN.mode) & PERMISSIONS }),
    ...(valid & FATTR.UID && { uid: readU32(body, SETATTR_IN.uid) }),
    ...(valid & FATTR.GID && { gid: readU32(body, SETATTR_IN.gid) }),
    ...(valid & FATTR.SIZE && { sizeBytes: readExact(body, SETATTR_IN.size, "EFBIG") }),
    ...(atime !== undefined && { atime }),
    ...(mtime !== undefined && { mtime }),
    ...(valid & FATTR.FH && { fh: readFh(body, SETATTR_IN.fh) }),
    privileges: privileges(valid, FATTR.KILL_SUIDGID),
  };
}

export function decodeMknodIn(body: DataView) {
  requireSize(body, MKNOD_IN.sizeof, "fuse_mknod_in");
  return {
    name: readName(body, MKNOD_IN.sizeof),
    mode: readU32(body, MKNOD_IN.mode),
    rdev: readU32(body, MKNOD_IN.rdev),
    umask: readU32(body, MKNOD_IN.umask),
  };
}

export function decodeMkdirIn(body: DataView) {
  requireSize(body, MKDIR_IN.sizeof, "fuse_mkdir_in");
  return {
    name: readName(body, MKDIR_IN.sizeof),
    mode: readU32(body, MKDIR_IN.mode),
    umask: readU32(body, MKDIR_IN.umask),
  };
}

/** A rename; `flags` are those of renameat2(2). */
export interface Rename {
  readonly name: Uint8Array;
  readonly newParent: NodeId;
  readonly newName: Uint8Array;
  readonly flags: number;
}

export function decodeRenameIn(body: DataView): Rename {
  requireSize(body, RENAME_IN.sizeof, "fuse_rename_in");
  const [name, newName] = readNames(body, RENAME_IN.sizeof);
  return { name, newName, newParent: readNode(body, RENAME_IN.newdir), flags: 0 };
}

export function decodeRename2In(body: DataView): Rename {
  requireSize(body, RENAME2_IN.sizeof, "fuse_rename2_in");
  const [name, newName] = readNames(body, RENAME2_IN.sizeof);
  const flags = readU32(body, RENAME2_IN.flags);
  return { name, newName, newParent: readNode(body, RENAME2_IN.newdir), flags };
}

export function decodeOpenIn(body: DataView) {
  requireSize(body, OPEN_IN.sizeof, "fuse_open_in");
  return {
    flags: readU32(body, OPEN_IN.flags),
    privileges: privileges(readU32(body, OPEN_IN.open_flags), FUSE_OPEN_KILL_SUIDGID),
  };
}

export function decodeCreateIn(body: DataView) {
  requireSize(body, CREATE_IN.sizeof, "fuse_create_in");
  return {
    name: readName(body, CREATE_IN.sizeof),
    flags: readU32(body, CREATE_IN.flags),
    mode: readU32(body, CREATE_IN.mode),
    umask: readU32(body, CREATE_IN.umask),
    privileges: privileges(readU32(body, CREATE_IN.open_flags), FUSE_OPEN_KILL_SUIDGID),
  };
}

/** Of READ and READDIR, whose `offset` is a cookie. */
export function decodeReadIn(body: DataView) {
  requireSize(body, READ_IN.sizeof, "fuse_read_in");
  const sizeBytes = readU32(body, READ_IN.size);
  if (sizeBytes > MAX_TRANSFER_BYTES) throw new ErrnoError("EINVAL", `Request for ${sizeBytes} bytes`);
  return {
    fh: readFh(body, READ_IN.fh),
    offset: readExact(body, READ_IN.offset, "EINVAL"),
    sizeBytes,
    flags: readU32(body, READ_IN.flags),
  };
}

/** Its `data` is a view of the request. */
export function decodeWriteIn(body: DataView) {
  requireSize(body, WRITE_IN.sizeof, "fuse_write_in");
  const end = WRITE_IN.sizeof + readU32(body, WRITE_IN.size);
  requireSize(body, end, "fuse_write_in and its data");
  return {
    fh: readFh(body, WRITE_IN.fh),
    offset: readExact(body, WRITE_IN.offset, "EFBIG"),
    data: bytesOf(body, WRITE_IN.sizeof, end),
    flags: readU32(body, WRITE_IN.flags),
    privileges: privileges(readU32(body, WRITE_IN.write_flags), FUSE_WRITE_KILL_SUIDGID),
  };
}

export function decodeFlushIn(body: DataView): Fh {
  requireSize(body, FLUSH_IN.sizeof, "fuse_flush_in");
  return readFh(body, FLUSH_IN.fh);
}

export function decodeReleaseIn(body: DataView): Fh {
  requireSize(body, RELEASE_IN.sizeof, "fuse_release_in");
  return readFh(body, RELEASE_IN.fh);
}

export function decodeFsyncIn(body: DataView): { fh: Fh; what: "data" | "all" } {
  requireSize(body, FSYNC_IN.sizeof, "fuse_fsync_in");
  const datasync = readU32(body, FSYNC_IN.fsync_flags) & FUSE_FSYNC_FDATASYNC;
  return { fh: readFh(body, FSYNC_IN.fh), what: datasync ? "data" : "all" };
}
