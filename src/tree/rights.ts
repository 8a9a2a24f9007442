import type { Ownership } from "../job/job.ts";
import { type AttributeChanges, ErrnoError } from "../fuse/mod.ts";
import type { State } from "../job/state.ts";

const ROOT = 0;
const WRITE_BITS = 0o222;
const OWNERS_WRITE = 0o200;
const OTHERS_WRITE = 0o022;
const OTHERS_READ = 0o004;

/**
 * Judges a change of attributes by the job as it is. The kernel has done so by what it last heard of one of
 * the job's two nodes, and root may have given the job away since, through the other.
 *
 * Which groups the caller is in is not known here: where a group's right would do, that is left to the
 * kernel.
 * @param how `by-handle`: the size is changed through a handle that was opened for writing.
 * @throws {ErrnoError} EPERM, EACCES.
 */
export function requireRight(
  uid: number,
  job: Ownership & { state: State },
  changes: AttributeChanges,
  how: "by-handle" | "by-name",
): void {
  const { mode, uid: newUid, gid, sizeBytes, atime, mtime } = changes;
  if (uid === ROOT) return;
  const isOwner = uid === job.uid;
  const isOwnersMatter = mode !== undefined || newUid !== undefined || gid !== undefined ||
    typeof atime === "number" || typeof mtime === "number";
  if (isOwnersMatter && !isOwner) throw new ErrnoError("EPERM");
  if (newUid !== undefined && newUid !== job.uid) throw new ErrnoError("EPERM");
  const shownMode = job.state === "pending" ? job.mode : job.mode & ~WRITE_BITS; // Nobody may write to a log.
  const mayWrite = (shownMode & (isOwner ? OWNERS_WRITE : OTHERS_WRITE)) !== 0;
  const isTouched = atime === "now" || mtime === "now";
  if (isTouched && !isOwner && !mayWrite) throw new ErrnoError("EACCES");
  if (sizeBytes !== undefined && how === "by-name" && !mayWrite) throw new ErrnoError("EACCES");
}

/** Whether we may tell that user what a job holds. A group's right does not count, as above. */
export function mayReadContent(uid: number, job: Ownership): boolean {
  return uid === ROOT || uid === job.uid || (job.mode & OTHERS_READ) !== 0;
}
