import { isDraft } from "../job/id.ts";
import type { Job, Ownership } from "../job/job.ts";
import { type AttributeChanges, ErrnoError } from "../fuse/mod.ts";
import type { Waited } from "../queue/queue.ts";
import { clientTime } from "./client_time.ts";
import type { Parts } from "./parts.ts";
import { requireRight } from "./rights.ts";

const PERMISSIONS = 0o777; // Of a job no set-user-ID, set-group-ID or sticky bit is kept.

/** The part of it that is asked for. */
export function ownershipOf({ mode, uid, gid }: AttributeChanges): Partial<Ownership> {
  return {
    ...mode === undefined ? {} : { mode: mode & PERMISSIONS },
    ...uid === undefined ? {} : { uid },
    ...gid === undefined ? {} : { gid },
  };
}

/** @throws {ErrnoError} ESTALE if the job is removed meanwhile, EPERM if it is given away. */
export async function changeOwnership(
  { queue, jobs }: Parts,
  job: Job,
  caller: number,
  changes: AttributeChanges,
): Promise<void> {
  const ownership = ownershipOf(changes);
  if (Object.keys(ownership).length === 0) return;
  for (let current: Job | undefined = job; current; current = await queue.byFile(job.file)) {
    requireRight(caller, current, { ...ownership, privileges: "keep" }, "by-name");
    const shown = jobs.file(job.file)?.isClosed === false ? "unclosed" : "closed";
    if (await queue.setOwnership(current, ownership, shown)) return; // else it has just started, or ended
  }
  throw new ErrnoError("ESTALE");
}

export async function changeTimes(
  { queue, jobs, refusals, now }: Parts,
  job: Job,
  caller: number,
  changes: AttributeChanges,
): Promise<void> {
  const { atime, mtime } = changes;
  if (atime === undefined && mtime === undefined) return;
  const file = jobs.file(job.file);
  if (file && mtime !== undefined) file.modifiedAt = undefined; // The store's time counts again.
  const isSubmitted = mtime !== undefined && job.state === "pending" && job.turn === null && !isDraft(job.id);
  let waited: Waited | undefined;
  if (isSubmitted && job.commandBytes > 0) {
    if (!file?.hasWriter) waited = await jobs.requireSound(job, caller, job.id);
    else await jobs.requireShare(job, caller, job.id);
  }
  const times = {
    ...atime === undefined ? {} : { accessedAt: clientTime(atime, now()) },
    ...mtime === undefined ? {} : { modifiedAt: clientTime(mtime, now()) },
  };
  await queue.setTimes(job, times, waited);
  if (isSubmitted) refusals.clear(caller, job.id);
}
