import { ErrnoError } from "../sys/errno.ts";
import {
  ATTR,
  ATTR_OUT,
  DIRENT,
  DIRENTPLUS,
  ENTRY_OUT,
  FOPEN_DIRECT_IO,
  FOPEN_KEEP_CACHE,
  FOPEN_NONSEEKABLE,
  GETXATTR_OUT,
  HOST_ENDIAN,
  KSTATFS,
  OPEN_OUT,
  STATX,
  STATX_BASIC_STATS,
  STATX_BTIME,
  STATX_OUT,
  SX_TIME,
  WRITE_OUT,
} from "./abi.ts";
import type { Attributes, AttributesReply, Entry, StatFs } from "./attributes.ts";
import type { Created, DirectoryEntry, DirectorySink, EntrySink, Opened } from "./filesystem.ts";
import { bytesOf, writeTimeMs, writeValidMs } from "./wire.ts";

/** stat(2) counts in blocks of this, whatever `blksize` says. */
const STAT_BLOCK_BYTES = 512;

/** The `DT_` number of each type: the type bits of its mode, shifted. */
const DIRENT_TYPE: Record<DirectoryEntry["type"], number> = {
  fifo: 1,
  character: 2,
  directory: 4,
  block: 6,
  file: 8,
  symlink: 10,
  socket: 12,
};

/** Each encoder below writes a reply's body at the start of `body` and returns its size in bytes. */
export const encodeNothing = (): number => 0;

function clear(body: DataView, offset: number, sizeBytes: number): void {
  bytesOf(body, offset, offset + sizeBytes).fill(0);
}

const blocks = (sizeBytes: number) => BigInt(Math.ceil(sizeBytes / STAT_BLOCK_BYTES));

function writeAttr(body: DataView, at: number, attributes: Attributes): void {
  const u32 = (offset: number, value: number) => body.setUint32(at + offset, value, HOST_ENDIAN);
  const u64 = (offset: number, value: bigint) => body.setBigUint64(at + offset, value, HOST_ENDIAN);
  u64(ATTR.ino, attributes.ino);
  u64(ATTR.size, BigInt(attributes.sizeBytes));
  u64(ATTR.blocks, blocks(attributes.sizeBytes));
  writeTimeMs(body, at + ATTR.atime, at + ATTR.atimensec, attributes.atimeMs);
  writeTimeMs(body, at + ATTR.mtime, at + ATTR.mtimensec, attributes.mtimeMs);
  writeTimeMs(body, at + ATTR.ctime, at + ATTR.ctimensec, attributes.ctimeMs);
  u32(ATTR.mode, attributes.mode);
  u32(ATTR.nlink, attributes.nlink);
  u32(ATTR.uid, attributes.uid);
  u32(ATTR.gid, attributes.gid);
  u32(ATTR.blksize, attributes.blockSizeBytes);
}

export function encodeEntryOut(body: DataView, entry: Entry): number {
  clear(body, 0, ENTRY_OUT.sizeof);
  body.setBigUint64(ENTRY_OUT.nodeid, entry.nodeid, HOST_ENDIAN);
  writeValidMs(body, ENTRY_OUT.entry_valid, ENTRY_OUT.entry_valid_nsec, entry.entryValidMs);
  writeValidMs(body, ENTRY_OUT.attr_valid, ENTRY_OUT.attr_valid_nsec, entry.attributesValidMs);
  writeAttr(body, ENTRY_OUT.attr, entry.attributes);
  return ENTRY_OUT.sizeof;
}

export function encodeAttrOut(body: DataView, reply: AttributesReply): number {
  clear(body, 0, ATTR_OUT.sizeof);
  writeValidMs(body, ATTR_OUT.attr_valid, ATTR_OUT.attr_valid_nsec, reply.attributesValidMs);
  writeAttr(body, ATTR_OUT.attr, reply.attributes);
  return ATTR_OUT.sizeof;
}

export function encodeStatxOut(body: DataView, { attributes, attributesValidMs }: AttributesReply): number {
  clear(body, 0, STATX_OUT.sizeof);
  writeValidMs(body, STATX_OUT.attr_valid, STATX_OUT.attr_valid_nsec, attributesValidMs);
  const at = STATX_OUT.stat;
  const u32 = (offset: number, value: number) => body.setUint32(at + offset, value, HOST_ENDIAN);
  const u64 = (offset: number, value: bigint) => body.setBigUint64(at + offset, value, HOST_ENDIAN);
  const time = (offset: number, ms: number) =>
    writeTimeMs(body, at + offset + SX_TIME.tv_sec, at + offset + SX_TIME.tv_nsec, ms);
  u32(STATX.mask, STATX_BASIC_STATS | (attributes.birthMs === undefined ? 0 : STATX_BTIME));
  u32(STATX.blksize, attributes.blockSizeBytes);
  u32(STATX.nlink, attributes.nlink);
  u32(STATX.uid, attributes.uid);
  u32(STATX.gid, attributes.gid);
  body.setUint16(at + STATX.mode, attributes.mode, HOST_ENDIAN);
  u64(STATX.ino, attributes.ino);
  u64(STATX.size, BigInt(attributes.sizeBytes));
  u64(STATX.blocks, blocks(attributes.sizeBytes));
  time(STATX.atime, attributes.atimeMs);
  time(STATX.mtime, attributes.mtimeMs);
  time(STATX.ctime, attributes.ctimeMs);
  if (attributes.birthMs !== undefined) time(STATX.btime, attributes.birthMs);
  return STATX_OUT.sizeof;
}

export function encodeOpenOut(body: DataView, opened: Opened): number {
  clear(body, 0, OPEN_OUT.sizeof);
  const flags = (opened.cache === "direct" ? FOPEN_DIRECT_IO : 0) |
    (opened.cache === "keep" ? FOPEN_KEEP_CACHE : 0) |
    (opened.seek === "none" ? FOPEN_NONSEEKABLE : 0);
  body.setBigUint64(OPEN_OUT.fh, opened.fh, HOST_ENDIAN);
  body.setUint32(OPEN_OUT.open_flags, flags, HOST_ENDIAN);
  return OPEN_OUT.sizeof;
}

/** A `fuse_entry_out` and then a `fuse_open_out`. */
export function encodeCreateOut(body: DataView, { entry, opened }: Created): number {
  const at = encodeEntryOut(body, entry);
  return at + encodeOpenOut(new DataView(body.buffer, body.byteOffset + at), opened);
}

export function encodeWriteOut(body: DataView, writtenBytes: number): number {
  clear(body, 0, WRITE_OUT.sizeof);
  body.setUint32(WRITE_OUT.size, writtenBytes, HOST_ENDIAN);
  return WRITE_OUT.sizeof;
}

/** @throws {RangeError} If there are more than `maxBytes`, which the kernel would refuse. */
export function encodeBytes(body: DataView, bytes: Uint8Array, maxBytes: number): number {
  if (bytes.length > maxBytes) {
    throw new RangeError(`Answer of ${bytes.length} bytes to a request for ${maxBytes}`);
  }
  bytesOf(body, 0).set(bytes);
  return bytes.length;
}

/**
 * A value or list of xattrs, or its size if `roomBytes` is undefined.
 * @throws {ErrnoError} ERANGE if there is not enough room.
 */
export function encodeXattr(body: DataView, value: Uint8Array, roomBytes: number | undefined): number {
  if (roomBytes === undefined) {
    clear(body, 0, GETXATTR_OUT.sizeof);
    body.setUint32(GETXATTR_OUT.size, value.length, HOST_ENDIAN);
    return GETXATTR_OUT.sizeof;
  }
  if (value.length > roomBytes) throw new ErrnoError("ERANGE");
  return encodeBytes(body, value, roomBytes);
}

export function encodeKstatfs(body: DataView, statfs: StatFs): number {
  clear(body, 0, KSTATFS.sizeof);
  body.setBigUint64(KSTATFS.blocks, statfs.blocks, HOST_ENDIAN);
  body.setBigUint64(KSTATFS.bfree, statfs.blocksFree, HOST_ENDIAN);
  body.setBigUint64(KSTATFS.bavail, statfs.blocksAvailable, HOST_ENDIAN);
  body.setBigUint64(KSTATFS.files, statfs.files, HOST_ENDIAN);
  body.setBigUint64(KSTATFS.ffree, statfs.filesFree, HOST_ENDIAN);
  body.setUint32(KSTATFS.bsize, statfs.blockSizeBytes, HOST_ENDIAN);
  body.setUint32(KSTATFS.namelen, statfs.nameMax, HOST_ENDIAN);
  body.setUint32(KSTATFS.frsize, statfs.fragmentSizeBytes, HOST_ENDIAN);
  return KSTATFS.sizeof;
}

/** Packs `fuse_dirent` records into a buffer of the size that the READDIR asked for. */
export class DirentPacker implements DirectorySink {
  readonly #body: DataView;
  #used = 0;

  constructor(sizeBytes: number) {
    this.#body = new DataView(new ArrayBuffer(sizeBytes));
  }

  add(entry: DirectoryEntry): boolean {
    const sizeBytes = direntBytes(entry);
    if (this.#used + sizeBytes > this.#body.byteLength) return false;
    writeDirent(this.#body, this.#used, entry);
    this.#used += sizeBytes;
    return true;
  }

  /** The records so far. */
  get bytes(): Uint8Array {
    return bytesOf(this.#body, 0, this.#used);
  }
}

/** Packs `fuse_direntplus` records into a buffer of the size that the READDIRPLUS asked for. */
export class DirentPlusPacker implements EntrySink {
  readonly #body: DataView;
  #used = 0;

  constructor(sizeBytes: number) {
    this.#body = new DataView(new ArrayBuffer(sizeBytes));
  }

  get capacity(): number {
    return Math.floor((this.#body.byteLength - this.#used) / SMALLEST_DIRENTPLUS_BYTES);
  }

  add(entry: DirectoryEntry, node: Entry | undefined): boolean {
    const sizeBytes = DIRENTPLUS.dirent + direntBytes(entry);
    if (this.#used + sizeBytes > this.#body.byteLength) return false;
    if (node) encodeEntryOut(new DataView(this.#body.buffer, this.#used + DIRENTPLUS.entry_out), node);
    writeDirent(this.#body, this.#used + DIRENTPLUS.dirent, entry);
    this.#used += sizeBytes;
    return true;
  }

  /** The records so far. */
  get bytes(): Uint8Array {
    return bytesOf(this.#body, 0, this.#used);
  }
}

const DIRENT_ALIGNMENT = 8;
const SMALLEST_DIRENTPLUS_BYTES = DIRENTPLUS.dirent + direntBytes({ name: new Uint8Array(1) });

function direntBytes({ name }: Pick<DirectoryEntry, "name">): number {
  return Math.ceil((DIRENT.sizeof + name.length) / DIRENT_ALIGNMENT) * DIRENT_ALIGNMENT;
}

function writeDirent(body: DataView, at: number, { ino, cookie, type, name }: DirectoryEntry) {
  body.setBigUint64(at + DIRENT.ino, ino, HOST_ENDIAN);
  body.setBigUint64(at + DIRENT.off, BigInt(cookie), HOST_ENDIAN);
  body.setUint32(at + DIRENT.namelen, name.length, HOST_ENDIAN);
  body.setUint32(at + DIRENT.type, DIRENT_TYPE[type], HOST_ENDIAN);
  bytesOf(body, at + DIRENT.sizeof).set(name);
}
