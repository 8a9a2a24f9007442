import { type Attributes, S_IFDIR, S_IFREG } from "../fuse/mod.ts";
import type { Job, Ownership } from "../queue/queue.ts";
import type { CommandFile } from "./command_file.ts";
import { inodeOf } from "./node_ids.ts";
import { type FixedNode } from "./nodes.ts";

const WRITE_BITS = 0o222;
const BLOCK_BYTES = 4096;

/** What stat(2) shows of a pending job, `file` being its content while somebody has it open. */
export function commandAttributes(job: Job, file: CommandFile | undefined, now: number): Attributes {
  const writtenAt = file?.modifiedAt ?? job.writtenAt;
  const mtimeMs = job.visibleAt !== null && job.visibleAt > now ? job.visibleAt : writtenAt;
  return {
    ...jobAttributes(job, mtimeMs, file?.isOrphan ? 0 : 1),
    sizeBytes: file?.bytes.length ?? job.commandBytes,
    mode: S_IFREG | job.mode,
    ctimeMs: Math.max(job.changedAt, file?.modifiedAt ?? 0),
  };
}

/** What stat(2) shows of a job that was started. @param links 0 once it was removed. */
export function logAttributes(job: Job, links: 0 | 1): Attributes {
  return {
    ...jobAttributes(job, job.loggedAt, links),
    ino: inodeOf(job.logNumber), // Another if somebody has the last one open: tail -F tells them apart by it.
    sizeBytes: job.logBytes,
    mode: S_IFREG | job.mode & ~WRITE_BITS,
    ctimeMs: job.state === "active" ? Math.max(job.changedAt, job.loggedAt) : job.changedAt,
  };
}

function jobAttributes(job: Job, mtimeMs: number, nlink: 0 | 1) {
  return {
    ino: inodeOf(job.number),
    nlink,
    uid: job.uid,
    gid: job.gid,
    atimeMs: job.accessedAt ?? mtimeMs,
    mtimeMs,
    birthMs: job.createdAt,
    blockSizeBytes: BLOCK_BYTES,
  };
}

/** Permission bits of the nodes that are always there, until somebody changes them. */
const DEFAULT_MODE: Record<FixedNode["name"], number> = {
  "": 0o755,
  pending: 0o755,
  active: 0o755,
  complete: 0o755,
  failed: 0o755,
  "new-id": 0o444,
  "config.json": 0o644,
};

export function defaultMode(fixed: FixedNode): number {
  return DEFAULT_MODE[fixed.name];
}

/** @param times Epoch ms: when the node was made, and when it last changed. */
export function fixedAttributes(
  { nodeid, node }: FixedNode,
  { uid, gid, mode }: Ownership,
  sizeBytes: number,
  times: { born: number; changed: number },
): Attributes {
  const isDirectory = node.kind === "root" || node.kind === "directory";
  return {
    ino: nodeid,
    sizeBytes,
    mode: (isDirectory ? S_IFDIR : S_IFREG) | mode,
    nlink: node.kind === "root" ? 6 : isDirectory ? 2 : 1,
    uid,
    gid,
    atimeMs: times.changed,
    mtimeMs: times.changed,
    ctimeMs: times.changed,
    birthMs: times.born,
    blockSizeBytes: BLOCK_BYTES,
  };
}
