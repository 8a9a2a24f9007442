/** A node's name in the protocol: the file system's to choose, never used again for another node. */
export type NodeId = bigint & { readonly __brand: "NodeId" };

/** One open of a node: the file system's to choose, any 64 bits. */
export type Fh = bigint & { readonly __brand: "Fh" };

/** The mount's own directory. The kernel knows it without a lookup and never forgets it. */
export const ROOT_NODE = 1n as NodeId;

/** What stat(2) shows. Times are epoch ms: exact to the µs, fractions and times before 1970 included. */
export interface Attributes {
  /** The inode number: never 0, usually the nodeid. */
  readonly ino: bigint;
  readonly sizeBytes: number;
  /** Permission bits and type (`S_IFREG`, ...). A node that changes its type is broken for the kernel. */
  readonly mode: number;
  /** 0 once the last name is gone; for a directory 2 and one for each directory in it. */
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly atimeMs: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  /** Birth, for statx(2). */
  readonly birthMs?: number;
  /** What a program should read or write at once. */
  readonly blockSizeBytes: number;
}

/** Attributes and how long the kernel may answer from them (`Infinity` for ever). */
export interface AttributesReply {
  readonly attributes: Attributes;
  readonly attributesValidMs: number;
}

/** A name found or made, and how long the kernel may resolve the name without asking. */
export interface Entry extends AttributesReply {
  readonly nodeid: NodeId;
  readonly entryValidMs: number;
}

/** What statfs(2) shows: `blocks` of `fragmentSizeBytes` each, and inodes (`files`). */
export interface StatFs {
  readonly blocks: bigint;
  readonly blocksFree: bigint;
  readonly blocksAvailable: bigint;
  readonly files: bigint;
  readonly filesFree: bigint;
  readonly blockSizeBytes: number;
  readonly fragmentSizeBytes: number;
  readonly nameMax: number;
}
