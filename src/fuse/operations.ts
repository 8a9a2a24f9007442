import type { ErrnoName } from "../sys/errno.ts";
import { OPCODE } from "./abi.ts";
import type { Entry, Fh, StatFs } from "./attributes.ts";
import * as decode from "./decode.ts";
import * as encode from "./encode.ts";
import type { FileSystem, Maybe, Opened } from "./filesystem.ts";
import type { Request } from "./request.ts";

/** One opcode: from the request's body, through a handler, to the reply's body. */
export interface Operation<In, Out> {
  readonly handler: keyof FileSystem;
  /**
   * What the client gets if the file system lacks the handler. The kernel remembers ENOSYS for the life of
   * the mount and does without the opcode from then on, so it stands only where that is right.
   */
  readonly absent: ErrnoName | { readonly answer: Out };
  decode(body: DataView): In;
  call(fs: Required<FileSystem>, request: Request, input: In): Maybe<Out>;
  encode(body: DataView, output: Out, input: In): number;
  /** Takes back an answer that nobody got. */
  undo?(fs: FileSystem, request: Request, output: Out): Maybe<void>;
}

export type AnyOperation = Operation<unknown, unknown>;

/** Checks the two types of an operation against each other, and forgets them for the table. */
function operation<In, Out>(definition: Operation<In, Out>): AnyOperation {
  return definition;
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

/** The flags of a RELEASE that the kernel did not send. */
const NO_FLAGS = 0;

const forgetEntry = (fs: FileSystem, _: Request, entry: Entry) => fs.forget?.(entry.nodeid, 1);

const callRename = (fs: Required<FileSystem>, request: Request, rename: decode.Rename) =>
  fs.rename(request, request.nodeid, rename.name, rename.newParent, rename.newName, rename.flags);

function mapAnswer<T, U>(answer: Maybe<T>, map: (value: T) => U): Maybe<U> {
  return answer instanceof Promise ? answer.then(map) : map(answer);
}

/** All that a file system can be asked; the dispatcher handles INIT, INTERRUPT and the two FORGETs itself. */
export const OPERATIONS: Readonly<Record<number, AnyOperation>> = {
  [OPCODE.LOOKUP]: operation({
    handler: "lookup",
    absent: "EIO",
    decode: decode.decodeNameIn,
    call: (fs, request, name) => fs.lookup(request, request.nodeid, name),
    encode: encode.encodeEntryOut,
    undo: forgetEntry,
  }),
  [OPCODE.GETATTR]: operation({
    handler: "getattr",
    absent: "EIO",
    decode: decode.decodeGetattrIn,
    call: (fs, request, fh) => fs.getattr(request, request.nodeid, fh),
    encode: encode.encodeAttrOut,
  }),
  [OPCODE.STATX]: operation({
    handler: "getattr",
    absent: "EIO",
    decode: decode.decodeGetattrIn,
    call: (fs, request, fh) => fs.getattr(request, request.nodeid, fh),
    encode: encode.encodeStatxOut,
  }),
  [OPCODE.SETATTR]: operation({
    handler: "setattr",
    absent: "EPERM",
    decode: decode.decodeSetattrIn,
    call: (fs, request, changes) => fs.setattr(request, request.nodeid, changes),
    encode: encode.encodeAttrOut,
  }),
  [OPCODE.MKNOD]: operation({
    handler: "mknod",
    absent: "EPERM",
    decode: decode.decodeMknodIn,
    call: (fs, request, { name, ...how }) => fs.mknod(request, request.nodeid, name, how),
    encode: encode.encodeEntryOut,
    undo: forgetEntry,
  }),
  [OPCODE.MKDIR]: operation({
    handler: "mkdir",
    absent: "EPERM",
    decode: decode.decodeMkdirIn,
    call: (fs, request, { name, ...how }) => fs.mkdir(request, request.nodeid, name, how),
    encode: encode.encodeEntryOut,
    undo: forgetEntry,
  }),
  [OPCODE.UNLINK]: operation({
    handler: "unlink",
    absent: "EPERM",
    decode: decode.decodeNameIn,
    call: (fs, request, name) => fs.unlink(request, request.nodeid, name),
    encode: encode.encodeNothing,
  }),
  [OPCODE.RMDIR]: operation({
    handler: "rmdir",
    absent: "EPERM",
    decode: decode.decodeNameIn,
    call: (fs, request, name) => fs.rmdir(request, request.nodeid, name),
    encode: encode.encodeNothing,
  }),
  [OPCODE.RENAME]: operation({
    handler: "rename",
    absent: "EPERM",
    decode: decode.decodeRenameIn,
    call: callRename,
    encode: encode.encodeNothing,
  }),
  [OPCODE.RENAME2]: operation({
    handler: "rename",
    absent: "EPERM",
    decode: decode.decodeRename2In,
    call: callRename,
    encode: encode.encodeNothing,
  }),
  [OPCODE.OPEN]: operation({
    handler: "open",
    absent: { answer: UNOPENED },
    decode: decode.decodeOpenIn,
    call: (fs, request, { flags, privileges }) => fs.open(request, request.nodeid, flags, privileges),
    encode: encode.encodeOpenOut,
    undo: (fs, request, { fh }) => fs.release?.(request, request.nodeid, fh, NO_FLAGS),
  }),
  [OPCODE.CREATE]: operation({
    handler: "create",
    absent: "EPERM",
    decode: decode.decodeCreateIn,
    call: (fs, request, { name, ...how }) => fs.create(request, request.nodeid, name, how),
    encode: encode.encodeCreateOut,
    undo: async (fs, request, { entry, opened }) => {
      await fs.release?.(request, entry.nodeid, opened.fh, NO_FLAGS);
      forgetEntry(fs, request, entry);
    },
  }),
  [OPCODE.READ]: operation({
    handler: "read",
    absent: "EINVAL",
    decode: decode.decodeReadIn,
    call: (fs, request, { fh, offset, sizeBytes, flags }) =>
      fs.read(request, request.nodeid, fh, offset, sizeBytes, flags),
    encode: (body, bytes, { sizeBytes }) => encode.encodeBytes(body, bytes, sizeBytes),
  }),
  [OPCODE.WRITE]: operation({
    handler: "write",
    absent: "EINVAL",
    decode: decode.decodeWriteIn,
    call: (fs, request, { fh, offset, data, flags, privileges }) =>
      fs.write(request, request.nodeid, fh, offset, data, flags, privileges),
    encode: encode.encodeWriteOut,
  }),
  [OPCODE.FLUSH]: operation({
    handler: "flush",
    absent: "ENOSYS",
    decode: decode.decodeFlushIn,
    call: (fs, request, fh) => fs.flush(request, request.nodeid, fh),
    encode: encode.encodeNothing,
  }),
  [OPCODE.RELEASE]: operation({
    handler: "release",
    absent: { answer: undefined },
    decode: decode.decodeReleaseIn,
    call: (fs, request, { fh, flags }) => fs.release(request, request.nodeid, fh, flags),
    encode: encode.encodeNothing,
  }),
  [OPCODE.FSYNC]: operation({
    handler: "fsync",
    absent: "ENOSYS",
    decode: decode.decodeFsyncIn,
    call: (fs, request, { fh, what }) => fs.fsync(request, request.nodeid, fh, what),
    encode: encode.encodeNothing,
  }),
  [OPCODE.OPENDIR]: operation({
    handler: "opendir",
    absent: { answer: UNOPENED },
    decode: decode.decodeOpenIn,
    call: (fs, request, { flags }) => fs.opendir(request, request.nodeid, flags),
    encode: encode.encodeOpenOut,
    undo: (fs, request, { fh }) => fs.releasedir?.(request, request.nodeid, fh, NO_FLAGS),
  }),
  [OPCODE.READDIR]: operation({
    handler: "readdir",
    absent: "ENOTDIR",
    decode: decode.decodeReadIn,
    call: (fs, request, { fh, offset, sizeBytes }) => {
      const packer = new encode.DirentPacker(sizeBytes);
      return mapAnswer(fs.readdir(request, request.nodeid, fh, offset, packer), () => packer.bytes);
    },
    encode: (body, bytes, { sizeBytes }) => encode.encodeBytes(body, bytes, sizeBytes),
  }),
  [OPCODE.READDIRPLUS]: operation({
    handler: "readdirplus",
    absent: "ENOSYS",
    decode: decode.decodeReadIn,
    call: (fs, request, { fh, offset, sizeBytes }) => {
      const packer = new encode.DirentPlusPacker(sizeBytes);
      return mapAnswer(fs.readdirplus(request, request.nodeid, fh, offset, packer), () => packer.bytes);
    },
    encode: (body, bytes, { sizeBytes }) => encode.encodeBytes(body, bytes, sizeBytes),
  }),
  [OPCODE.RELEASEDIR]: operation({
    handler: "releasedir",
    absent: { answer: undefined },
    decode: decode.decodeReleaseIn,
    call: (fs, request, { fh, flags }) => fs.releasedir(request, request.nodeid, fh, flags),
    encode: encode.encodeNothing,
  }),
  [OPCODE.STATFS]: operation({
    handler: "statfs",
    absent: { answer: NO_STATFS },
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
