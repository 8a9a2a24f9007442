import type { NodeId } from "../fuse/mod.ts";
import type { State } from "../job/state.ts";
import { addressOf, COMMAND, LOG } from "./node_ids.ts";

/** What a nodeid stands for. A job has two nodes, since its command and its log are two contents. */
export type Node =
  | { kind: "root" }
  | { kind: "directory"; state: State }
  | { kind: "new-id" }
  | { kind: "config" }
  | { kind: "root-file" }
  | { kind: "command"; number: number }
  | { kind: "log"; number: number; logNumber: number };

/** The nodes that are always there, with the name each has in the root. */
export const FIXED_NODES = [
  { nodeid: 1n, name: "", node: { kind: "root" } },
  { nodeid: 2n, name: "pending", node: { kind: "directory", state: "pending" } },
  { nodeid: 3n, name: "active", node: { kind: "directory", state: "active" } },
  { nodeid: 4n, name: "complete", node: { kind: "directory", state: "complete" } },
  { nodeid: 5n, name: "failed", node: { kind: "directory", state: "failed" } },
  { nodeid: 6n, name: "new-id", node: { kind: "new-id" } },
  { nodeid: 7n, name: "config.json", node: { kind: "config" } },
] as const satisfies readonly { nodeid: bigint; name: string; node: Node }[];

export type FixedNode = (typeof FIXED_NODES)[number];

/** `undefined`: nothing, as of what a later version has. */
export function nodeOf(nodeid: NodeId): Node | undefined {
  const address = addressOf(nodeid);
  if (address.of === "mount") return FIXED_NODES[Number(nodeid) - 1]?.node;
  if (address.of === "root-file") return { kind: "root-file" };
  const { kind, number, ordinal } = address;
  if (kind === COMMAND) return { kind: "command", number };
  return kind === LOG ? { kind: "log", number, logNumber: number + ordinal } : undefined;
}

/** What a job's file shows, which its state decides. */
export function viewOf(state: State): "command" | "log" {
  return state === "pending" ? "command" : "log";
}
