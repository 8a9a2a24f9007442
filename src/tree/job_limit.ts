import { ErrnoError } from "../fuse/mod.ts";
import { RULES } from "../job/config.ts";
import type { Queue } from "../queue/queue.ts";

const MEBIBYTE = 1_048_576;
/** No queue has longer contents, and what is no longer than the other may be in any. */
export const MOST_BYTES = RULES.maxJobMb.max * MEBIBYTE;
export const LEAST_BYTES = RULES.maxJobMb.min * MEBIBYTE;

/**
 * Asks config.json whether a content may have become so long: to be called past `LEAST_BYTES`. A longer one that is there
 * already is left alone: the setting may have been another.
 * @throws {ErrnoError} EFBIG.
 */
export async function requireLength(queue: Queue, bytes: number, bytesBefore: number): Promise<void> {
  if (bytes > bytesBefore && bytes > (await queue.config()).maxJobMb * MEBIBYTE) {
    throw new ErrnoError("EFBIG");
  }
}

export function isTooLong(error: unknown): boolean {
  return error instanceof ErrnoError && error.is("EFBIG");
}

/** Why a content that would be longer is refused. */
export async function tooLong(queue: Queue): Promise<string> {
  return `it is longer than ${(await queue.config()).maxJobMb} MiB (max_job_mb)`;
}
