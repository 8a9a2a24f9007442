import { getLogger } from "@logtape/logtape";
import type { Job, Queue } from "../queue/queue.ts";
import { ErrnoError } from "../fuse/mod.ts";
import { faultOf, faultOfWrite, hasHole, isText } from "../job/content.ts";
import { isDraft } from "../job/id.ts";
import { type Accounts, Charge } from "./accounts.ts";
import { CommandFile } from "./command_file.ts";
import { FINISH_WAIT_MS } from "./makers.ts";
import { Warnings } from "./warnings.ts";

const log = getLogger(["filed", "tree"]);

/** How long a job that was moved to pending stays there at least: mv(1) of several files looks at each where it put it. */
const MOVE_WAIT_MS = 100;
/** Until the next try, when the state file can't be written (its disk is full). */
const RETRY_MS = 1_000;

/** One open of a pending job. */
export interface CommandHandle {
  kind: "command";
  file: CommandFile;
  /** Who opened it. */
  uid: number;
  /** It keeps the job from starting: it may write, or it made the file. */
  isHolder: boolean;
  /** What fills it may be a mapping: it was opened for both reading and writing (mmap(2)), and write(2) has brought no text. */
  mayMap: boolean;
  /** Its first write went to disk at once; the later ones wait for flush. */
  hasWritten: boolean;
  /** What each write fails with, once one has brought what can never run. */
  refusal: ErrnoError | undefined;
}

/** The pending jobs that somebody has open, and what becomes of them when the last one closes. */
export class OpenCommands implements Disposable {
  readonly #queue: Queue;
  readonly #now: () => number;
  readonly #accounts: Accounts;
  readonly #warnings: Warnings;
  readonly #files = new Map<number, CommandFile>();
  /** Removed jobs that are still open. */
  readonly #orphans = new Map<number, CommandFile>();
  /** Jobs whose makers have more to do to them than to write them; until that is done, or its time is over. */
  readonly #unfinished = new Set<number>();
  readonly #waiting = new Map<number, ReturnType<typeof setTimeout>>();
  /**
   * The jobs that are held, those that wait included, and whom each is counted for: its owner at the time.
   */
  readonly #held = new Map<number, number>();

  constructor(queue: Queue, now: () => number, accounts: Accounts) {
    this.#queue = queue;
    this.#now = now;
    this.#accounts = accounts;
    this.#warnings = new Warnings(accounts, now);
  }

  /**
   * To be called before a job comes to pending.
   * @throws {ErrnoError} EDQUOT, ENOSPC if its owner may hold no more.
   */
  requireRoom(owner: number) {
    this.#accounts.requireRoom(owner, "heldJobs", 1);
  }

  /** The content of a pending job that is open. */
  get(number: number): CommandFile | undefined {
    return this.#files.get(number);
  }

  /** The content that somebody still has open of a job that was removed, or moved away. */
  orphan(number: number): CommandFile | undefined {
    return this.#orphans.get(number);
  }

  /**
   * A handle of the job just made, which the queue holds already.
   * @param closed `unfinished`: once its maker has closed it, it will rename it, or give it its owner and mode.
   */
  created(job: Job, closed: "finished" | "unfinished"): CommandHandle {
    const file = new CommandFile(job, "new", new Charge(this.#accounts, job.uid, 0));
    this.#hold(job.number, job.uid);
    this.#files.set(job.number, file);
    if (closed === "unfinished") this.#unfinished.add(job.number);
    return handleOf(file, job.uid, "write");
  }

  /**
   * @throws {ErrnoError} ESTALE if the job is not pending any more: the kernel then looks the name up again;
   * EDQUOT, ENOSPC if the user may have no more of it in memory, or the job's owner hold no more.
   */
  async open(
    job: Job,
    uid: number,
    access: "read" | "write",
    contents: "keep" | "truncate",
  ): Promise<CommandHandle> {
    const { number } = job;
    if (access === "write" && !this.#held.has(number)) this.requireRoom(job.uid);
    const file = this.#files.get(number) ?? this.#load(job, uid);
    if (access === "write") {
      this.#hold(number, job.uid);
      this.#stopWaiting(number);
    }
    const handle = handleOf(file, uid, access);
    try {
      const [now] = await Promise.all([
        access === "write" ? this.#queue.hold(number) : this.#queue.get(number),
        file.ready,
      ]);
      if (now?.state !== "pending" && !file.isOrphan) throw new ErrnoError("ESTALE");
      if (access === "write" && now) {
        file.before ??= { bytes: file.bytes, foreignWriter: now.foreignWriter };
        file.job = now;
      }
      if (contents === "truncate") {
        file.spoiled = file.refused = undefined;
        file.truncate(0, this.#now());
      }
      return handle;
    } catch (error) {
      await this.release(handle);
      throw error;
    }
  }

  /**
   * @param source `mapping`: pages of a shared mapping, which may be written to still.
   * @throws {ErrnoError} EFBIG, EINVAL; what the store answers. Nothing is written then, and close fails too.
   */
  async write(
    handle: CommandHandle,
    offset: number,
    data: Uint8Array,
    where: "at" | "end",
    source: "call" | "mapping",
  ): Promise<number> {
    const { file } = handle;
    const { length } = data;
    if (handle.refusal) throw handle.refusal;
    if (file.isOrphan && file.spoiled !== undefined) throw file.spoiled;
    let takeBack = () => {};
    try {
      takeBack = file.write(where === "end" ? file.bytes.length : offset, data, this.#now());
      if (source === "call" && isText(data)) handle.mayMap = false;
      if (source === "call" && !isDraft(file.job.id)) {
        const fault = faultOfWrite(file.bytes, data);
        if (fault !== undefined) throw handle.refusal = this.#refuse(handle.uid, file, fault);
      }
      if (!handle.hasWritten) await this.sync(handle);
      handle.hasWritten = true;
      return length;
    } catch (error) {
      takeBack();
      file.spoiled = error;
      throw error;
    }
  }

  /** Sets the size; through a path (no handle) it is stored at once, as if closed. */
  async truncate(job: Job, uid: number, size: number, handle: CommandHandle | undefined): Promise<void> {
    if (handle) return void handle.file.truncate(size, this.#now());
    const opened = await this.open(job, uid, "write", "keep");
    try {
      opened.file.truncate(size, this.#now());
      await this.flush(opened);
    } finally {
      await this.release(opened);
    }
  }

  /** What was written is on disk, though not closed. */
  async sync({ file }: CommandHandle): Promise<void> {
    if (file.isStored) return;
    if (file.isOrphan) return refuseSpoiled(file);
    await file.store(
      "written",
      (bytes, writers) => this.#queue.writeThrough(file.job.number, bytes, writers, file.modifiedAt),
    );
  }

  /**
   * What was written is on disk, and is what would run.
   * @param moment "release": nobody writes through this handle any more.
   * @throws What an earlier write threw; {ErrnoError} EINVAL.
   */
  async flush(handle: CommandHandle, moment: "close" | "release" = "close"): Promise<void> {
    const { file, isHolder } = handle;
    if (!isHolder || file.isClosed) return;
    refuseSpoiled(file);
    if (file.isOrphan) return;
    const fault = isDraft(file.job.id) ? undefined : faultOf(file.bytes, "whole");
    if (fault !== undefined) {
      // A mapping outlives the close(2) of its file, and may fill a hole still.
      if (moment === "close" && handle.mayMap && hasHole(file.bytes)) return;
      throw this.#refuse(handle.uid, file, fault);
    }
    file.refused = undefined;
    try {
      await file.store("closed", async (bytes, writers) => {
        const closed = await this.#queue.close(file.job.number, bytes, writers, file.modifiedAt);
        if (!closed || !handle.hasWritten) return; // A shell closes a copy before it writes.
        file.left = { bytes, foreignWriter: closed.foreignWriter, by: handle };
      });
    } catch (error) {
      file.spoiled = error; // The close was refused: what it was to store must not run when there is room later.
      throw error;
    }
  }

  /** The handle is gone; with the last one that holds it, the job may start. */
  async release(handle: CommandHandle): Promise<void> {
    const { file, uid, isHolder } = handle;
    const { number } = file.job;
    try {
      await this.flush(handle, "release"); // What came after the last flush: pages of a shared mapping.
    } catch (error) {
      if (file.refused === undefined) {
        this.#warnings.warn(uid, "what was written to a pending job is dropped", { job: file.job.id, error });
      }
    }
    file.closed(uid);
    if (isHolder) file.holders.splice(file.holders.indexOf(uid), 1);
    if (isHolder && file.holders.length === 0) await this.#takeBackRefused(file);
    const files = file.isOrphan ? this.#orphans : this.#files;
    if (file.handles === 0 && files.get(number) === file) files.delete(number);
    if (!isHolder || file.holders.length > 0 || file.isOrphan) return;
    // One closed empty stays unfinished: its maker only wanted the name, and opens it again to write.
    const mayStart = !this.#unfinished.has(number) || file.bytes.length === 0;
    if (mayStart) await this.#release(number);
    else this.#releaseAfter(number, FINISH_WAIT_MS);
    if (file.handles > 0 && !file.isClosed) await this.#reload(file); // Its readers see what there is now.
  }

  /** @throws {ErrnoError} EINVAL if the draft, which is to be submitted, can never run. */
  async requireSound(draft: Job): Promise<void> {
    const { number } = draft;
    const file = this.#files.get(number);
    const fault = file && file.holders.length > 0
      ? faultOf(file.bytes, "part")
      : faultOf(await this.#queue.command(number) ?? new Uint8Array(), "whole");
    if (fault === undefined) return;
    this.#warnings.warn(draft.uid, "content refused", { job: draft.id, reason: `it ${fault}` });
    throw new ErrnoError("EINVAL");
  }

  /** The job has another id: what waited for that may start. */
  async renamed(job: Job): Promise<void> {
    const { number } = job;
    const file = this.#files.get(number);
    if (file) file.job = job;
    this.#unfinished.delete(number);
    if (this.#stopWaiting(number)) await this.#release(number);
  }

  /** The job came to pending, held. */
  moved({ number, uid }: Job) {
    this.#hold(number, uid);
    this.#releaseAfter(number, MOVE_WAIT_MS);
  }

  /**
   * The job is removed, and who has it open keeps the content; or it was `moved` out of pending as it was last closed, and
   * who writes on is told so.
   */
  removed(number: number, how: "removed" | "moved") {
    this.#unfinished.delete(number);
    this.#stopWaiting(number);
    this.#letGo(number);
    const file = this.#files.get(number);
    if (!file) return;
    file.isOrphan = true;
    if (how === "moved" && file.holders.length > 0) file.spoiled = new ErrnoError("ESTALE");
    this.#files.delete(number);
    this.#orphans.set(number, file);
  }

  [Symbol.dispose]() {
    for (const number of [...this.#waiting.keys()]) this.#stopWaiting(number);
  }

  /**
   * All that wrote have closed. Nothing of what was refused stays: the file is as it was before, or as
   * another has left it; one that was made for it vanishes.
   */
  async #takeBackRefused(file: CommandFile): Promise<void> {
    const { number } = file.job;
    const { before, left } = file.forgetKept();
    const last = left && left.by.refusal === undefined ? left : before;
    if (file.isOrphan || file.refused === undefined || file.isClosed || last === undefined) return;
    try {
      const job = await this.#queue.get(number);
      if (job?.state !== "pending") return;
      if (last !== "none") {
        file.fill(last.bytes);
        const uids = new Set(last.foreignWriter === null ? [] : [last.foreignWriter]);
        await this.#queue.close(number, last.bytes, { uids, of: "part" }, undefined);
      } else if ((await this.#queue.remove(job, "drop")).ok) this.removed(number, "removed");
    } catch (error) {
      log.error("cannot take back what was refused", { job: file.job.id, error });
    }
  }

  /** Lets the job start; where that can't be stored, as soon as it can. */
  async #release(number: number) {
    // At once, as the queue does: it may be held again before that is stored.
    const owner = this.#letGo(number);
    try {
      await this.#queue.release(number);
    } catch (error) {
      log.error("cannot let a job start", { number, error });
      const isOpenAgain = (this.#files.get(number)?.holders.length ?? 0) > 0; // Then its next close lets it start.
      if (isOpenAgain) return;
      if (owner !== undefined) this.#hold(number, owner);
      this.#releaseAfter(number, RETRY_MS);
    }
  }

  #hold(number: number, owner: number) {
    if (this.#held.has(number)) return;
    this.#held.set(number, owner);
    this.#accounts.charge(owner, "heldJobs", 1);
  }

  /** @returns Whom it was counted for, if it was held. */
  #letGo(number: number): number | undefined {
    const owner = this.#held.get(number);
    if (!this.#held.delete(number) || owner === undefined) return undefined;
    this.#accounts.giveBack(owner, "heldJobs", 1);
    return owner;
  }

  /** Says so once, however often it is tried. @returns What the caller hears. */
  #refuse(uid: number, file: CommandFile, fault: string): ErrnoError {
    if (file.refused === undefined) {
      this.#warnings.warn(uid, "content refused", { job: file.job.id, reason: `it ${fault}` });
    }
    file.refused = fault;
    return new ErrnoError("EINVAL");
  }

  #releaseAfter(number: number, ms: number) {
    this.#stopWaiting(number);
    const timer = setTimeout(() => {
      this.#waiting.delete(number);
      this.#unfinished.delete(number);
      this.#release(number);
    }, ms);
    this.#waiting.set(number, timer);
  }

  #stopWaiting(number: number): boolean {
    clearTimeout(this.#waiting.get(number));
    return this.#waiting.delete(number);
  }

  #load(job: Job, uid: number): CommandFile {
    const file = new CommandFile(job, "stored", new Charge(this.#accounts, uid, job.commandBytes));
    this.#files.set(job.number, file);
    file.ready = this.#reload(file);
    return file;
  }

  async #reload(file: CommandFile) {
    const { version } = file;
    const bytes = await this.#queue.command(file.job.number);
    if (bytes === undefined) throw new ErrnoError("ESTALE");
    if (file.version === version) file.fill(bytes); // else somebody has begun to write meanwhile
  }
}

function refuseSpoiled({ spoiled }: CommandFile) {
  if (spoiled !== undefined) throw spoiled;
}

function handleOf(file: CommandFile, uid: number, access: "read" | "write"): CommandHandle {
  const isHolder = access === "write";
  file.opened(uid);
  if (isHolder) file.holders.push(uid);
  return { kind: "command", file, uid, isHolder, hasWritten: false, refusal: undefined, mayMap: false };
}
