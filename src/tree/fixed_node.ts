import type { Ownership } from "../job/job.ts";
import {
  type AttributeChanges,
  type AttributesReply,
  ErrnoError,
  type Maybe,
  type NodeId,
  type Request,
  S_IFDIR,
  S_IFMT,
} from "../fuse/mod.ts";
import { BLOCK_BYTES } from "./attributes.ts";
import type { Handle, Making, Node } from "./node.ts";
import type { Parts } from "./parts.ts";

/**
 * A directory changes behind the kernel's back only by jobs that start and end: its times may be this much
 * late.
 */
const VALID_MS = 1_000;
const SETGID = 0o2000;
const PERMISSIONS = 0o777;

/** Where a node is registered. */
export interface Place {
  readonly nodeid: NodeId;
  /** In the mount's own directory. */
  readonly name: string;
}

/** A node that is always there. */
export abstract class FixedNode implements Node {
  readonly nodeid: NodeId;
  readonly name: string;
  readonly #born: number;
  /** Its type, and its permission bits until somebody changes those. */
  protected abstract readonly defaultMode: number;
  protected nlink = 1;
  /** For how long the kernel may answer from what it knows, ms. */
  protected readonly validMs: number = VALID_MS;
  /** For how long it may resolve the name. */
  readonly nameValidMs: number = Infinity;

  /** The node of a job of the kind that is registered with this. */
  ofJob?(number: number, ordinal: number): Node;

  constructor(protected readonly parts: Parts, { nodeid, name }: Place) {
    this.nodeid = nodeid;
    this.name = name;
    this.#born = parts.now();
  }

  protected sizeBytes(): Maybe<number> {
    return 0;
  }

  protected changedAt(): number {
    return this.#born;
  }

  async attributes(): Promise<AttributesReply> {
    const { uid, gid, mode } = await this.ownership();
    const changedAt = this.changedAt();
    const attributes = {
      ino: this.nodeid,
      sizeBytes: await this.sizeBytes(),
      mode: this.defaultMode & S_IFMT | mode,
      nlink: this.nlink,
      uid,
      gid,
      atimeMs: changedAt,
      mtimeMs: changedAt,
      ctimeMs: changedAt,
      birthMs: this.#born,
      blockSizeBytes: BLOCK_BYTES,
    };
    return { attributes, attributesValidMs: this.validMs };
  }

  async ownership(): Promise<Ownership> {
    return await this.parts.queue.node(this.name) ??
      { ...this.parts.owner, mode: this.defaultMode & ~S_IFMT };
  }

  /**
   * Owner and mode; the times are what they are.
   * @throws {ErrnoError} EACCES for a size, where it can't be changed.
   */
  async change(_: Request, changes: AttributeChanges, through: Handle | undefined): Promise<AttributesReply> {
    const { mode, uid, gid, sizeBytes } = changes;
    if (sizeBytes !== undefined) this.truncate(sizeBytes, through);
    if (mode !== undefined || uid !== undefined || gid !== undefined) {
      const now = await this.ownership();
      const then = { mode: mode ?? now.mode, uid: uid ?? now.uid, gid: gid ?? now.gid };
      await this.parts.queue.setNode(this.name, then);
    }
    return await this.attributes();
  }

  protected truncate(_sizeBytes: number, _through: Handle | undefined): void {
    throw new ErrnoError("EACCES");
  }
}

export abstract class FixedDirectory extends FixedNode {
  protected override readonly defaultMode = S_IFDIR | 0o755;
  protected override nlink = 2;

  /** Whose a new file in it is. */
  protected async ownershipOfNew({ uid, gid }: Request, { mode, umask }: Making): Promise<Ownership> {
    const directory = await this.ownership();
    return {
      uid,
      gid: directory.mode & SETGID ? directory.gid : gid,
      mode: mode & ~umask & PERMISSIONS,
    };
  }
}
