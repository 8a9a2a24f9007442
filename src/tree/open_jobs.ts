import type { FileNo } from "../job/id.ts";
import type { Job, Ownership } from "../job/job.ts";
import { getLogger } from "@logtape/logtape";
import { ErrnoError, type ErrnoName } from "../fuse/mod.ts";
import { hasReferences } from "../job/dependencies.ts";
import { type Asks, NO_ASKS } from "../job/header.ts";
import { Pieces } from "../job/pieces.ts";
import { judge } from "../job/submission.ts";
import type { QueueEvent } from "../queue/events.ts";
import type { Queue, Waited } from "../queue/queue.ts";
import { type Accounts, Charge } from "./accounts.ts";
import { CommandFile } from "./command_file.ts";
import { type CommandDesk, CommandHandle } from "./command_handle.ts";
import { ERRNO_OF_FAULT, ERRNO_OF_UNBOUND } from "./errors.ts";
import { FINISH_WAIT_MS } from "./makers.ts";
import type { Opening } from "./node.ts";
import { OpenJob } from "./open_job.ts";
import type { Refusals } from "./refusals.ts";
import { Warnings } from "./warnings.ts";

const log = getLogger(["filed", "tree"]);

/**
 * How long a job that was moved to pending stays there at least: mv(1) of several files looks at each where
 * it put it.
 */
const MOVE_WAIT_MS = 100;
/** Until the next try, when the state file can't be written (its disk is full). */
const RETRY_MS = 1_000;

/**
 * The jobs in pending/ that somebody has open or that we hold, and what becomes of them when the last one
 * closes.
 */
export class OpenJobs implements Disposable {
  readonly #queue: Queue;
  readonly #accounts: Accounts;
  readonly #desk: CommandDesk;
  /** By the number of their file, which a rename onto another job takes along. */
  readonly #jobs = new Map<FileNo, OpenJob>();

  constructor(queue: Queue, accounts: Accounts, now: () => number, refusals: Refusals) {
    this.#queue = queue;
    this.#accounts = accounts;
    const released = (handle: CommandHandle) => this.#released(handle);
    queue.subscribe((event) => this.#heard(event));
    this.#desk = { queue, now, warnings: new Warnings(accounts, now), refusals, released };
  }

  /** The content of a pending job that is open. */
  file(file: FileNo): CommandFile | undefined {
    return this.#jobs.get(file)?.file;
  }

  /** The content that somebody still has open of a job that was removed, moved out of pending/, or rewritten by a rename. */
  removedFile(file: FileNo): CommandFile | undefined {
    return this.#jobs.get(file)?.removedFile;
  }

  /**
   * A handle of the job just made, which the queue holds already.
   * @param how `isUnfinished`: its maker has more to do to it once it has closed it.
   */
  created(job: Job, how: { isUnfinished: boolean; mayMap: boolean }): CommandHandle {
    const open = this.#of(job.file);
    open.file = new CommandFile(job, "new", new Charge(this.#accounts, job.uid, 0));
    open.isUnfinished = how.isUnfinished;
    open.open(job.uid);
    return new CommandHandle(open.file, job.uid, "write", how, this.#desk);
  }

  /**
   * @throws {ErrnoError} ESTALE if the job is not pending any more; EDQUOT, ENOSPC if the user may have no
   * more of it in memory, or the job's owner hold no more.
   */
  async open(job: Job, uid: number, opening: Opening): Promise<CommandHandle> {
    const { file: fileNo } = job;
    const { access, contents } = opening;
    const isToBeHeld = access === "write" && !this.#jobs.get(fileNo)?.isHeld;
    if (isToBeHeld) this.#accounts.requireRoom(job.uid, "heldJobs", 1);
    const file = this.file(fileNo) ?? this.#load(job, uid);
    if (access === "write") this.#of(fileNo).open(job.uid);
    const handle = new CommandHandle(file, uid, access, opening, this.#desk);
    try {
      const [now] = await Promise.all([
        access === "write" ? this.#queue.hold(fileNo) : this.#queue.byFile(fileNo),
        file.ready,
      ]);
      if (now?.state !== "pending" && !file.isRemoved) throw new ErrnoError("ESTALE");
      if (access === "write" && now) {
        file.before ??= { bytes: file.bytes, owner: now.uid, foreignWriter: now.foreignWriter };
        file.job = now;
      }
      if (contents === "truncate") {
        file.spoiled = file.refused = undefined;
        await handle.truncate(0);
      }
      return handle;
    } catch (error) {
      await handle.release();
      throw error;
    }
  }

  /** Sets the size by a path: it is stored at once, as if closed. */
  async truncate(job: Job, uid: number, sizeBytes: number): Promise<void> {
    const handle = await this.open(job, uid, { access: "write", contents: "keep", mayMap: false });
    try {
      await handle.truncate(sizeBytes);
      await handle.flush();
    } finally {
      await handle.release();
    }
  }

  /**
   * That user submits a draft, under that id.
   * @returns What it is to wait for; `undefined`: it names no other job.
   * @throws {ErrnoError} EINVAL if the draft, which is to be submitted, can never run; EDQUOT if its owner has too
   * many jobs or logs; ENOENT, EDEADLK, EINVAL if it can't wait for the jobs that it names; else as `ERRNO_OF_FAULT`.
   */
  async requireSound(draft: Job, uid: number, id: string): Promise<Waited | undefined> {
    const file = this.file(draft.file);
    const now = this.#queue.now();
    const submission = file?.hasWriter
      ? judge(file.bytes, "part", now)
      : judge(await this.#queue.command(draft.file) ?? Pieces.EMPTY, "whole", now);
    const refuse = (reason: string, errno: ErrnoName) => {
      this.#desk.warnings.warn(draft.uid, "content refused", { job: draft.id, reason });
      this.#desk.refusals.note(uid, id, reason, draft);
      return new ErrnoError(errno);
    };
    if (submission.kind === "refused") throw refuse(submission.reason, "EINVAL");
    const asks: Asks = submission.header?.asks ?? NO_ASKS;
    const fault = await this.#queue.faultOfAsks(asks, draft);
    if (fault) throw refuse(fault.reason, ERRNO_OF_FAULT[fault.kind]);
    await this.requireShare(draft, uid, id);
    if (!hasReferences(asks)) return undefined;
    const waiting = await this.#queue.byId(id);
    const { number } = waiting?.state === "pending" ? waiting : draft; // One that waits is rewritten, and has its names.
    const bound = await this.#queue.bind({ ...draft, number, id }, asks, new Map());
    if (bound.kind !== "bound") throw refuse(bound.reason, ERRNO_OF_UNBOUND[bound.kind]);
    return { asks, dependencies: bound.dependencies };
  }

  /** As above. @throws {ErrnoError} EDQUOT. */
  async requireShare(draft: Job, uid: number, id: string): Promise<void> {
    const reason = await this.#queue.excessOfShare(draft, id);
    if (reason !== undefined) throw this.refuseShare(draft, uid, id, reason);
  }

  /** A user's share is used up. @param job Whose submission that user is refused. @returns What the caller hears. */
  refuseShare(job: Ownership, uid: number, id: string, reason: string): ErrnoError {
    this.#desk.warnings.warn(uid, "submission refused", { job: id, reason });
    this.#desk.refusals.note(uid, id, reason, job);
    return new ErrnoError("EDQUOT");
  }

  /** Jobs come, go and get other ids by what we are asked, and the queue tells us each time that it is so. */
  #heard(event: QueueEvent) {
    if (event.kind === "removed") return this.#removed(event.job.file, "removed");
    if (event.kind === "rewritten") {
      this.#removed(event.before.file, "removed");
      return void this.#renamed(event.job);
    }
    if (event.kind === "exchanged") {
      void this.#renamed(event.aside);
      return void this.#renamed(event.job);
    }
    if (event.kind !== "moved") return;
    const { job, before, replaced } = event;
    if (replaced) this.#removed(replaced.file, "removed");
    const [was, is] = [before, job].map(({ state }) => state === "pending");
    if (was && is) void this.#renamed(job);
    else if (is) this.#arrived(job);
    else if (was) this.#removed(job.file, "moved");
  }

  /** The job has another id: if it waited for that, it may start. */
  async #renamed(job: Job): Promise<void> {
    const open = this.#jobs.get(job.file);
    if (!open) return;
    if (open.file) open.file.job = job;
    open.isUnfinished = false;
    if (open.hold === "waiting") await this.#letGo(open);
    else this.#forgetIdle(open);
  }

  /** The job came to pending/, held by the queue. Whoever has it open for writing already lets it go. */
  #arrived({ file, uid }: Job) {
    const open = this.#of(file);
    if (open.hold === "let go" || open.hold === "waiting") this.#wait(open, uid, MOVE_WAIT_MS);
  }

  /** The job is removed, or was `moved` out of pending/. */
  #removed(file: FileNo, how: "removed" | "moved") {
    const open = this.#jobs.get(file);
    if (!open) return;
    open.remove(how);
    this.#forgetIdle(open);
  }

  [Symbol.dispose]() {
    for (const open of this.#jobs.values()) open[Symbol.dispose]();
  }

  async #released(handle: CommandHandle): Promise<void> {
    const { file } = handle;
    const open = this.#of(file.job.file);
    file.closed(handle);
    const isLastWriter = handle.access === "write" && !file.hasWriter;
    if (isLastWriter) {
      if (!file.isRemoved) open.close();
      await this.#takeBackRefused(file);
    }
    if (!file.isOpen) open.forget(file);
    // Meanwhile somebody may have opened or removed it.
    if (!isLastWriter || file.isRemoved || open.hold !== "closed") return this.#forgetIdle(open);
    // One closed empty stays unfinished: its maker only wanted the name, and opens it again to write.
    const mayStart = !open.isUnfinished || file.bytes.length === 0;
    open.lastClose = file.lastClose ?? open.lastClose;
    file.lastClose = undefined;
    if (mayStart) await this.#letGo(open);
    else this.#wait(open, open.owner, FINISH_WAIT_MS);
    if (file.isOpen && !file.isClosed) await this.#reload(file); // Its readers see what there is now.
  }

  /**
   * All that wrote have closed. Nothing of what was refused stays: the file is as it was before, or as
   * another has left it; one that was made for it vanishes.
   */
  async #takeBackRefused(file: CommandFile): Promise<void> {
    const { file: fileNo } = file.job;
    const { before, left } = file.forgetKept();
    const last = left && left.by.refusal === undefined ? left : before;
    if (file.isRemoved || file.refused === undefined || last === undefined) return;
    try {
      const job = await this.#queue.byFile(fileNo);
      if (job?.state !== "pending") return;
      if (last !== "none") {
        file.fill(last.bytes);
        // Who owned it then has not written what root has looked at since, and given away.
        const uids = new Set([last.owner, ...last.foreignWriter === null ? [] : [last.foreignWriter]]);
        const submission = judge(last.bytes, "whole", this.#queue.now());
        const header = submission.kind === "sound" ? submission.header : undefined;
        await this.#queue.saveClosed(fileNo, last.bytes, { uids, of: "all" }, undefined, header);
        file.lastClose = "accepted";
      } else await this.#queue.remove(job);
    } catch (error) {
      log.error("cannot take back what was refused", { job: file.job.id, error });
    }
  }

  /** Lets the job start; where that can't be stored, as soon as it can. */
  async #letGo(open: OpenJob): Promise<void> {
    const { number, owner, lastClose } = open;
    open.letGo(); // At once, as the queue does: it may be held again before that is stored.
    try {
      await this.#queue.release(number, lastClose === "refused" ? "refused" : "closed");
      if (open.hold === "let go") open.lastClose = "accepted";
    } catch (error) {
      log.error("cannot let a job start", { number, error });
      const again = this.#of(number);
      if (again !== open) again.lastClose = lastClose;
      // If somebody has opened it meanwhile, its next close lets it start.
      if (again.hold === "let go") this.#wait(again, owner, RETRY_MS);
    }
    this.#forgetIdle(open);
  }

  #wait(open: OpenJob, owner: number, ms: number) {
    open.wait(owner, ms, () => {
      open.isUnfinished = false;
      this.#letGo(open);
    });
  }

  #load(job: Job, uid: number): CommandFile {
    const file = new CommandFile(job, "stored", new Charge(this.#accounts, uid, job.commandBytes));
    this.#of(job.file).file = file;
    file.ready = this.#reload(file);
    return file;
  }

  async #reload(file: CommandFile): Promise<void> {
    const { version } = file;
    const bytes = await this.#queue.command(file.job.file);
    if (bytes === undefined) throw new ErrnoError("ESTALE");
    if (file.version === version) file.fill(bytes); // else somebody has begun to write meanwhile
  }

  #of(number: FileNo): OpenJob {
    const known = this.#jobs.get(number);
    if (known) return known;
    const open = new OpenJob(number, this.#accounts);
    this.#jobs.set(number, open);
    return open;
  }

  #forgetIdle(open: OpenJob) {
    if (open.isIdle && this.#jobs.get(open.number) === open) this.#jobs.delete(open.number);
  }
}
