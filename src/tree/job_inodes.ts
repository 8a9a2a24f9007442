import { type AttributeChanges, type Attributes, type Entry, ErrnoError, type NodeId } from "../fuse/mod.ts";
import type { Job, Queue } from "../queue/queue.ts";
import { commandAttributes, logAttributes } from "./attributes.ts";
import { clientTime } from "./client_time.ts";
import { MAKER_MS, Makers } from "./makers.ts";
import { commandNodeid, logNodeid } from "./node_ids.ts";
import { nodeOf, viewOf } from "./nodes.ts";
import type { CommandHandle, OpenCommands } from "./open_commands.ts";
import type { OpenLogs } from "./open_logs.ts";
import { requireRight } from "./rights.ts";

/** How long the kernel goes by what a listing told it, as `ls -l` and `find` do. */
const LISTED_MS = 50;
/** For the stat(2) that a lookup is part of: the kernel would ask for the attributes again. It rounds up to its clock's step. */
const ATTRIBUTES_VALID_MS = 1;
const PERMISSIONS = 0o777; // Of a job no set-user-ID, set-group-ID or sticky bit is kept.
/** What clocks of two hosts, or two steps of one clock, may differ by. */
const CLOCK_SKEW_MS = 1_000;

/** The attributes of jobs, those included that are removed and still open. */
export class JobInodes {
  readonly #queue: Queue;
  readonly #commands: OpenCommands;
  readonly #logs: OpenLogs;
  readonly #now: () => number;
  readonly #makers: Makers;

  constructor(queue: Queue, commands: OpenCommands, logs: OpenLogs, now: () => number) {
    this.#queue = queue;
    this.#commands = commands;
    this.#logs = logs;
    this.#now = now;
    this.#makers = new Makers(now);
  }

  /** What a lookup of the job's name answers. */
  entry(job: Job): Entry {
    return this.#entry(job, this.#createdMs(job));
  }

  /** What its maker sees who looks for it in pending, which it has left; `undefined`: it is not there. */
  soughtEntry(uid: number, job: Job): Entry | undefined {
    const sought = this.#makers.soughtMtime(job.number, uid);
    if (sought === undefined) return undefined;
    return {
      nodeid: commandNodeid(job.number),
      attributes: this.#past(job, sought),
      attributesValidMs: ATTRIBUTES_VALID_MS,
      entryValidMs: 0,
    };
  }

  #past(job: Job, mtimeMs: number): Attributes {
    return { ...commandAttributes({ ...job, visibleAt: null }, undefined, this.#now()), mtimeMs };
  }

  /** What a listing of its directory with attributes answers: whoever asked for those has not come to this job yet. */
  listedEntry(job: Job): Entry {
    return { ...this.#entry(job, Math.max(LISTED_MS, this.#createdMs(job))), attributesValidMs: LISTED_MS };
  }

  /** The name that its maker goes by stays known, whoever looks for it or lists it: all share what the kernel knows of names. */
  #createdMs(job: Job): number {
    return job.state === "pending" ? this.#makers.nameValidMs(job.number) : 0;
  }

  /** What the creation of the job answers. */
  createdEntry(job: Job): Entry {
    this.#makers.made(job.number, job.uid);
    return this.#entry(job, MAKER_MS);
  }

  /**
   * Whether that user made the job a short while ago, and knows it by the name in pending that the kernel was
   * told then.
   */
  isJustMadeBy(uid: number, job: Job): boolean {
    return this.#makers.isMaker(uid, job.number);
  }

  /**
   * To be called before the job gets a name outside of pending: the kernel would go on to see the command there.
   * @throws {ErrnoError} ESTALE, once: the kernel then looks the name up again.
   */
  renew(job: Job) {
    this.#makers.endSearch(job.number); // Whoever moves it looks for it where it is.
    if (this.#makers.takeBackName(job.number)) throw new ErrnoError("ESTALE");
  }

  #entry(job: Job, entryValidMs: number): Entry {
    const isCommand = viewOf(job.state) === "command";
    return {
      nodeid: isCommand ? commandNodeid(job.number) : logNodeid(job),
      attributes: isCommand
        ? commandAttributes(job, this.#commands.get(job.number), this.#now())
        : logAttributes(job, 1),
      attributesValidMs: ATTRIBUTES_VALID_MS,
      entryValidMs,
    };
  }

  /** @throws {ErrnoError} ESTALE if the job shows something else now: the kernel then looks the name up again. */
  async jobOf(nodeid: NodeId): Promise<Job> {
    const node = nodeOf(nodeid);
    if (node?.kind !== "command" && node?.kind !== "log") throw new ErrnoError("ESTALE");
    const job = await this.#queue.get(node.number);
    if (!job || viewOf(job.state) !== node.kind) {
      this.#makers.endSearch(node.number); // The kernel looks again, and is told that it is not there.
      throw new ErrnoError("ESTALE");
    }
    if (node.kind === "log" && node.logNumber !== job.logNumber) throw new ErrnoError("ESTALE");
    return job;
  }

  /** @param uid Who asks. @throws {ErrnoError} ESTALE, as `jobOf`. */
  attributes(nodeid: NodeId, uid: number): Promise<Attributes> {
    return this.#attributes(nodeid, uid, "asked-for");
  }

  /**
   * @param uid Who changes it.
   * @param handle The one that the size is to be changed through.
   * @returns What the node shows then.
   * @throws {ErrnoError} EPERM, EACCES; EACCES for the size of a log; EFBIG, ESTALE.
   */
  async change(
    nodeid: NodeId,
    uid: number,
    changes: AttributeChanges,
    handle: CommandHandle | undefined,
  ): Promise<Attributes> {
    if (await this.#changeRemoved(nodeid, uid, changes)) return await this.attributes(nodeid, uid);
    const job = await this.#justMade(nodeid) ?? await this.jobOf(nodeid);
    const isShown = viewOf(job.state) === nodeOf(nodeid)?.kind;
    const isByName = nodeOf(nodeid)?.kind === "command" && changes.fh === undefined;
    const isSought = isByName && typeof changes.mtime === "number" && this.isJustMadeBy(uid, job);
    if (!isShown) this.#refusePast(changes);
    requireRight(uid, job, changes, handle ? "by-handle" : "by-name");
    if (isShown) await this.#changeFile(job, uid, changes, handle);
    await this.#changeOwnership(job, uid, changes);
    if (isSought) this.#makers.seek(job.number, uid, changes.mtime as number);
    return await this.#attributes(nodeid, uid, "changed");
  }

  async #attributes(
    nodeid: NodeId,
    uid: number,
    why: "asked-for" | "changed",
  ): Promise<Attributes> {
    const node = nodeOf(nodeid);
    if (node?.kind !== "command" && node?.kind !== "log") throw new ErrnoError("ESTALE");
    const job = await this.#queue.get(node.number);
    if (node.kind === "command") {
      const file = this.#commands.get(node.number) ??
        (job?.state === "pending" ? undefined : this.#commands.orphan(node.number));
      // A command stays what it was for those who have it open, wherever the job is by now.
      const isShown = file || job?.state === "pending" ||
        why === "changed" && this.#makers.nameValidMs(node.number) > 0;
      const sought = this.#makers.soughtMtime(node.number, uid);
      if (!isShown && job && sought !== undefined) return this.#past(job, sought);
      if (isShown && (job ?? file)) return commandAttributes(job ?? file?.job as Job, file, this.#now());
    } else {
      const isJobs = job?.logNumber === node.logNumber;
      if (isJobs && (job.state !== "pending" || this.#logs.has(node.logNumber))) return logAttributes(job, 1);
      const removed = this.#logs.get(node.logNumber);
      if (removed) return logAttributes(removed, 0);
    }
    throw new ErrnoError("ESTALE");
  }

  /** The job of a command that was made a short while ago, wherever it is now. */
  async #justMade(nodeid: NodeId): Promise<Job | undefined> {
    const node = nodeOf(nodeid);
    const isJustMade = node?.kind === "command" && this.#makers.nameValidMs(node.number) > 0;
    return isJustMade ? await this.#queue.get(node.number) : undefined;
  }

  /** Changes what a job has only where it is now: its content, and its times. */
  async #changeFile(
    job: Job,
    uid: number,
    { sizeBytes, atime, mtime }: AttributeChanges,
    handle: CommandHandle | undefined,
  ): Promise<void> {
    if (sizeBytes !== undefined) {
      if (job.state !== "pending") throw new ErrnoError("EACCES");
      await this.#commands.truncate(job, uid, sizeBytes, handle);
    }
    if (atime === undefined && mtime === undefined) return;
    const file = this.#commands.get(job.number);
    if (file && mtime !== undefined) file.modifiedAt = undefined; // The store's time counts again.
    await this.#queue.setTimes(job, {
      ...atime === undefined ? {} : { accessedAt: this.#time(atime) },
      ...mtime === undefined ? {} : { modifiedAt: this.#time(mtime) },
    });
  }

  /**
   * Some programs give a file its owner, mode and times by its name after they have closed it, when the job may have
   * started. Owner and mode are those of the job, and the times that they copy say nothing about its log.
   * @throws {ErrnoError} ESTALE for what is past: the command, and when it is to start.
   */
  #refusePast({ sizeBytes, mtime }: AttributeChanges) {
    const isPutOff = mtime !== undefined && this.#time(mtime) > this.#now() + CLOCK_SKEW_MS;
    if (sizeBytes !== undefined || isPutOff) throw new ErrnoError("ESTALE");
  }

  /** @throws {ErrnoError} ESTALE if the job is removed meanwhile, EPERM if it is given away. */
  async #changeOwnership(job: Job, caller: number, { mode, uid, gid }: AttributeChanges): Promise<void> {
    if (mode === undefined && uid === undefined && gid === undefined) return;
    const ownership = {
      ...mode === undefined ? {} : { mode: mode & PERMISSIONS },
      ...uid === undefined ? {} : { uid },
      ...gid === undefined ? {} : { gid },
    };
    for (let current: Job | undefined = job; current; current = await this.#queue.get(job.number)) {
      requireRight(caller, current, { ...ownership, privileges: "keep" }, "by-name");
      const changed = await this.#queue.setOwnership(current, ownership);
      if (!changed) continue; // It has just started, or ended.
      const isGivenAway = uid !== undefined && uid !== current.uid && current.state === "pending";
      if (isGivenAway) this.#logs.disown(current);
      return;
    }
    throw new ErrnoError("ESTALE");
  }

  /** @returns Whether the job is removed and still open: what is changed of it goes with its last handle. */
  async #changeRemoved(nodeid: NodeId, caller: number, changes: AttributeChanges): Promise<boolean> {
    const node = nodeOf(nodeid);
    const { mode, uid, gid, sizeBytes } = changes;
    if (node?.kind === "log") {
      const removed = this.#logs.get(node.logNumber);
      if (removed) requireRight(caller, removed, changes, "by-name");
      return removed !== undefined;
    }
    const file = node?.kind === "command" ? this.#commands.orphan(node.number) : undefined;
    if (!file || (await this.#queue.get(file.job.number))?.state === "pending") return false;
    const { job } = file;
    requireRight(caller, job, changes, "by-handle");
    if (sizeBytes !== undefined) file.truncate(sizeBytes, this.#now());
    file.job = {
      ...job,
      mode: mode === undefined ? job.mode : mode & PERMISSIONS,
      uid: uid ?? job.uid,
      gid: gid ?? job.gid,
    };
    return true;
  }

  #time(time: number | "now"): number {
    return clientTime(time, this.#now());
  }
}
