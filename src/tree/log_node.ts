import { type AttributeChanges, type AttributesReply, ErrnoError, type Request } from "../fuse/mod.ts";
import type { Job } from "../queue/queue.ts";
import { asked, logAttributes } from "./attributes.ts";
import { changeOwnership, changeTimes } from "./job_changes.ts";
import type { Handle, Node, Opening } from "./node.ts";
import type { Parts } from "./parts.ts";
import { requireRight } from "./rights.ts";

/** A log of a job, which it shows outside of pending/. Who has it open has it for good. */
export class LogNode implements Node {
  readonly #parts: Parts;

  constructor(parts: Parts, readonly number: number, readonly logNumber: number) {
    this.#parts = parts;
  }

  /** @throws {ErrnoError} ESTALE if the job has another log by now, and nobody has this one open. */
  async attributes(): Promise<AttributesReply> {
    const { queue, logs } = this.#parts;
    const job = await queue.get(this.number);
    const isJobs = job?.logNumber === this.logNumber;
    if (isJobs && (job.state !== "pending" || logs.has(this.logNumber))) return asked(logAttributes(job, 1));
    const removed = logs.formerJobOf(this.logNumber);
    if (!removed) throw new ErrnoError("ESTALE");
    return asked(logAttributes(removed, 0));
  }

  /** @throws {ErrnoError} EACCES, ESTALE. */
  async open(_: Request, { access }: Opening): Promise<Handle> {
    if (access === "write") throw new ErrnoError("EACCES");
    return this.#parts.logs.open(await this.#job());
  }

  /** @throws {ErrnoError} EPERM, ESTALE; EACCES for the size. */
  async change({ uid }: Request, changes: AttributeChanges): Promise<AttributesReply> {
    const removed = this.#parts.logs.formerJobOf(this.logNumber);
    const job = removed ?? await this.#job();
    requireRight(uid, job, changes, "by-name");
    if (!removed) { // What is changed of a removed one goes with its last handle.
      if (changes.sizeBytes !== undefined) throw new ErrnoError("EACCES");
      await changeTimes(this.#parts, job, changes);
      await changeOwnership(this.#parts, job, uid, changes);
    }
    return await this.attributes();
  }

  /** @throws {ErrnoError} ESTALE if the job shows something else now. */
  async #job(): Promise<Job> {
    const job = await this.#parts.queue.get(this.number);
    const isShown = job && job.state !== "pending" && job.logNumber === this.logNumber;
    if (!isShown) throw new ErrnoError("ESTALE");
    return job;
  }
}
