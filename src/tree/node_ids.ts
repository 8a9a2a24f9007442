/**
 * Node ids: what each of the kernel's u64 stands for. They are pure functions of what they name, so that we
 * remember nothing for them, and they are the same after a restart. The store never uses a job's number
 * twice, nor do we use a node id so.
 *
 * ```
 *   63            36 35                   3 2    0
 *  +----------------+----------------------+------+
 *  |    ordinal     |   FIRST_JOB / 8 + job | kind |   28, 33 and 3 bits
 *  +----------------+----------------------+------+
 * ```
 *
 * - Below `FIRST_JOB`, with ordinal 0, are the nodes that are always there: the root (1) and what is
 *   registered in nodes.ts.
 * - `ROOT_FILE` is below it too. Its ordinals are the files that programs make beside config.json, one
 *   after the other.
 * - A job has up to eight kinds of node, since it has several contents; nodes.ts registers them. The
 *   ordinal tells apart what a job has several of (its logs), and is 0 for what it has one of.
 * - No job is numbered 0: its nodes are for names that are no job's. Those of the kind `WHY` are submissions
 *   that were refused, one after the other.
 */
import type { NodeId } from "../fuse/mod.ts";
import type { FileNo } from "../job/id.ts";

const KIND_BITS = 3n;
const JOB_BITS = 33n;
const ORDINAL_AT = JOB_BITS + KIND_BITS;
const ORDINAL_BITS = 64n - ORDINAL_AT;
export const LAST_ORDINAL = 2 ** Number(ORDINAL_BITS) - 1;

export const FIRST_JOB = 64n;
const ROOT_FILE = FIRST_JOB - 1n;
const FIRST_NUMBER = Number(FIRST_JOB);
const KINDS = 2 ** Number(KIND_BITS);

/** The kinds of a job's node: what it shows in pending/, and elsewhere; and why it is as it is. */
export const COMMAND = 0;
export const LOG = 1;
export const WHY = 2;

/** What a node id stands for. */
export type Address =
  | { of: "mount"; nodeid: NodeId }
  | { of: "root-file"; nodeid: NodeId }
  | { of: "job"; kind: number; number: number; ordinal: number };

export function addressOf(nodeid: NodeId): Address {
  const low = BigInt.asUintN(Number(ORDINAL_AT), nodeid);
  if (low === ROOT_FILE) return { of: "root-file", nodeid };
  if (low < FIRST_JOB) return { of: "mount", nodeid };
  const job = low - FIRST_JOB;
  return {
    of: "job",
    kind: Number(BigInt.asUintN(Number(KIND_BITS), job)),
    number: Number(job >> KIND_BITS),
    ordinal: Number(nodeid >> ORDINAL_AT),
  };
}

/** @param kind 0 to 7. @param ordinal Which of them, where a job has several. */
export function jobNodeid(kind: number, number: number, ordinal = 0): NodeId {
  // Below 2^53, and so cheaper than by bigints: a listing asks twice for each name.
  const job = BigInt(FIRST_NUMBER + number * KINDS + kind);
  if (ordinal === 0) return job as NodeId;
  return (BigInt.asUintN(Number(ORDINAL_BITS), BigInt(ordinal)) << ORDINAL_AT | job) as NodeId;
}

/** Of a file in pending/: a rename takes it along to the job that it is renamed onto, as the kernel does. */
export function commandNodeid(file: FileNo): NodeId {
  return jobNodeid(COMMAND, file);
}

/**
 * The log of each attempt is a node of its own: who has an old one open must not see, in the kernel's memory, what is in the
 * next.
 */
export function logNodeid(number: number, ordinal: number): NodeId {
  return jobNodeid(LOG, number, ordinal);
}

/** @param ordinal Counted from 1, to `LAST_ORDINAL`. */
export function refusalNodeid(ordinal: number): NodeId {
  return jobNodeid(WHY, 0, ordinal);
}

/** @param serial Counted from 1. */
export function rootFileNodeid(serial: number): NodeId {
  return (BigInt(serial) << ORDINAL_AT | ROOT_FILE) as NodeId;
}

/**
 * stat(2)'s inode number of a job's file: the same wherever the job is.
 * @param ordinal Of an attempt whose log is to be told apart from those before it.
 */
export function inodeOf(number: number, ordinal = 0): bigint {
  return jobNodeid(COMMAND, number, ordinal);
}
