import {
  ATTR,
  ATTR_OUT,
  DIRENT,
  DIRENTPLUS,
  ENTRY_OUT,
  FOPEN_DIRECT_IO,
  FOPEN_KEEP_CACHE,
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
import { bytesOf, writeTimeMs, writeU32, writeU64, writeValidMs } from "./wire.ts";

/** The unit of stat(2)'s `st_blocks`, whatever `blksize` says. */
const STAT_BLOCK_BYTES = 512;

/** The `DT_` number of each type: the type bits of its mode, shifted. */
const DIRENT_TYPE: Record<DirectoryEntry["type"], number> = { directory: 4, file: 8 };

/** Each encoder below writes a reply's body at the start of `body`. It returns the size in bytes. */
export const encodeNothing = (): number => 0;

function clear(body: DataView, offset: number, sizeBytes: number): void {
  bytesOf(body, offset, offset + sizeBytes).fill(0);
}

const blocks = (sizeBytes: number) => BigInt(Math.ceil(sizeBytes / STAT_BLOCK_BYTES));

function writeAttr(body: DataView, at: number, attributes: Attributes): void {
  const u32 = (offset: number, value: number) => writeU32(body, at + offset, value);
  const u64 = (offset: number, value: bigint) => writeU64(body, at + offset, value);
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
  writeU64(body, ENTRY_OUT.nodeid, entry.nodeid);
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
  const u32 = (offset: number, value: number) => writeU32(body, at + offset, value);
  const u64 = (offset: number, value: bigint) => writeU64(body, at + offset, value);
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
    (opened.cache === "keep" ? FOPEN_KEEP_CACHE : 0);
  writeU64(body, OPEN_OUT.fh, opened.fh);
  writeU32(body, OPEN_OUT.open_flags, flags);
  return OPEN_OUT.sizeof;
}

/** A `fuse_entry_out` and then a `fuse_open_out`. */
export function encodeCreateOut(body: DataView, { entry, opened }: Created): number {
  const at = encodeEntryOut(body, entry);
  return at + encodeOpenOut(new DataView(body.buffer, body.byteOffset + at), opened);
}

export function encodeWriteOut(body: DataView, writtenBytes: number): number {
  clear(body, 0, WRITE_OUT.sizeof);
  writeU32(body, WRITE_OUT.size, writtenBytes);
  return WRITE_OUT.sizeof;
}

/** @throws {RangeError} If there are more than `maxBytes`: the kernel would refuse the reply. */
export function encodeBytes(body: DataView, bytes: Uint8Array, maxBytes: number): number {
  if (bytes.length > maxBytes) {
    throw new RangeError(`Answer of ${bytes.length} bytes to a request for ${maxBytes}`);
  }
  bytesOf(body, 0).set(bytes);
  return bytes.length;
}

export function encodeKstatfs(body: DataView, statfs: StatFs): number {
  clear(body, 0, KSTATFS.sizeof);
  writeU64(body, KSTATFS.blocks, statfs.blocks);
  writeU64(body, KSTATFS.bfree, statfs.blocksFree);
  writeU64(body, KSTATFS.bavail, statfs.blocksAvailable);
  writeU64(body, KSTATFS.files, statfs.files);
  writeU64(body, KSTATFS.ffree, statfs.filesFree);
  writeU32(body, KSTATFS.bsize, statfs.blockSizeBytes);
  writeU32(body, KSTATFS.namelen, statfs.nameMax);
  writeU32(body, KSTATFS.frsize, statfs.fragmentSizeBytes);
  return KSTATFS.sizeof;
}

/** Packs records into a buffer of the size that the request asked for. */
export class Packer {
  protected readonly body: DataView;
  #used = 0;

  constructor(readonly sizeBytes: number) {
    this.body = new DataView(new ArrayBuffer(sizeBytes));
  }

  /** The records so far. */
  get bytes(): Uint8Array {
    return bytesOf(this.body, 0, this.#used);
  }

  protected get roomBytes(): number {
    return this.sizeBytes - this.#used;
  }

  /** @returns Where a record of `sizeBytes` goes, `undefined` if there is no room for it. */
  protected take(sizeBytes: number): number | undefined {
    if (sizeBytes > this.roomBytes) return undefined;
    this.#used += sizeBytes;
    return this.#used - sizeBytes;
  }
}

/** Packs the `fuse_dirent` records of a READDIR. */
export class DirentPacker extends Packer implements DirectorySink {
  add(entry: DirectoryEntry): boolean {
    const at = this.take(direntBytes(entry));
    if (at === undefined) return false;
    writeDirent(this.body, at, entry);
    return true;
  }
}

/** Packs the `fuse_direntplus` records of a READDIRPLUS. */
export class DirentPlusPacker extends Packer implements EntrySink {
  get capacity(): number {
    return Math.floor(this.roomBytes / SMALLEST_DIRENTPLUS_BYTES);
  }

  add(entry: DirectoryEntry, node: Entry | undefined): boolean {
    const at = this.take(DIRENTPLUS.dirent + direntBytes(entry));
    if (at === undefined) return false;
    if (node) encodeEntryOut(new DataView(this.body.buffer, at + DIRENTPLUS.entry_out), node);
    writeDirent(this.body, at + DIRENTPLUS.dirent, entry);
    return true;
  }
}

const DIRENT_ALIGNMENT = 8;
const SMALLEST_DIRENTPLUS_BYTES = DIRENTPLUS.dirent + direntBytes({ name: new Uint8Array(1) });

function direntBytes({ name }: Pick<DirectoryEntry, "name">): number {
  return Math.ceil((DIRENT.sizeof + name.length) / DIRENT_ALIGNMENT) * DIRENT_ALIGNMENT;
}

function writeDirent(body: DataView, at: number, { ino, cookie, type, name }: DirectoryEntry) {
  writeU64(body, at + DIRENT.ino, ino);
  writeU64(body, at + DIRENT.off, BigInt(cookie));
  writeU32(body, at + DIRENT.namelen, name.length);
  writeU32(body, at + DIRENT.type, DIRENT_TYPE[type]);
  bytesOf(body, at + DIRENT.sizeof).set(name);
}
