import type { Job } from "../job/job.ts";
import { type Attributes, type AttributesReply, S_IFREG } from "../fuse/mod.ts";
import type { CommandFile } from "./command_file.ts";
import { inodeOf } from "./node_ids.ts";
import type { LoggedJob } from "./open_logs.ts";

const WRITE_BITS = 0o222;
/** What a program should read or write at once. */
export const BLOCK_BYTES = 4096;

/** What stat(2) shows of a pending job, `file` being its content while somebody has it open. */
export function commandAttributes(job: Job, file: CommandFile | undefined, now: number): Attributes {
  const writtenAt = file?.modifiedAt ?? job.writtenAt;
  const startsAt = job.state === "pending" ? job.visibleAt ?? 0 : 0;
  const mtimeMs = startsAt > now ? startsAt : writtenAt;
  return {
    ...jobAttributes(job, inodeOf(job.number), mtimeMs, file?.isRemoved ? 0 : 1),
    sizeBytes: file?.bytes.length ?? job.commandBytes,
    mode: S_IFREG | job.mode,
    ctimeMs: Math.max(job.changedAt, file?.modifiedAt ?? 0),
  };
}

/** What stat(2) shows of a job that was started. @param links 0 once it was removed. */
export function logAttributes(job: LoggedJob, ino: bigint, links: 0 | 1): Attributes {
  const { bytes, writtenAt } = job.log;
  return {
    ...jobAttributes(job, ino, writtenAt, links),
    sizeBytes: bytes,
    mode: S_IFREG | job.mode & ~WRITE_BITS,
    ctimeMs: job.state === "active" ? Math.max(job.changedAt, writtenAt) : job.changedAt,
  };
}

function jobAttributes(job: Job, ino: bigint, mtimeMs: number, nlink: 0 | 1) {
  return {
    ino,
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
  return { ...commandAttributes(job, undefined, now), mtimeMs };
}

/** The kernel asks each time: jobs change by themselves. */
export function asked(attributes: Attributes): AttributesReply {
  return { attributes, attributesValidMs: 0 };
}
