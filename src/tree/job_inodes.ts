import { type AttributeChanges, type Attributes, type Entry, ErrnoError, type NodeId } from "../fuse/mod.ts";
import type { Job, Queue } from "../queue/queue.ts";
import { commandAttributes, logAttributes } from "./attributes.ts";
import { commandNodeid, logNodeid, nodeOf, viewOf } from "./nodes.ts";
import type { CommandHandle, OpenCommands } from "./open_commands.ts";
import type { OpenLogs } from "./open_logs.ts";

const PERMISSIONS = 0o777; // Of a job no set-user-ID, set-group-ID or sticky bit is kept.
const LAST_TIME_MS = 8.64e15; // ECMAScript, Time Values and Time Range

/** The attributes of jobs, those included that are removed and still open. */
export class JobInodes {
  readonly #queue: Queue;
  readonly #commands: OpenCommands;
  readonly #logs: OpenLogs;
  readonly #now: () => number;

  constructor(queue: Queue, commands: OpenCommands, logs: OpenLogs, now: () => number) {
    this.#queue = queue;
    this.#commands = commands;
    this.#logs = logs;
    this.#now = now;
  }

  /** What a lookup of the job's name answers. */
  entry(job: Job): Entry {
    const isCommand = viewOf(job.state) === "command";
    return {
      nodeid: (isCommand ? commandNodeid(job.number) : logNodeid(job.number)) as NodeId,
      attributes: isCommand
        ? commandAttributes(job, this.#commands.get(job.number), this.#now())
        : logAttributes(job, 1),
      attributesValidMs: 0,
      entryValidMs: 0,
    };
  }

  /** @throws {ErrnoError} ESTALE if the job shows something else now: the kernel then looks the name up again. */
  async jobOf(nodeid: NodeId): Promise<Job> {
    const node = nodeOf(nodeid);
    if (node?.kind !== "command" && node?.kind !== "log") throw new ErrnoError("ESTALE");
    const job = await this.#queue.get(node.number);
    if (!job || viewOf(job.state) !== node.kind) throw new ErrnoError("ESTALE");
    return job;
  }

  /** @throws {ErrnoError} ESTALE, as `jobOf`. */
  async attributes(nodeid: NodeId): Promise<Attributes> {
    const node = nodeOf(nodeid);
    if (node?.kind !== "command" && node?.kind !== "log") throw new ErrnoError("ESTALE");
    const job = await this.#queue.get(node.number);
    if (node.kind === "command") {
      const file = this.#commands.get(node.number) ??
        (job?.state === "pending" ? undefined : this.#commands.orphan(node.number));
      // A command stays what it was for those who have it open, wherever the job is by now.
      if (file || job?.state === "pending") {
        return commandAttributes(job ?? file?.job as Job, file, this.#now());
      }
    } else {
      if (job && (job.state !== "pending" || this.#logs.has(job.number))) return logAttributes(job, 1);
      const removed = this.#logs.get(node.number);
      if (removed) return logAttributes(removed, 0);
    }
    throw new ErrnoError("ESTALE");
  }

  /**
   * @param uid Who changes it.
   * @param handle The one that the size is to be changed through.
   * @throws {ErrnoError} EACCES for the size of a log, EFBIG, ESTALE.
   */
  async change(
    nodeid: NodeId,
    uid: number,
    changes: AttributeChanges,
    handle: CommandHandle | undefined,
  ): Promise<void> {
    if (await this.#changeRemoved(nodeid, changes)) return;
    const { mode, sizeBytes, atime, mtime } = changes;
    const job = await this.jobOf(nodeid);
    if (sizeBytes !== undefined) {
      if (job.state !== "pending") throw new ErrnoError("EACCES");
      await this.#commands.truncate(job, uid, sizeBytes, handle);
    }
    if (mode !== undefined || changes.uid !== undefined || changes.gid !== undefined) {
      await this.#queue.setOwnership(job, {
        ...mode === undefined ? {} : { mode: mode & PERMISSIONS },
        ...changes.uid === undefined ? {} : { uid: changes.uid },
        ...changes.gid === undefined ? {} : { gid: changes.gid },
      });
    }
    if (atime !== undefined || mtime !== undefined) {
      const file = this.#commands.get(job.number);
      if (file && mtime !== undefined) file.modifiedAt = undefined; // The store's time counts again.
      await this.#queue.setTimes(job, {
        ...atime === undefined ? {} : { accessedAt: this.#time(atime) },
        ...mtime === undefined ? {} : { modifiedAt: this.#time(mtime) },
      });
    }
  }

  /** @returns Whether the job is removed and still open: what is changed of it goes with its last handle. */
  async #changeRemoved(nodeid: NodeId, { mode, uid, gid, sizeBytes }: AttributeChanges): Promise<boolean> {
    const node = nodeOf(nodeid);
    if (node?.kind === "log") return this.#logs.get(node.number) !== undefined;
    const file = node?.kind === "command" ? this.#commands.orphan(node.number) : undefined;
    if (!file || (await this.#queue.get(file.job.number))?.state === "pending") return false;
    if (sizeBytes !== undefined) file.truncate(sizeBytes, this.#now());
    const { job } = file;
    file.job = {
      ...job,
      mode: mode === undefined ? job.mode : mode & PERMISSIONS,
      uid: uid ?? job.uid,
      gid: gid ?? job.gid,
    };
    return true;
  }

  /** Within what a Date can hold: clients may ask for any 64 bits of seconds. */
  #time(time: number | "now"): number {
    return time === "now" ? this.#now() : Math.max(-LAST_TIME_MS, Math.min(time, LAST_TIME_MS));
  }
}
