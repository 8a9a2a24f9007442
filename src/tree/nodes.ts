import { ErrnoError, type NodeId, ROOT_NODE } from "../fuse/mod.ts";
import { ConfigFile } from "./config_file.ts";
import type { FixedNode, Place } from "./fixed_node.ts";
import { LogDirectory } from "./log_directory.ts";
import { NewIdFile } from "./new_id_file.ts";
import { type Directory, isDirectory, type Node } from "./node.ts";
import { addressOf, COMMAND, LOG, WHY } from "./node_ids.ts";
import type { Parts } from "./parts.ts";
import { PendingDirectory } from "./pending_directory.ts";
import { RootDirectory } from "./root_directory.ts";
import { WhyDirectory } from "./why_directory.ts";

interface Registration extends Place {
  /** Of the jobs' nodes that it has, in their ids: 0 to 7. */
  readonly kind?: number;
  readonly make: new (parts: Parts, place: Place) => FixedNode;
}

/**
 * What is always there. To add to it takes a file of its own, and a line here. A node id (2 to 62) and a kind
 * are for one thing, for good.
 */
const REGISTERED: readonly Registration[] = [
  { nodeid: 2n as NodeId, name: "pending", kind: COMMAND, make: PendingDirectory },
  { nodeid: 3n as NodeId, name: "active", kind: LOG, make: LogDirectory },
  { nodeid: 4n as NodeId, name: "complete", kind: LOG, make: LogDirectory },
  { nodeid: 5n as NodeId, name: "failed", kind: LOG, make: LogDirectory },
  { nodeid: 6n as NodeId, name: "new-id", make: NewIdFile },
  { nodeid: 7n as NodeId, name: "config.json", make: ConfigFile },
  { nodeid: 8n as NodeId, name: "why", kind: WHY, make: WhyDirectory },
];

/** All nodes, by their ids. */
export class Nodes {
  readonly #parts: Parts;
  readonly #fixed = new Map<NodeId, FixedNode>();
  /** Those that have nodes of jobs, by kind. */
  readonly #ofJobs = new Map<number, FixedNode>();

  constructor(parts: Parts) {
    this.#parts = parts;
    for (const { kind, make: Make, ...place } of REGISTERED) {
      const node = new Make(parts, place);
      this.#fixed.set(place.nodeid, node);
      if (kind !== undefined) this.#ofJobs.set(kind, node);
    }
    this.#fixed.set(ROOT_NODE, new RootDirectory(parts, [...this.#fixed.values()]));
  }

  /** @throws {ErrnoError} ESTALE if there is none. */
  byId(nodeid: NodeId): Node {
    const address = addressOf(nodeid);
    if (address.of === "root-file") return this.#parts.rootFiles.byId(nodeid);
    const node = address.of === "mount"
      ? this.#fixed.get(nodeid)
      : this.#ofJobs.get(address.kind)?.ofJob?.(address.number, address.ordinal);
    if (!node) throw new ErrnoError("ESTALE");
    return node;
  }

  /** @throws {ErrnoError} ESTALE, ENOTDIR. */
  directory(nodeid: NodeId): Directory {
    const node = this.byId(nodeid);
    if (!isDirectory(node)) throw new ErrnoError("ENOTDIR");
    return node;
  }
}
