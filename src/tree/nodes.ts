import type { NodeId } from "../fuse/mod.ts";
import type { State } from "../job/state.ts";

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

/** The first nodeid of a job; those below it are for nodes that are always there. */
const FIRST_JOB = 16n;

/** What is in place of the job in the nodeid of a file that somebody made beside config.json. */
const ROOT_FILE = 8n;

/** Bits of a nodeid that tell the job; those above tell its log, if that has another number. */
const JOB_BITS = 33n;

/**
 * Nodeids are derived from the job's number, which the store never uses twice: nothing is to be remembered for a
 * nodeid, and it stays the same after a restart.
 */
export function nodeOf(nodeid: bigint): Node | undefined {
  if (nodeid < FIRST_JOB) return FIXED_NODES[Number(nodeid) - 1]?.node;
  const job = BigInt.asUintN(Number(JOB_BITS), nodeid);
  if (job === ROOT_FILE) return { kind: "root-file" };
  const number = Number((job - FIRST_JOB) / 2n);
  if (job % 2n === 0n) return { kind: "command", number };
  return { kind: "log", number, logNumber: Number(nodeid >> JOB_BITS) || number };
}

export function commandNodeid(number: number): bigint {
  return FIRST_JOB + BigInt(number) * 2n;
}

/**
 * Each log is a node of its own: who has an old one open must not see, in the kernel's memory, what is in the
 * next.
 */
export function logNodeid({ number, logNumber }: { number: number; logNumber: number }): bigint {
  const log = logNumber === number ? 0n : BigInt(logNumber);
  return log << JOB_BITS | commandNodeid(number) + 1n;
}

/** @param serial Counted from 1: a nodeid is never used twice. */
export function rootFileNodeid(serial: number): NodeId {
  return (BigInt(serial) << JOB_BITS | ROOT_FILE) as NodeId;
}

/** What a job's file shows, which its state decides. */
export function viewOf(state: State): "command" | "log" {
  return state === "pending" ? "command" : "log";
}

/**
 * stat(2)'s inode number of a job's file: the same wherever the job is, unless its log took the place of one
 * that somebody has open. That has the inode number that a job of the log's number would have, which there is
 * not.
 */
export const inodeOf = commandNodeid;
