/**
 * What the tree is made of. A node is an object, and so is each open of one. What a kind of them can't do, it
 * leaves out, and the tree answers for it as Linux does. nodes.ts registers the kinds.
 *
 * Each method may throw an ErrnoError. ESTALE is for the kernel: it looks the name up again, and asks once
 * more.
 */
import type {
  AttributeChanges,
  AttributesReply,
  DirectorySink,
  Entry,
  EntrySink,
  Maybe,
  Request,
} from "../fuse/mod.ts";
import type { JobId } from "../job/id.ts";

/** How somebody opens a file. */
export interface Opening {
  readonly access: "read" | "write";
  readonly contents: "keep" | "truncate";
  /** It is open for both reading and writing, so it can be mapped and written to, mmap(2). */
  readonly mayMap: boolean;
}

/** How somebody makes a file, and opens it. */
export interface Making extends Opening {
  /** It is not to be there, O_EXCL. */
  readonly isExclusive: boolean;
  /** As asked for, before `umask`. */
  readonly mode: number;
  readonly umask: number;
}

export interface Node {
  attributes(request: Request): Maybe<AttributesReply>;
  /** @param through The handle that ftruncate(2) and the like name. @returns The attributes then. */
  change(request: Request, changes: AttributeChanges, through: Handle | undefined): Maybe<AttributesReply>;
  /** Left out: EISDIR. */
  open?(request: Request, opening: Opening): Maybe<Handle>;
}

export interface Directory extends Node {
  lookup(request: Request, name: JobId): Maybe<Entry>;
  unlink(request: Request, name: JobId): Maybe<void>;
  rename(request: Request, name: JobId, to: Directory, newName: JobId, flags: number): Promise<void>;
  /** Adds what follows `cookie`. */
  list(cookie: number, sink: DirectorySink): Maybe<void>;
  /** As `list`, with what lookups would answer. Left out: the kernel looks each name up. */
  listEntries?(cookie: number, sink: EntrySink): Maybe<void>;
  /** A new file, open. The kernel believed that there is none of that name. Left out: EPERM. */
  create?(request: Request, name: JobId, making: Making): Promise<{ entry: Entry; handle: Handle }>;
  /** A new file that nobody has open, mknod(2). Left out: EPERM. */
  make?(request: Request, name: JobId, making: Making): Promise<Entry>;
}

/** Where and how a write(2) comes. */
export interface Writing {
  /** `end`: behind what is there, O_APPEND. */
  readonly where: "at" | "end";
  /** `mapping`: pages of a shared mapping, which may be written to still. */
  readonly source: "call" | "mapping";
}

/** One open of a file. */
export interface Handle {
  /** As in `Opened`. */
  readonly cache?: "direct" | "keep" | undefined;
  /** @param request Its signal ends a read that waits. */
  read(offset: number, sizeBytes: number, request: Request): Maybe<Uint8Array>;
  /** @returns How many bytes. Left out: EBADF. */
  write?(offset: number, data: Uint8Array, writing: Writing): Maybe<number>;
  /** Somebody closes a descriptor of it, and waits for what we say. */
  flush?(): Maybe<void>;
  /** What was written is to be on disk, fsync(2). */
  sync?(): Maybe<void>;
  /** The last descriptor is closed. Nobody hears of an error. */
  release?(): Maybe<void>;
}

export function isDirectory(node: Node): node is Directory {
  return "lookup" in node;
}
