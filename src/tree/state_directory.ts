import { getLogger } from "@logtape/logtape";
import {
  type Attributes,
  type DirectorySink,
  type Entry,
  type EntrySink,
  ErrnoError,
  type NodeId,
  RENAME_NOREPLACE,
  type Request,
} from "../fuse/mod.ts";
import type { Job } from "../job/job.ts";
import { isDraft, isRemovedName, type JobId } from "../job/id.ts";
import { type State, STATES } from "../job/state.ts";
import { must } from "../must.ts";
import { granted } from "./errors.ts";
import { FixedDirectory, type Place } from "./fixed_node.ts";
import { addDots, FIRST_COOKIE, record } from "./listing.ts";
import type { Directory } from "./node.ts";
import type { Parts } from "./parts.ts";

const log = getLogger(["filed", "tree"]);

/** Jobs asked of the queue at once. A READDIR of 32 KiB holds some 800 short names. */
const PAGE_JOBS = 512;
/** How long the kernel goes by what a listing told it, as `ls -l` and `find` do. */
const LISTED_MS = 50;
/**
 * For the stat(2) that a lookup is part of: the kernel would ask for the attributes again. It rounds up to
 * its clock's step.
 */
export const ATTRIBUTES_VALID_MS = 1;
/** A directory looks no older than this: `find complete -mtime +7 -delete` is about what is in it. */
const AGE_MS = 24 * 3_600_000;
const STICKY = 0o1000;
const ROOT = 0;

/**
 * The directory of a state, whose files are the jobs that are in it.
 *
 * Their names are valid for no time at all, since jobs move by themselves: the kernel asks each time.
 */
export abstract class StateDirectory extends FixedDirectory implements Directory {
  readonly state: State;

  constructor(parts: Parts, place: Place) {
    super(parts, place);
    this.state = must(STATES.find((state) => state === place.name), "a state's directory has its name");
  }

  /** What a job shows here. */
  protected abstract shown(job: Job): { nodeid: NodeId; attributes: Attributes };

  /** For how long the kernel may resolve the job's name by itself, ms. */
  protected entryValidMs(_job: Job): number {
    return 0;
  }

  /** What that user is to see of a job that is elsewhere. */
  protected pastEntry(_uid: number, _job: Job): Entry | undefined {
    return undefined;
  }

  protected override changedAt(): number {
    const { queue, now } = this.parts;
    return Math.max(queue.changedAt(this.state), now() - AGE_MS);
  }

  /** @throws {ErrnoError} ENOENT. */
  async lookup({ uid }: Request, id: JobId): Promise<Entry> {
    const job = await this.parts.queue.byId(id);
    const entry = job && (job.state === this.state ? this.entry(job) : this.pastEntry(uid, job));
    if (!entry) throw new ErrnoError("ENOENT");
    return entry;
  }

  protected entry(job: Job): Entry {
    return {
      ...this.shown(job),
      attributesValidMs: ATTRIBUTES_VALID_MS,
      entryValidMs: this.entryValidMs(job),
    };
  }

  async list(cookie: number, sink: DirectorySink): Promise<void> {
    if (!addDots(this.nodeid, cookie, sink)) return;
    let after = Math.max(0, cookie - FIRST_COOKIE);
    for (;;) {
      const page = await this.parts.queue.list(this.state, after, PAGE_JOBS);
      for (const { position, number, id, ordinal } of page) {
        if (!sink.add(record(this.parts.logs.inode(number, ordinal), position, "file", id))) return;
        after = position;
      }
      if (page.length < PAGE_JOBS) return;
    }
  }

  async listEntries(cookie: number, sink: EntrySink): Promise<void> {
    if (!addDots(this.nodeid, cookie, { add: (entry) => sink.add(entry, undefined) })) return;
    let after = Math.max(0, cookie - FIRST_COOKIE);
    for (let room = sink.capacity; room > 0; room = sink.capacity) {
      const page = await this.parts.queue.listJobs(this.state, after, room);
      for (const { position, job } of page) {
        // Whoever asked for all these attributes has not come to this job yet.
        const entryValidMs = Math.max(LISTED_MS, this.entryValidMs(job));
        const entry = { ...this.shown(job), attributesValidMs: LISTED_MS, entryValidMs };
        if (!sink.add(record(entry.attributes.ino, position, "file", job.id), entry)) return;
        after = position;
      }
      if (page.length < room) return;
    }
  }

  /** @throws {ErrnoError} ENOENT; ESTALE if another's job has that name by now. */
  async unlink(request: Request, id: JobId): Promise<void> {
    const { queue } = this.parts;
    const mayTake = await this.#rightToTake(request);
    const job = await queue.byId(id);
    if (job?.state !== this.state) throw new ErrnoError("ENOENT");
    if (!mayTake(job)) throw new ErrnoError("ESTALE");
    granted(await queue.remove(job));
  }

  /**
   * Gives a job another state, or another id, or both.
   * @throws {ErrnoError} ENOENT, EEXIST, EBUSY, EPERM, ESTALE; for a draft as `requireSound`; EDEADLK if it would
   * wait for itself; EDQUOT, ENOSPC where the owner may hold no more, or wait for no other pools.
   */
  async rename(request: Request, id: JobId, to: Directory, newId: JobId, flags: number): Promise<void> {
    const { queue, jobs, makers, accounts, refusals } = this.parts;
    if (!(to instanceof StateDirectory)) throw new ErrnoError("EPERM");
    const isWithin = to === this;
    // sshfs and NFS do so, and unlink it once it is closed.
    if (isWithin && this.state === "active" && isRemovedName(newId)) return await this.unlink(request, id);
    const mayTake = await this.#rightToTake(request);
    const mayReplace = (other: Job) => !(flags & RENAME_NOREPLACE) && mayTake(other);
    const job = await queue.byId(id);
    if (isWithin && job && this.#isLate(request, job, newId)) {
      granted(await queue.renameLate(job, newId, mayReplace));
      refusals.clear(request.uid, newId);
      return log.info("job that had started got another id", { job: newId, before: job.id });
    }
    if (job?.state !== this.state) throw new ErrnoError("ENOENT");
    if (!isWithin && this.state === "pending") {
      makers.endSearch(job.file); // Whoever moves it looks for it where it is.
      // Where it goes, the cached name would still lead to the command, not the log. ESTALE makes the kernel
      // look again.
      if (makers.takeBackName(job.file)) throw new ErrnoError("ESTALE");
    }
    if (!mayTake(job)) throw new ErrnoError("ESTALE");
    if (!isWithin && to.state === "pending") {
      accounts.requireRoom(job.uid, "heldJobs", 1);
      if (!await queue.hasRoomForUse(job.asks, job.uid)) throw new ErrnoError("EDQUOT");
    }
    const isSubmitted = isWithin && job.state === "pending" && job.turn === null && !isDraft(newId);
    const waited = isSubmitted && job.commandBytes > 0
      ? await jobs.requireSound(job, request.uid, newId)
      : undefined;
    granted(await queue.move(job, to.state, newId, mayReplace, waited, request.uid));
    if (to.state === "pending") refusals.clear(request.uid, newId);
  }

  /**
   * Whether who made a job renames it within pending/, and it has left that: some write a file anew under a
   * name that can't be told from a job's.
   */
  #isLate({ uid }: Request, job: Job, newId: JobId): boolean {
    const isPast = this.state === "pending" && job.state !== "pending";
    return isPast && !isDraft(newId) && this.parts.makers.isMaker(uid, job.file);
  }

  /**
   * Which jobs of this directory the caller may take away, as far as a sticky bit goes. The kernel has judged
   * the job that it found under the name; but jobs start, end and come back by themselves, so that another
   * may have the name by now.
   */
  async #rightToTake({ uid }: Request): Promise<(job: Job) => boolean> {
    const directory = await this.ownership();
    const isOpen = !(directory.mode & STICKY) || uid === ROOT || uid === directory.uid;
    return (job) => isOpen || uid === job.uid;
  }
}
