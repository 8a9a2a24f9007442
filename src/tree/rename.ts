import { getLogger } from "@logtape/logtape";
import { ErrnoError, RENAME_NOREPLACE, type Request } from "../fuse/mod.ts";
import { isDraft, isRemovedName, type JobId } from "../job/id.ts";
import type { State } from "../job/state.ts";
import type { Job } from "../queue/queue.ts";
import { granted } from "./errors.ts";
import type { Parts } from "./parts.ts";

const log = getLogger(["filed", "tree"]);

/** The directory of a state, as far as a rename goes. */
interface Side {
  readonly state: State;
  rightToTake(request: Request): Promise<(job: Job) => boolean>;
  unlink(request: Request, id: JobId): Promise<void>;
}

/**
 * Gives a job another state, or another id, or both.
 * @throws {ErrnoError} ENOENT, EEXIST, EBUSY, EPERM; EINVAL for a draft that can never run; EDQUOT, ENOSPC where the owner may
 * hold no more; ESTALE: the kernel is to look at the name again.
 */
export async function renameJob(
  parts: Parts,
  request: Request,
  from: Side,
  id: JobId,
  to: Side,
  newId: JobId,
  flags: number,
): Promise<void> {
  const { queue, jobs, makers } = parts;
  // sshfs and NFS do so, and unlink it once it is closed.
  if (from.state === "active" && to === from && isRemovedName(newId)) return await from.unlink(request, id);
  const [leaves, arrives] = [from.state === "pending" && to !== from, to.state === "pending" && to !== from];
  const isWithinPending = from.state === "pending" && to === from;
  const mayTake = await from.rightToTake(request);
  const mayReplace = (other: Job) => !(flags & RENAME_NOREPLACE) && mayTake(other);
  const job = await queue.find(id);
  if (isWithinPending && job && isLate(parts, request, job, newId)) {
    return await renameLate(parts, job, newId, mayReplace);
  }
  if (job?.state !== from.state) throw new ErrnoError("ENOENT");
  if (leaves) {
    makers.endSearch(job.number); // Whoever moves it looks for it where it is.
    // Where it goes, the cached name would still lead to the command, not the log. ESTALE makes the kernel look again.
    if (makers.takeBackName(job.number)) throw new ErrnoError("ESTALE");
  }
  if (!mayTake(job)) throw new ErrnoError("ESTALE");
  if (arrives) jobs.requireRoom(job.uid);
  if (isWithinPending && isDraft(id) && !isDraft(newId)) await jobs.requireSound(job);
  const { job: moved, replaced } = granted(await queue.move(job, to.state, newId, mayReplace));
  if (replaced) await forget(parts, replaced);
  if (arrives) jobs.arrived(job);
  else if (isWithinPending) await jobs.renamed(moved);
  else jobs.removed(job.number, "moved");
}

/**
 * Whether who made a job renames it within pending/, and it has left that: some write a file anew under a
 * name that can't be told from a job's.
 */
function isLate({ makers }: Parts, { uid }: Request, job: Job, newId: JobId): boolean {
  return job.state !== "pending" && !isDraft(newId) && makers.isMaker(uid, job.number);
}

async function renameLate(
  parts: Parts,
  job: Job,
  newId: JobId,
  mayReplace: (other: Job) => boolean,
): Promise<void> {
  const { replaced } = granted(await parts.queue.renameLate(job, newId, mayReplace));
  log.info("job that had started got another id", { job: newId, before: job.id });
  if (replaced) await forget(parts, replaced);
}

/** Another has taken the job's place. */
async function forget({ jobs, logs }: Parts, replaced: Job): Promise<void> {
  jobs.removed(replaced.number, "removed");
  await logs.replaced(replaced);
}
