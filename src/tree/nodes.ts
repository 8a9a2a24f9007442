import type { State } from "../queue/states.ts";

/** What a nodeid stands for. A job has two nodes, since its command and its log are two contents. */
export type Node =
  | { kind: "root" }
  | { kind: "directory"; state: State }
  | { kind: "new-id" }
  | { kind: "config" }
  | { kind: "command"; number: number }
  | { kind: "log"; number: number };

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

/** The first nodeid of a job; those below it are for nodes that are always there. */
const FIRST_JOB = 16n;

/**
 * Nodeids are derived from the job's number, which the store never uses twice: nothing is to be remembered for a
 * nodeid, and it stays the same after a restart.
 */
export function nodeOf(nodeid: bigint): Node | undefined {
  if (nodeid < FIRST_JOB) return FIXED_NODES[Number(nodeid) - 1]?.node;
  return { kind: nodeid % 2n === 0n ? "command" : "log", number: Number((nodeid - FIRST_JOB) / 2n) };
}

export function commandNodeid(number: number): bigint {
  return FIRST_JOB + BigInt(number) * 2n;
}

export function logNodeid(number: number): bigint {
  return commandNodeid(number) + 1n;
}

/** What a job's file shows, which its state decides. */
export function viewOf(state: State): "command" | "log" {
  return state === "pending" ? "command" : "log";
}

/** stat(2)'s inode number of a job's file: the same wherever the job is. */
export const inodeOf = commandNodeid;
