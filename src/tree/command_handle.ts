import { ErrnoError, type ErrnoName } from "../fuse/mod.ts";
import { hasHole, isText } from "../job/content.ts";
import { hasReferences, referencesIn } from "../job/dependencies.ts";
import type { Asks, Header } from "../job/header.ts";
import { isDraft } from "../job/id.ts";
import type { Job } from "../job/job.ts";
import { judge, type Submission } from "../job/submission.ts";
import { CircleError, type Known, type Queue, UnsyncedError, type Waited } from "../queue/queue.ts";
import type { CommandFile } from "./command_file.ts";
import { ERRNO_OF_FAULT, ERRNO_OF_UNBOUND } from "./errors.ts";
import { isTooLong, LEAST_BYTES, requireLength, tooLong } from "./job_limit.ts";
import type { Handle, Writing } from "./node.ts";
import type { Refusals } from "./refusals.ts";
import type { Warnings } from "./warnings.ts";

/**
 * Of what waits for flush, no more: to store a long content at its close, all in one go, would keep all others waiting.
 */
const UNSAVED_BYTES = 1_048_576;

/** What a handle of a command works with. */
export interface CommandDesk {
  readonly queue: Queue;
  readonly now: () => number;
  readonly warnings: Warnings;
  readonly refusals: Refusals;
  /** The handle is gone, and what it has written is stored, or dropped. */
  released(handle: CommandHandle): Promise<void>;
}

/** One open of a pending job. */
export class CommandHandle implements Handle {
  readonly #desk: CommandDesk;
  /** Its first write went to disk at once; the later ones wait for flush, or until they are many. */
  #hasWritten = false;
  /** What fills it may be a mapping: it can be mapped, and write(2) has brought no text. */
  #mayMap: boolean;
  /** The jobs that its header names, since a write has brought that. */
  readonly #known: Known = new Map();
  /** How long what it names was when that was looked for: a write that brings no more of it need not look again. */
  #lookedFor = 0;
  /** What each write fails with, once one has brought what can never run. */
  refusal: ErrnoError | undefined;

  /**
   * @param uid Who opened it.
   * @param access `write`: it keeps the job from starting, since it may write, or has made the file.
   */
  constructor(
    readonly file: CommandFile,
    readonly uid: number,
    readonly access: "read" | "write",
    how: { mayMap: boolean },
    desk: CommandDesk,
  ) {
    this.#mayMap = how.mayMap;
    this.#desk = desk;
    file.opened(this);
  }

  read(offset: number, sizeBytes: number): Uint8Array {
    return this.file.read(offset, sizeBytes);
  }

  /**
   * @throws {ErrnoError} EFBIG, EINVAL, EPERM, EDQUOT, ENOENT, EDEADLK; what the store answers. Nothing is written then, and
   * close fails too.
   */
  async write(offset: number, data: Uint8Array, { where, source }: Writing): Promise<number> {
    const { file } = this;
    const { length } = data;
    if (this.refusal) throw this.refusal;
    if (file.isRemoved && file.spoiled !== undefined) throw file.spoiled;
    let takeBack = () => {};
    const bytesBefore = file.bytes.length;
    try {
      takeBack = file.write(where === "end" ? bytesBefore : offset, data, this.#desk.now());
      const bytesNow = file.bytes.length;
      if (source === "call" && isText(data)) this.#mayMap = false;
      const judging = source === "call" && !isDraft(file.job.id) ? this.#judgeWrite(data) : undefined;
      if (judging) await judging;
      if (bytesNow > LEAST_BYTES) await requireLength(this.#desk.queue, bytesNow, bytesBefore); // `data` is gone by now.
      if (!this.#hasWritten) await this.sync();
      else if (file.unsavedBytes >= UNSAVED_BYTES) await this.#saveDraft("relaxed");
      this.#hasWritten = true;
      return length;
    } catch (error) {
      takeBack();
      file.spoiled = error;
      if (isTooLong(error) && !file.isRemoved) {
        this.refusal = this.#refuse(await tooLong(this.#desk.queue), "EFBIG");
      }
      throw error;
    }
  }

  /** @throws {ErrnoError} EFBIG, EDQUOT, ENOSPC: nothing is changed then. */
  async truncate(sizeBytes: number): Promise<void> {
    const { file } = this;
    const { queue, now, refusals } = this.#desk;
    const bytesBefore = file.bytes.length;
    let takeBack = () => {};
    try {
      takeBack = file.truncate(sizeBytes, now());
      if (sizeBytes > LEAST_BYTES) await requireLength(queue, sizeBytes, bytesBefore);
    } catch (error) {
      takeBack();
      if (isTooLong(error)) refusals.note(this.uid, file.job.id, await tooLong(queue), file.job);
      throw error;
    }
  }

  /** What was written is on disk, though not closed. */
  async sync(): Promise<void> {
    if (!this.file.isStored) await this.#saveDraft("durable");
  }

  /**
   * What was written is on disk, and is what would run.
   * @param moment "release": nobody writes through this handle any more.
   * @throws What an earlier write threw; {ErrnoError} EINVAL, EPERM, EDQUOT, ENOENT, EDEADLK.
   */
  async flush(moment: "close" | "release" = "close"): Promise<void> {
    const { file } = this;
    if (this.access === "read" || file.isClosed) return;
    file.requireUnspoiled();
    if (file.isRemoved) return;
    const { version } = file;
    const submission: Submission = isDraft(file.job.id)
      ? { kind: "sound", header: undefined }
      : judge(file.bytes, "whole", this.#desk.now());
    if (submission.kind === "refused") {
      // A mapping outlives the close(2) of its file, and may fill a hole still.
      if (moment === "close" && this.#mayMap && hasHole(file.bytes)) return;
      throw this.#refuse(submission.reason, "EINVAL");
    }
    if (submission.header) await this.#requireMayAsk(submission.header.asks);
    const header = submission.header && await this.#bound(submission.header);
    if (this.#desk.queue.mayHaveShares && file.bytes.length > 0 && !isDraft(file.job.id)) {
      await this.#requireShare();
    }
    const isAsJudged = file.version === version && file.spoiled === undefined && !file.isRemoved;
    if (!isAsJudged) return await this.flush(moment);
    file.refused = undefined;
    try {
      await file.save("closed", async (bytes, writers) => {
        const command = file.isStored ? "as-saved" : bytes;
        const { modifiedAt } = file;
        const closed = await this.#store(() =>
          this.#desk.queue.saveClosed(file.job.file, command, writers, modifiedAt, header)
        );
        if (!closed || !this.#hasWritten) return; // A shell closes a copy before it writes.
        file.left = { bytes, owner: closed.uid, foreignWriter: closed.foreignWriter, by: this };
        this.#desk.refusals.clear(this.uid, file.job.id);
      });
    } catch (error) {
      if (error instanceof CircleError) throw this.#refuse("it would wait for itself by now", "EDEADLK");
      // The close was refused: what it was to store must not run when there is room later.
      file.spoiled = error;
      if (error instanceof UnsyncedError) file.lastClose = "refused";
      throw error;
    }
  }

  /** With the last handle that may write, the job may start. */
  async release(): Promise<void> {
    const { file } = this;
    try {
      await this.flush("release"); // What came after the last flush: pages of a shared mapping.
    } catch (error) {
      if (file.refused === undefined) {
        const fields = { job: file.job.id, error };
        this.#desk.warnings.warn(this.uid, "what was written to a pending job is dropped", fields);
      }
    }
    await this.#desk.released(this);
  }

  async #saveDraft(durability: "durable" | "relaxed"): Promise<void> {
    const { file } = this;
    if (file.isRemoved) return file.requireUnspoiled();
    const { modifiedAt } = file;
    await file.save("draft", async (bytes, writers) => {
      const { queue } = this.#desk;
      await this.#store(() => queue.saveDraft(file.job.file, bytes, writers, modifiedAt, durability));
    });
  }

  /**
   * Stores what was written, as `save` does; of a job that is removed, or was rewritten by a rename, nothing. It may be
   * so before we are told.
   * @throws If the job is not there any more, and that is not why: why it could not be stored, which a shell does not
   * hear from its first close; {ErrnoError} ESTALE.
   */
  async #store(save: () => Promise<Job | undefined>): Promise<Job | undefined> {
    const { file } = this;
    const saved = await save();
    if (saved || file.isRemoved) return saved;
    await this.#desk.queue.allTold();
    if (file.isRemoved) {
      file.requireUnspoiled();
      return undefined;
    }
    const again = await save();
    if (!again && !file.isRemoved) throw file.spoiled ?? new ErrnoError("ESTALE");
    return again;
  }

  /**
   * @returns What there is to be waited for; of plain text nothing, for each wait costs the commit that it would share.
   * @throws {ErrnoError} EINVAL, EPERM, EDQUOT, ENOENT, EDEADLK: what no later write mends.
   */
  #judgeWrite(data: Uint8Array): Promise<void> | undefined {
    const submission = this.file.judging.judge(this.file.bytes, data, this.#desk.now());
    if (submission.kind === "refused") {
      this.refusal = this.#refuse(submission.reason, "EINVAL");
      throw this.refusal;
    }
    const { header } = submission;
    return header || this.#desk.queue.mayHaveShares ? this.#requireMay(header) : undefined;
  }

  /** @throws {ErrnoError} EINVAL, EPERM, EDQUOT, ENOENT, EDEADLK. */
  async #requireMay(header: Header | undefined): Promise<void> {
    try {
      if (header) await this.#requireMayAsk(header.asks);
      if (header && lengthOfNames(header.asks) !== this.#lookedFor) await this.#bound(header);
      await this.#requireShare();
    } catch (error) {
      if (error instanceof ErrnoError) this.refusal = error;
      throw error;
    }
  }

  /** @throws {ErrnoError} As `ERRNO_OF_FAULT`. */
  async #requireMayAsk(asks: Asks): Promise<void> {
    const by = { uid: this.file.job.uid, foreignWriter: this.uid };
    const fault = await this.#desk.queue.faultOfAsks(asks, by);
    if (fault) throw this.#refuse(fault.reason, ERRNO_OF_FAULT[fault.kind]);
  }

  /** @throws {ErrnoError} EDQUOT where the job joins the queue, and its owner has too many jobs or logs. */
  async #requireShare(): Promise<void> {
    const { job } = this.file;
    const excess = await this.#desk.queue.excessOfShare(job, job.id);
    if (excess !== undefined) throw this.#refuse(excess, "EDQUOT");
  }

  /**
   * The header with the jobs that it names.
   * @throws {ErrnoError} ENOENT, EDEADLK, EINVAL if it can't wait for those.
   */
  async #bound(header: Header): Promise<Header & Partial<Waited>> {
    const { asks } = header;
    if (!hasReferences(asks)) return header;
    const bound = await this.#desk.queue.bind(this.file.job, asks, this.#known);
    if (bound.kind !== "bound") throw this.#refuse(bound.reason, ERRNO_OF_UNBOUND[bound.kind]);
    this.#lookedFor = lengthOfNames(asks);
    return { ...header, dependencies: bound.dependencies };
  }

  /** Says so once, however often it is tried. @returns What the caller hears. */
  #refuse(reason: string, errno: ErrnoName): ErrnoError {
    const { file } = this;
    const { job } = file;
    if (file.refused === undefined) {
      this.#desk.warnings.warn(this.uid, "content refused", { job: job.id, reason });
    }
    this.#desk.refusals.note(this.uid, job.id, reason, job);
    file.refused = reason;
    return new ErrnoError(errno);
  }
}

function lengthOfNames(asks: Asks): number {
  return referencesIn(asks).reduce((length, { text }) => length + 1 + text.length, 0);
}
