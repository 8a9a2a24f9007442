import type { ErrnoName } from "../sys/errno.ts";
import { OPCODE } from "./abi.ts";
import type { Entry, Fh, StatFs } from "./attributes.ts";
import * as decode from "./decode.ts";
import * as encode from "./encode.ts";
import type { FileSystem, Maybe, Opened } from "./filesystem.ts";
import type { Request } from "./request.ts";

/** One opcode: from the request's body, through a handler, to the reply's body. */
interface Steps<In, Out> {
  decode(body: DataView): In;
  call(fs: Required<FileSystem>, request: Request, input: In): Maybe<Out>;
  /** Left out: the reply has no body. */
  encode?(body: DataView, output: Out, input: In): number;
  /** Takes back an answer that nobody got. */
  undo?(fs: FileSystem, request: Request, output: Out): Maybe<void>;
}

/** What the client gets if the file system lacks the handler. */
type Absent<Out> = ErrnoName | { readonly answer: Out };

export interface Operation extends Steps<unknown, unknown> {
  readonly handler: keyof FileSystem;
  readonly absent: Absent<unknown>;
  encode(body: DataView, output: unknown, input: unknown): number;
}

/**
 * Checks the types of the steps against each other, and forgets them for the table.
 * @param absent The kernel remembers ENOSYS for the life of the mount and does without the opcode from then
 * on, so it stands only where that is right.
 */
function operation<In, Out>(
  handler: keyof FileSystem,
  absent: Absent<Out>,
  steps: Steps<In, Out>,
): Operation {
  return { handler, absent, encode: encode.encodeNothing, ...steps };
}

const UNOPENED: Opened = { fh: 0n as Fh };
const NO_STATFS: StatFs = {
  blocks: 0n,
  blocksFree: 0n,
  blocksAvailable: 0n,
  files: 0n,
  filesFree: 0n,
  blockSizeBytes: 4096,
  fragmentSizeBytes: 4096,
  nameMax: 255,
};

const forgetEntry = (fs: FileSystem, _: Request, entry: Entry) => fs.forget?.(entry.nodeid, 1);

const callRename = (fs: Required<FileSystem>, request: Request, rename: decode.Rename) =>
  fs.rename(request, request.nodeid, rename.name, rename.newParent, rename.newName, rename.flags);

/** What is asked for by READDIR and READDIRPLUS, and what takes the records. */
function decodeListing<P extends encode.Packer>(body: DataView, Packer: new (sizeBytes: number) => P) {
  const { fh, offset, sizeBytes } = decode.decodeReadIn(body);
  return { fh, cookie: offset, packer: new Packer(sizeBytes) };
}

/** All that a file system can be asked; the dispatcher handles INIT, INTERRUPT and the two FORGETs itself. */
export const OPERATIONS: Readonly<Record<number, Operation>> = {
  [OPCODE.LOOKUP]: operation("lookup", "EIO", {
    decode: decode.decodeNameIn,
    call: (fs, request, name) => fs.lookup(request, request.nodeid, name),
    encode: encode.encodeEntryOut,
    undo: forgetEntry,
  }),
  [OPCODE.GETATTR]: operation("getattr", "EIO", {
    decode: decode.decodeGetattrIn,
    call: (fs, request, fh) => fs.getattr(request, request.nodeid, fh),
    encode: encode.encodeAttrOut,
  }),
  [OPCODE.STATX]: operation("getattr", "EIO", {
    decode: decode.decodeGetattrIn,
    call: (fs, request, fh) => fs.getattr(request, request.nodeid, fh),
    encode: encode.encodeStatxOut,
  }),
  [OPCODE.SETATTR]: operation("setattr", "EPERM", {
    decode: decode.decodeSetattrIn,
    call: (fs, request, changes) => fs.setattr(request, request.nodeid, changes),
    encode: encode.encodeAttrOut,
  }),
  [OPCODE.MKNOD]: operation("mknod", "EPERM", {
    decode: decode.decodeMknodIn,
    call: (fs, request, { name, ...how }) => fs.mknod(request, request.nodeid, name, how),
    encode: encode.encodeEntryOut,
    undo: forgetEntry,
  }),
  [OPCODE.MKDIR]: operation("mkdir", "EPERM", {
    decode: decode.decodeMkdirIn,
    call: (fs, request, { name, ...how }) => fs.mkdir(request, request.nodeid, name, how),
    encode: encode.encodeEntryOut,
    undo: forgetEntry,
  }),
  [OPCODE.UNLINK]: operation("unlink", "EPERM", {
    decode: decode.decodeNameIn,
    call: (fs, request, name) => fs.unlink(request, request.nodeid, name),
  }),
  [OPCODE.RMDIR]: operation("rmdir", "EPERM", {
    decode: decode.decodeNameIn,
    call: (fs, request, name) => fs.rmdir(request, request.nodeid, name),
  }),
  [OPCODE.RENAME]: operation("rename", "EPERM", {
    decode: decode.decodeRenameIn,
    call: callRename,
  }),
  [OPCODE.RENAME2]: operation("rename", "EPERM", {
    decode: decode.decodeRename2In,
    call: callRename,
  }),
  [OPCODE.OPEN]: operation("open", { answer: UNOPENED }, {
    decode: decode.decodeOpenIn,
    call: (fs, request, { flags, privileges }) => fs.open(request, request.nodeid, flags, privileges),
    encode: encode.encodeOpenOut,
    undo: (fs, request, { fh }) => fs.release?.(request, request.nodeid, fh),
  }),
  [OPCODE.CREATE]: operation("create", "EPERM", {
    decode: decode.decodeCreateIn,
    call: (fs, request, { name, ...how }) => fs.create(request, request.nodeid, name, how),
    encode: encode.encodeCreateOut,
    undo: async (fs, request, { entry, opened }) => {
      await fs.release?.(request, entry.nodeid, opened.fh);
      forgetEntry(fs, request, entry);
    },
  }),
  [OPCODE.READ]: operation("read", "EINVAL", {
    decode: decode.decodeReadIn,
    call: (fs, request, { fh, offset, sizeBytes, flags }) =>
      fs.read(request, request.nodeid, fh, offset, sizeBytes, flags),
    encode: (body, bytes, { sizeBytes }) => encode.encodeBytes(body, bytes, sizeBytes),
  }),
  [OPCODE.WRITE]: operation("write", "EINVAL", {
    decode: decode.decodeWriteIn,
    call: (fs, request, { fh, offset, data, flags, privileges }) =>
      fs.write(request, request.nodeid, fh, offset, data, flags, privileges),
    encode: encode.encodeWriteOut,
  }),
  [OPCODE.FLUSH]: operation("flush", "ENOSYS", {
    decode: decode.decodeFlushIn,
    call: (fs, request, fh) => fs.flush(request, request.nodeid, fh),
  }),
  [OPCODE.RELEASE]: operation("release", { answer: undefined }, {
    decode: decode.decodeReleaseIn,
    call: (fs, request, fh) => fs.release(request, request.nodeid, fh),
  }),
  [OPCODE.FSYNC]: operation("fsync", "ENOSYS", {
    decode: decode.decodeFsyncIn,
    call: (fs, request, { fh, what }) => fs.fsync(request, request.nodeid, fh, what),
  }),
  [OPCODE.OPENDIR]: operation("opendir", { answer: UNOPENED }, {
    decode: decode.decodeOpenIn,
    call: (fs, request, { flags }) => fs.opendir(request, request.nodeid, flags),
    encode: encode.encodeOpenOut,
    undo: (fs, request, { fh }) => fs.releasedir?.(request, request.nodeid, fh),
  }),
  [OPCODE.READDIR]: operation("readdir", "ENOTDIR", {
    decode: (body) => decodeListing(body, encode.DirentPacker),
    call: (fs, request, { fh, cookie, packer }) => fs.readdir(request, request.nodeid, fh, cookie, packer),
    encode: (body, _, { packer }) => encode.encodeBytes(body, packer.bytes, packer.sizeBytes),
  }),
  [OPCODE.READDIRPLUS]: operation("readdirplus", "ENOSYS", {
    decode: (body) => decodeListing(body, encode.DirentPlusPacker),
    call: (fs, request, { fh, cookie, packer }) =>
      fs.readdirplus(request, request.nodeid, fh, cookie, packer),
    encode: (body, _, { packer }) => encode.encodeBytes(body, packer.bytes, packer.sizeBytes),
  }),
  [OPCODE.RELEASEDIR]: operation("releasedir", { answer: undefined }, {
    decode: decode.decodeReleaseIn,
    call: (fs, request, fh) => fs.releasedir(request, request.nodeid, fh),
  }),
  [OPCODE.STATFS]: operation("statfs", { answer: NO_STATFS }, {
    decode: decode.decodeNothing,
    call: (fs, request) => fs.statfs(request, request.nodeid),
    encode: encode.encodeKstatfs,
  }),
};

/**
 * Opcodes without a handler that need another errno than ENOSYS. With ENOSYS the kernel falls back to
 * something else (POLL, LSEEK, COPY_FILE_RANGE, ...). Some it never sends: we claim no locks (GETLK, ...).
 */
export const REFUSED: Readonly<Record<number, ErrnoName>> = {
  [OPCODE.READLINK]: "EINVAL",
  [OPCODE.SYMLINK]: "EPERM",
  [OPCODE.LINK]: "EPERM",
  [OPCODE.IOCTL]: "ENOTTY",
  [OPCODE.TMPFILE]: "EOPNOTSUPP",
};
