import { type AttributeChanges, type AttributesReply, ErrnoError, type NodeId } from "../fuse/mod.ts";
import type { Ownership, Queue } from "../queue/queue.ts";
import { defaultMode, fixedAttributes } from "./attributes.ts";
import type { ConfigFile } from "./config_file.ts";
import { FIXED_NODES, type FixedNode } from "./nodes.ts";

/** A directory changes behind the kernel's back only by jobs that start and end: its times may be this much late. */
const DIRECTORY_VALID_MS = 1_000;
/** A directory looks no older than this: `find complete -mtime +7 -delete` is about what is in it. */
const DIRECTORY_AGE_MS = 24 * 3_600_000;

/** The attributes of the nodes that are always there. */
export class FixedInodes {
  readonly #queue: Queue;
  readonly #config: ConfigFile;
  readonly #owner: { uid: number; gid: number };
  readonly #now: () => number;
  readonly #born: number;
  /** What the next id is likely to be long, with its newline. */
  newIdBytes = 5;

  /** @param owner Who owns them, until somebody changes that. */
  constructor(queue: Queue, config: ConfigFile, owner: { uid: number; gid: number }, now: () => number) {
    this.#queue = queue;
    this.#config = config;
    this.#owner = owner;
    this.#now = now;
    this.#born = now();
  }

  async attributes(fixed: FixedNode): Promise<AttributesReply> {
    const { node } = fixed;
    const sizeBytes = node.kind === "config"
      ? (await this.#config.bytes()).length
      : node.kind === "new-id"
      ? this.newIdBytes
      : 0;
    const changed = node.kind === "config"
      ? this.#config.changedAt
      : node.kind === "directory"
      ? Math.max(this.#queue.changedAt(node.state), this.#now() - DIRECTORY_AGE_MS)
      : this.#born;
    const times = { born: this.#born, changed };
    const attributes = fixedAttributes(fixed, await this.ownership(fixed), sizeBytes, times);
    return { attributes, attributesValidMs: node.kind === "config" ? 0 : DIRECTORY_VALID_MS };
  }

  async ownership(fixed: FixedNode): Promise<Ownership> {
    return await this.#queue.node(fixed.name) ?? { ...this.#owner, mode: defaultMode(fixed) };
  }

  /** Owner and mode; the times are what they are. @throws {ErrnoError} EACCES. */
  async change(fixed: FixedNode, { mode, uid, gid, sizeBytes }: AttributeChanges): Promise<void> {
    if (sizeBytes !== undefined && fixed.node.kind !== "config") throw new ErrnoError("EACCES");
    if (mode === undefined && uid === undefined && gid === undefined) return;
    const now = await this.ownership(fixed);
    await this.#queue.setNode(fixed.name, {
      mode: mode ?? now.mode,
      uid: uid ?? now.uid,
      gid: gid ?? now.gid,
    });
  }
}

export function fixedNode(nodeid: NodeId): FixedNode | undefined {
  return nodeid <= FIXED_NODES.length ? FIXED_NODES[Number(nodeid) - 1] : undefined;
}
