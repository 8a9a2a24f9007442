import type { FileNo } from "../job/id.ts";
import type { Job } from "../job/job.ts";
import {
  type AttributeChanges,
  type Attributes,
  type AttributesReply,
  ErrnoError,
  type Request,
} from "../fuse/mod.ts";
import { asked, commandAttributes, pastAttributes } from "./attributes.ts";
import { clientTime } from "./client_time.ts";
import { CommandHandle } from "./command_handle.ts";
import { changeOwnership, changeTimes, ownershipOf } from "./job_changes.ts";
import type { Handle, Node, Opening } from "./node.ts";
import type { Parts } from "./parts.ts";
import { requireRight } from "./rights.ts";

/** What clocks of two hosts, or two steps of one clock, may differ by. */
const CLOCK_SKEW_MS = 1_000;

/**
 * A job's command, which it shows in pending/. Those that have it open have it for good: also once the job
 * has started, ended or is removed. Its maker reaches the job through it for a while, wherever that is: see
 * makers.ts.
 */
export class CommandNode implements Node {
  readonly #parts: Parts;

  /** @param file The number of the file, which may be another job's now than it was made as. */
  constructor(parts: Parts, readonly file: FileNo) {
    this.#parts = parts;
  }

  async attributes({ uid }: Request): Promise<AttributesReply> {
    return asked(await this.#shown(uid, "asked-for"));
  }

  /** @throws {ErrnoError} As `OpenJobs.open`. */
  async open({ uid }: Request, opening: Opening): Promise<Handle> {
    return await this.#parts.jobs.open(await this.#pendingJob(), uid, opening);
  }

  /** @throws {ErrnoError} EPERM, EACCES, EFBIG, EDQUOT, ENOSPC, ESTALE. */
  async change(
    { uid }: Request,
    changes: AttributeChanges,
    through: Handle | undefined,
  ): Promise<AttributesReply> {
    const { queue, jobs, makers } = this.#parts;
    const handle = through instanceof CommandHandle ? through : undefined;
    if (!await queue.byFile(this.file)) await queue.allTold(); // It may have been replaced just now.
    if (await this.#changeRemoved(uid, changes)) return asked(await this.#shown(uid, "asked-for"));
    const job = await this.#justMade() ?? await this.#pendingJob();
    const isPending = job.state === "pending";
    const { sizeBytes, mtime } = changes;
    const isByName = changes.fh === undefined;
    const soughtMtime = isByName && typeof mtime === "number" && makers.isMaker(uid, this.file)
      ? mtime
      : undefined;
    if (!isPending) this.#refusePast(changes);
    requireRight(uid, job, changes, handle ? "by-handle" : "by-name");
    if (isPending) {
      if (sizeBytes !== undefined && handle) await handle.truncate(sizeBytes);
      else if (sizeBytes !== undefined) await jobs.truncate(job, uid, sizeBytes);
      await changeTimes(this.#parts, job, uid, changes);
    }
    await changeOwnership(this.#parts, job, uid, changes);
    if (soughtMtime !== undefined) makers.seek(this.file, uid, soughtMtime);
    return asked(await this.#shown(uid, "changed"));
  }

  /** @throws {ErrnoError} ESTALE if there is nothing to be shown. */
  async #shown(uid: number, why: "asked-for" | "changed"): Promise<Attributes> {
    const { queue, jobs, makers, now } = this.#parts;
    const job = await queue.byFile(this.file);
    const isPending = job?.state === "pending";
    const file = jobs.file(this.file) ?? (isPending ? undefined : jobs.removedFile(this.file));
    if (file) return commandAttributes(job ?? file.job, file, now());
    if (job && (isPending || why === "changed" && makers.nameValidMs(this.file) > 0)) {
      return commandAttributes(job, undefined, now());
    }
    const mtimeMs = makers.soughtMtime(this.file, uid);
    if (!job || mtimeMs === undefined) throw new ErrnoError("ESTALE");
    return pastAttributes(job, mtimeMs, now());
  }

  /** The job, if it was made a short while ago, wherever it is now. */
  async #justMade(): Promise<Job | undefined> {
    const { queue, makers } = this.#parts;
    return makers.nameValidMs(this.file) > 0 ? await queue.byFile(this.file) : undefined;
  }

  /** @throws {ErrnoError} ESTALE if the job shows something else now. */
  async #pendingJob(): Promise<Job> {
    const { queue, makers } = this.#parts;
    const job = await queue.byFile(this.file);
    if (job?.state === "pending") return job;
    makers.endSearch(this.file); // The kernel looks again, and is told that it is not there.
    throw new ErrnoError("ESTALE");
  }

  /**
   * Some programs give a file its owner, mode and times by its name after they have closed it, when the job
   * may have started. Owner and mode are those of the job, and the times that they copy say nothing about its
   * log.
   * @throws {ErrnoError} ESTALE for what is past: the command, and when it is to start.
   */
  #refusePast({ sizeBytes, mtime }: AttributeChanges) {
    const now = this.#parts.now();
    const isPutOff = mtime !== undefined && clientTime(mtime, now) > now + CLOCK_SKEW_MS;
    if (sizeBytes !== undefined || isPutOff) throw new ErrnoError("ESTALE");
  }

  /** @returns Whether the job is removed and still open: what is changed of it goes with its last handle. */
  async #changeRemoved(caller: number, changes: AttributeChanges): Promise<boolean> {
    const { queue, jobs, now } = this.#parts;
    const file = jobs.removedFile(this.file);
    if (!file || (await queue.byFile(this.file))?.state === "pending") return false;
    requireRight(caller, file.job, changes, "by-handle");
    if (changes.sizeBytes !== undefined) file.truncate(changes.sizeBytes, now());
    file.job = { ...file.job, ...ownershipOf(changes) };
    return true;
  }
}
