import assert from "node:assert/strict";
import type { NodeId } from "../fuse/mod.ts";
import {
  type Address,
  addressOf,
  COMMAND,
  commandNodeid,
  inodeOf,
  jobNodeid,
  LAST_ORDINAL,
  LOG,
  logNodeid,
  refusalNodeid,
  rootFileNodeid,
  WHY,
} from "./node_ids.ts";

const LAST_JOB = 2 ** 33 - 9;
const job = (kind: number, number: number, ordinal: number): Address => ({
  of: "job",
  kind,
  number,
  ordinal,
});

/** Typed by hand: these are in the kernel, and in whatever remembers inode numbers. */
const CASES: [string, nodeid: bigint, made: NodeId | undefined, Address][] = [
  ["the root", 1n, undefined, { of: "mount", nodeid: 1n as NodeId }],
  ["the last that is always there", 62n, undefined, { of: "mount", nodeid: 62n as NodeId }],
  ["a file beside config.json", 0x10_0000_003fn, rootFileNodeid(1), {
    of: "root-file",
    nodeid: 0x10_0000_003fn as NodeId,
  }],
  ["the first submission that was refused", 0x10_0000_0042n, refusalNodeid(1), job(WHY, 0, 1)],
  ["the command of the first job", 72n, commandNodeid(1), job(COMMAND, 1, 0)],
  ["the log of its first attempt", 0x10_0000_0049n, logNodeid(1, 1), job(LOG, 1, 1)],
  ["the log of its third attempt", 0x30_0000_0049n, logNodeid(1, 3), job(LOG, 1, 3)],
  ["its last kind", 79n, jobNodeid(7, 1), job(7, 1, 0)],
  ["the next job", 80n, jobNodeid(0, 2), job(COMMAND, 2, 0)],
  ["the last of all", 2n ** 64n - 1n, jobNodeid(7, LAST_JOB, LAST_ORDINAL), job(7, LAST_JOB, LAST_ORDINAL)],
];
for (const [name, nodeid, made, address] of CASES) {
  Deno.test(`the node id of ${name} is ${nodeid}`, () => {
    if (made !== undefined) assert.equal(made, nodeid);
    assert.deepEqual(addressOf(nodeid as NodeId), address);
  });
}

Deno.test("a job has one inode number, and a log that is told apart its own", () => {
  assert.equal(inodeOf(3), commandNodeid(3));
  assert.equal(new Set([0, 1, 2, 3].map((ordinal) => inodeOf(3, ordinal))).size, 4);
});
