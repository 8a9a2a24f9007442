import type { AttributesReply, Entry, Fh, NodeId, StatFs } from "./attributes.ts";
import type { Request } from "./request.ts";

/** A handler's answer: at once, which is faster, or later. */
export type Maybe<T> = T | Promise<T>;

/**
 * `"kill"`: clear set-user-ID, and set-group-ID if the group may execute. The kernel asks for it when the
 * caller lacks CAP_FSETID.
 */
export type Privileges = "keep" | "kill";

/** The answer to `open` and `opendir`. */
export interface Opened {
  /**
   * Comes back with every request on this open file, last with `release`. `0n` if handles mean nothing here.
   */
  readonly fh: Fh;
  /**
   * `"direct"`: each read(2) and write(2) is one request, no page cache. `"keep"`: pages cached by earlier
   * opens stay.
   */
  readonly cache?: "direct" | "keep";
}

/** The answer to `create`. */
export interface Created {
  readonly entry: Entry;
  readonly opened: Opened;
}

/**
 * What `setattr` is to change; an absent field stays. Nothing at all may be asked for: answer the attributes.
 */
export interface AttributeChanges {
  /** Permission bits (07777), without the type. */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** Exact; a size past 2^53 - 1 was refused with EFBIG before. The file system sets its own, lower limit. */
  readonly sizeBytes?: number;
  /** Epoch ms, or the server's own clock. */
  readonly atime?: number | "now";
  readonly mtime?: number | "now";
  /** The handle of ftruncate(2), absent for truncate(2). */
  readonly fh?: Fh;
  readonly privileges: Privileges;
}

export interface DirectoryEntry {
  /** As in `Attributes.ino`, never 0. */
  readonly ino: bigint;
  /**
   * Where a listing goes on after this record: positive, unique in the directory, and still right when other
   * entries vanish. So number entries as they come, never by their index.
   */
  readonly cookie: number;
  readonly type: "file" | "directory";
  readonly name: Uint8Array;
}

/** Takes the records of one READDIR. */
export interface DirectorySink {
  /** @returns `false` if the record did not fit: the same one is the first of the next `readdir`. */
  add(entry: DirectoryEntry): boolean;
}

/** Takes the records of one READDIRPLUS. */
export interface EntrySink {
  /** How many more records fit, at most. */
  readonly capacity: number;
  /**
   * @param node What a lookup of the name would answer; it counts as a lookup. `undefined` for `.` and `..`,
   * and where the kernel is to look up the name.
   * @returns `false` if the record did not fit: the same one is the first of the next call.
   */
  add(entry: DirectoryEntry, node: Entry | undefined): boolean;
}

/**
 * What a file system implements. A handler returns its answer, or a promise of it, or throws an `ErrnoError`;
 * anything else thrown is a bug, reported to `SessionOptions.onError` and answered with EIO.
 *
 * Handlers run synchronously until their first `await`, in the order of the requests. All requests of a drain
 * are dispatched before a promise of one of them goes on: see `SessionOptions.onDrained`. Names are bytes
 * without the NUL, at most 4095 of them, and the handler may keep them: see `decodeName`. `flags` are those
 * of open(2), with this CPU's values.
 *
 * What is left out is answered as Linux does for a file system without that operation. So are links and
 * extended attributes, for which there is no handler. Throw ENOSYS never: the kernel remembers it for the
 * life of the mount, and does without the opcode for all nodes.
 *
 * **Lookup counts.** Each `Entry` answered by `lookup`, `readdirplus`, `create`, `mknod` or `mkdir` counts
 * one lookup of its node, added before the handler returns. `forget` takes them back, also for an answer that
 * nobody got. A node may go once it has no count, no open handle and no name. At the end of the session the
 * rest is forgotten without a call.
 */
export interface FileSystem {
  /** @throws {ErrnoError} ENOENT if there is no such name. */
  lookup(request: Request, parent: NodeId, name: Uint8Array): Maybe<Entry>;
  /** Has no answer and comes in any order after the last `release`. */
  forget?(nodeid: NodeId, count: number): void;
  getattr(request: Request, nodeid: NodeId, fh: Fh | undefined): Maybe<AttributesReply>;
  /** Absent: EPERM. */
  setattr?(request: Request, nodeid: NodeId, changes: AttributeChanges): Maybe<AttributesReply>;

  /** Absent: EPERM. `mode` has the type bits; `umask` is not applied yet. */
  mknod?(
    request: Request,
    parent: NodeId,
    name: Uint8Array,
    how: { readonly mode: number; readonly umask: number; readonly rdev: number },
  ): Maybe<Entry>;
  /** Absent: EPERM. `umask` is not applied yet. */
  mkdir?(
    request: Request,
    parent: NodeId,
    name: Uint8Array,
    how: { readonly mode: number; readonly umask: number },
  ): Maybe<Entry>;
  /** Absent: EPERM. */
  unlink?(request: Request, parent: NodeId, name: Uint8Array): Maybe<void>;
  /** Absent: EPERM. */
  rmdir?(request: Request, parent: NodeId, name: Uint8Array): Maybe<void>;
  /**
   * Absent: EPERM. An existing `newName` is replaced in one step.
   * @param flags Those of renameat2(2), such as `RENAME_NOREPLACE`; EINVAL for what is not supported.
   */
  rename?(
    request: Request,
    parent: NodeId,
    name: Uint8Array,
    newParent: NodeId,
    newName: Uint8Array,
    flags: number,
  ): Maybe<void>;

  /** Absent: succeeds with `fh` 0. O_TRUNC is in `flags`; O_CREAT and O_EXCL are not. */
  open?(request: Request, nodeid: NodeId, flags: number, privileges: Privileges): Maybe<Opened>;
  /**
   * Absent: EPERM. The name may exist: EEXIST with O_EXCL in `flags`, else open it (and O_TRUNC truncates).
   */
  create?(
    request: Request,
    parent: NodeId,
    name: Uint8Array,
    how: {
      readonly flags: number;
      /** With the type bits. */
      readonly mode: number;
      /** Not applied to `mode` yet. */
      readonly umask: number;
      readonly privileges: Privileges;
    },
  ): Maybe<Created>;
  /**
   * Absent: EINVAL.
   * @returns At most `sizeBytes` bytes; fewer mean the end of the file. Copied before the next request is
   * handled.
   */
  read?(
    request: Request,
    nodeid: NodeId,
    fh: Fh,
    offset: number,
    sizeBytes: number,
    flags: number,
  ): Maybe<Uint8Array>;
  /**
   * Absent: EINVAL.
   * @param data A view of the receive buffer, valid only until the handler's first `await`: copy what is to
   * stay.
   * @param flags With O_APPEND the offset is where the kernel believes the end to be.
   * @returns How many bytes were written.
   */
  write?(
    request: Request,
    nodeid: NodeId,
    fh: Fh,
    offset: number,
    data: Uint8Array,
    flags: number,
    privileges: Privileges,
  ): Maybe<number>;
  /**
   * Called for each close(2) of each descriptor; a signal does not end the wait for it. Absent: close always
   * succeeds.
   */
  flush?(request: Request, nodeid: NodeId, fh: Fh): Maybe<void>;
  /**
   * Called once for each `open` and `create`, when the last reference is gone. Nobody waits for it or hears
   * of its error.
   */
  release?(request: Request, nodeid: NodeId, fh: Fh): Maybe<void>;
  /** Absent: succeeds. `what`: `"data"` for fdatasync(2). */
  fsync?(request: Request, nodeid: NodeId, fh: Fh, what: "data" | "all"): Maybe<void>;

  /** Absent: succeeds with `fh` 0. */
  opendir?(request: Request, nodeid: NodeId, flags: number): Maybe<Opened>;
  /**
   * Absent: ENOTDIR. Adds the entries that follow `cookie` (0: from the start), `.` and `..` included, until
   * `sink.add` answers `false`; none added means the end. The sink is valid until the answer.
   */
  readdir?(request: Request, nodeid: NodeId, fh: Fh, cookie: number, sink: DirectorySink): Maybe<void>;
  /** As `readdir`, with what lookups would answer. Absent: the kernel uses `readdir` and looks up each name. */
  readdirplus?(request: Request, nodeid: NodeId, fh: Fh, cookie: number, sink: EntrySink): Maybe<void>;
  releasedir?(request: Request, nodeid: NodeId, fh: Fh): Maybe<void>;

  /** Absent: zeros. */
  statfs?(request: Request, nodeid: NodeId): Maybe<StatFs>;
}
