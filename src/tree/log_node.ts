import { type AttributeChanges, type AttributesReply, ErrnoError, type Request } from "../fuse/mod.ts";
import { asked, logAttributes } from "./attributes.ts";
import { changeOwnership, changeTimes } from "./job_changes.ts";
import type { Handle, Node, Opening } from "./node.ts";
import type { LoggedJob } from "./open_logs.ts";
import type { Parts } from "./parts.ts";
import { requireRight } from "./rights.ts";

/** A log of a job, which it shows outside of pending/. Who has it open has it for good. */
export class LogNode implements Node {
  readonly #parts: Parts;

  constructor(parts: Parts, readonly number: number, readonly ordinal: number) {
    this.#parts = parts;
  }

  /** @throws {ErrnoError} ESTALE if the job has another log by now, and nobody has this one open. */
  async attributes(): Promise<AttributesReply> {
    const job = await this.#parts.queue.byNo(this.number);
    const ino = this.#parts.logs.inode(this.number, this.ordinal);
    const isItsLast = job?.ordinal === this.ordinal; // In pending/, a job keeps the log until it has another.
    return asked(logAttributes(await this.#shownJob() ?? await this.#pastJob(), ino, isItsLast ? 1 : 0));
  }

  /** @throws {ErrnoError} EACCES, ESTALE. */
  async open({ uid }: Request, { access }: Opening): Promise<Handle> {
    const job = await this.#shownJob();
    if (!job) throw new ErrnoError("ESTALE"); // A rename may have left this node under its name in pending/.
    if (access === "write") throw new ErrnoError("EACCES");
    return this.#parts.logs.open(job, uid);
  }

  /** @throws {ErrnoError} EPERM, ESTALE; EACCES for the size. */
  async change({ uid }: Request, changes: AttributeChanges): Promise<AttributesReply> {
    const job = await this.#shownJob();
    if (!job && await this.#parts.queue.byNo(this.number)) throw new ErrnoError("ESTALE");
    requireRight(uid, job ?? await this.#pastJob(), changes, "by-name");
    if (job) { // What is changed of a removed one goes with its last handle.
      if (changes.sizeBytes !== undefined) throw new ErrnoError("EACCES");
      await changeTimes(this.#parts, job, uid, changes);
      await changeOwnership(this.#parts, job, uid, changes);
    }
    return await this.attributes();
  }

  /** The job, if it shows this log. */
  async #shownJob(): Promise<LoggedJob | undefined> {
    const job = await this.#parts.queue.byNo(this.number);
    return job && job.state !== "pending" && job.log.ordinal === this.ordinal ? job : undefined;
  }

  /**
   * The job as it was when it showed this log, which somebody has open.
   * @throws {ErrnoError} ESTALE if nobody has.
   */
  async #pastJob(): Promise<LoggedJob> {
    const { queue, logs } = this.#parts;
    const job = logs.byNo(this.number, this.ordinal);
    const attempt = await queue.attempt(this.number, this.ordinal);
    if (!job || !attempt) throw new ErrnoError("ESTALE");
    const { ordinal, logBytes, over } = attempt;
    const now = await queue.byNo(this.number);
    const { uid, gid, mode, changedAt, accessedAt } = now?.ordinal === ordinal ? now : job;
    const log = { ordinal, bytes: logBytes, writtenAt: over?.at ?? job.log.writtenAt };
    return { ...job, uid, gid, mode, changedAt, accessedAt, log };
  }
}
