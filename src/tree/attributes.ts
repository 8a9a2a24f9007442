import { type Attributes, type AttributesReply, S_IFREG } from "../fuse/mod.ts";
import type { Job } from "../queue/queue.ts";
import type { CommandFile } from "./command_file.ts";
import { inodeOf } from "./node_ids.ts";

const WRITE_BITS = 0o222;
/** What a program should read or write at once. */
export const BLOCK_BYTES = 4096;

/** What stat(2) shows of a pending job, `file` being its content while somebody has it open. */
export function commandAttributes(job: Job, file: CommandFile | undefined, now: number): Attributes {
  const writtenAt = file?.modifiedAt ?? job.writtenAt;
  const mtimeMs = job.visibleAt !== null && job.visibleAt > now ? job.visibleAt : writtenAt;
  return {
    ...jobAttributes(job, mtimeMs, file?.isRemoved ? 0 : 1),
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

/** What its maker sees who looks for it in pending/, which it has left. */
export function pastAttributes(job: Job, mtimeMs: number, now: number): Attributes {
  return { ...commandAttributes({ ...job, visibleAt: null }, undefined, now), mtimeMs };
}

/** The kernel asks each time: jobs change by themselves. */
export function asked(attributes: Attributes): AttributesReply {
  return { attributes, attributesValidMs: 0 };
}
