import { ErrnoError, type NodeId, ROOT_NODE } from "../fuse/mod.ts";
import { ConfigFile } from "./config_file.ts";
import type { FixedNode, Place } from "./fixed_node.ts";
import { LogDirectory } from "./log_directory.ts";
import { NewIdFile } from "./new_id_file.ts";
import { type Directory, isDirectory, type Node } from "./node.ts";
import { addressOf, COMMAND, LOG } from "./node_ids.ts";
import type { Parts } from "./parts.ts";
import { PendingDirectory } from "./pending_directory.ts";
import { RootDirectory } from "./root_directory.ts";

/** A directory that has one kind of node for each job. */
interface OfJobs {
  ofJob(number: number, ordinal: number): Node;
}

type Registration =
  & { nodeid: bigint; name: string }
  & (
    | { make(parts: Parts, place: Place): FixedNode }
    /** `kind`: in the node ids of jobs, 0 to 7. */
    | { kind: number; make(parts: Parts, place: Place): FixedNode & OfJobs }
  );

/**
 * What is always there: what is to be added is a file of its own, and a line here. Node ids and kinds are for one thing, for
 * good. Ids are 2 to 62; the root is 1.
 */
const REGISTERED: readonly Registration[] = [
  { nodeid: 2n, name: "pending", kind: COMMAND, make: (parts, place) => new PendingDirectory(parts, place) },
  { nodeid: 3n, name: "active", kind: LOG, make: (parts, place) => new LogDirectory(parts, place, "active") },
  {
    nodeid: 4n,
    name: "complete",
    kind: LOG,
    make: (parts, place) => new LogDirectory(parts, place, "complete"),
  },
  { nodeid: 5n, name: "failed", kind: LOG, make: (parts, place) => new LogDirectory(parts, place, "failed") },
  { nodeid: 6n, name: "new-id", make: (parts, place) => new NewIdFile(parts, place) },
  { nodeid: 7n, name: "config.json", make: (parts, place) => new ConfigFile(parts, place) },
];

/** All nodes, by their ids. */
export class Nodes {
  readonly #parts: Parts;
  readonly #fixed = new Map<NodeId, FixedNode>();
  readonly #ofJobs = new Map<number, OfJobs>();

  constructor(parts: Parts) {
    this.#parts = parts;
    for (const registration of REGISTERED) {
      const place = { nodeid: registration.nodeid as NodeId, name: registration.name };
      if ("kind" in registration) {
        const directory = registration.make(parts, place);
        this.#ofJobs.set(registration.kind, directory);
        this.#fixed.set(place.nodeid, directory);
      } else this.#fixed.set(place.nodeid, registration.make(parts, place));
    }
    this.#fixed.set(ROOT_NODE, new RootDirectory(parts, [...this.#fixed.values()]));
  }

  /** @throws {ErrnoError} ESTALE if there is none. */
  byId(nodeid: NodeId): Node {
    const address = addressOf(nodeid);
    if (address.of === "root-file") return this.#parts.rootFiles.byId(nodeid);
    const node = address.of === "mount"
      ? this.#fixed.get(nodeid)
      : this.#ofJobs.get(address.kind)?.ofJob(address.number, address.ordinal);
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
