import type {
  AttributeChanges,
  Attributes,
  AttributesReply,
  Created,
  DirectorySink,
  Entry,
  Fh,
  FileSystem,
  NodeId,
  Opened,
  Request,
  StatFs,
} from "../fuse/mod.ts";
import {
  ErrnoError,
  O_ACCMODE,
  O_APPEND,
  O_EXCL,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  RENAME_NOREPLACE,
  S_IFMT,
  S_IFREG,
} from "../fuse/mod.ts";
import { type JobId, parseJobId } from "../queue/id.ts";
import type { Job, Ownership, Queue } from "../queue/queue.ts";
import type { State } from "../queue/states.ts";
import { commandAttributes, defaultMode, fixedAttributes, logAttributes } from "./attributes.ts";
import { ConfigFile, type ConfigHandle } from "./config_file.ts";
import { granted } from "./errors.ts";
import { listJobs, listRoot } from "./listing.ts";
import { commandNodeid, FIXED_NODES, type FixedNode, logNodeid, nodeOf, viewOf } from "./nodes.ts";
import { type CommandHandle, OpenCommands } from "./open_commands.ts";
import { type LogHandle, OpenLogs } from "./open_logs.ts";

/** One open of new-id. */
interface NewIdHandle {
  kind: "new-id";
  bytes: Uint8Array;
}

type Handle = CommandHandle | LogHandle | ConfigHandle | NewIdHandle;

export interface TreeOptions {
  /** Who owns the nodes that are always there, until somebody changes that. */
  owner: { uid: number; gid: number };
  /** What `df` tells. */
  statfs(): Promise<StatFs>;
}

const LAST_TIME_MS = 8.64e15; // ECMAScript, Time Values and Time Range
const SETGID = 0o2000;
/** A directory changes behind the kernel's back only by jobs that start and end: its times may be this much late. */
const DIRECTORY_VALID_MS = 1_000;
/** A directory looks no older than this: `find complete -mtime +7 -delete` is about what is in it. */
const DIRECTORY_AGE_MS = 24 * 3_600_000;
/** The mark of mkstemp(3): what has it will be renamed once it is whole. */
const TEMPORARY = { flags: O_EXCL | O_RDWR, mask: O_EXCL | O_ACCMODE, mode: 0o600 };

/**
 * The directory contract: each request of the kernel as an operation of the queue. Who may do what, the kernel decides
 * from the attributes (`default_permissions`); here is decided what makes sense.
 *
 * Names of jobs are valid for no time at all, since jobs move by themselves: the kernel asks each time.
 */
export class Tree implements FileSystem, Disposable {
  readonly #queue: Queue;
  readonly #options: TreeOptions;
  readonly #commands: OpenCommands;
  readonly #logs: OpenLogs;
  readonly #config: ConfigFile;
  readonly #handles = new Map<Fh, Handle>();
  readonly #now: () => number;
  readonly #born: number;
  #lastFh = 0n;
  /** What the next id is likely to be long, with its newline. */
  #newIdBytes = 5;

  constructor(queue: Queue, options: TreeOptions, now: () => number = Date.now) {
    this.#queue = queue;
    this.#options = options;
    this.#now = now;
    this.#born = now();
    this.#commands = new OpenCommands(queue, now);
    this.#logs = new OpenLogs(queue);
    this.#config = new ConfigFile(queue, now);
  }

  async lookup(_request: Request, parent: NodeId, name: Uint8Array): Promise<Entry> {
    const id = idOf(name);
    const directory = nodeOf(parent);
    if (directory?.kind === "root") {
      const fixed = FIXED_NODES.find((fixed) => fixed.name === id);
      if (!fixed) throw new ErrnoError("ENOENT");
      const { attributes, attributesValidMs } = await this.#fixedReply(fixed);
      return { nodeid: fixed.nodeid as NodeId, attributes, attributesValidMs, entryValidMs: Infinity };
    }
    return this.#entry(await this.#jobIn(stateOf(parent), id));
  }

  async getattr(_request: Request, nodeid: NodeId): Promise<AttributesReply> {
    const fixed = fixedNode(nodeid);
    if (fixed) return await this.#fixedReply(fixed);
    return { attributes: await this.#jobAttributes(nodeid), attributesValidMs: 0 };
  }

  async setattr(request: Request, nodeid: NodeId, changes: AttributeChanges): Promise<AttributesReply> {
    const fixed = fixedNode(nodeid);
    if (fixed) await this.#changeFixed(fixed, changes);
    else await this.#changeJob(nodeid, changes);
    return await this.getattr(request, nodeid);
  }

  async create(
    request: Request,
    parent: NodeId,
    name: Uint8Array,
    { flags, mode, umask }: { flags: number; mode: number; umask: number },
  ): Promise<Created> {
    const job = await this.#createJob(request, parent, name, mode & ~umask, flags);
    const isTemporary = (flags & TEMPORARY.mask) === TEMPORARY.flags && (mode & 0o7777) === TEMPORARY.mode;
    const handle = this.#commands.created(job, isTemporary ? "temporary" : "final");
    return { entry: this.#entry(job), opened: this.#opened(handle) };
  }

  async mknod(
    request: Request,
    parent: NodeId,
    name: Uint8Array,
    { mode, umask }: { mode: number; umask: number },
  ): Promise<Entry> {
    if ((mode & S_IFMT) !== S_IFREG) throw new ErrnoError("EPERM");
    const job = await this.#createJob(request, parent, name, mode & ~umask, O_EXCL);
    const handle = this.#commands.created(job, "final");
    await this.#commands.flush(handle);
    await this.#commands.release(handle);
    return this.#entry(job);
  }

  async unlink(_request: Request, parent: NodeId, name: Uint8Array): Promise<void> {
    const job = await this.#jobIn(stateOf(parent), idOf(name));
    const log = this.#logs.has(job.number) ? "keep" : "drop";
    granted(await this.#queue.remove(job, log));
    this.#commands.removed(job.number, "removed");
    if (log === "keep") await this.#logs.removed(job);
  }

  async rename(
    _request: Request,
    parent: NodeId,
    name: Uint8Array,
    newParent: NodeId,
    newName: Uint8Array,
    flags: number,
  ): Promise<void> {
    if ((flags & ~RENAME_NOREPLACE) !== 0) throw new ErrnoError("EINVAL");
    const to = stateOf(newParent);
    const from = stateOf(parent);
    const job = await this.#jobIn(from, idOf(name));
    const replace = flags & RENAME_NOREPLACE ? "keep" : "replace";
    const { replaced } = granted(await this.#queue.move(job, to, idOf(newName), replace, this.#logs));
    if (replaced) {
      this.#commands.removed(replaced.number, "removed");
      await this.#logs.removed(replaced);
    }
    if (to !== "pending") this.#commands.removed(job.number, "moved");
    else if (from === "pending") await this.#commands.renamed(job.number);
    else this.#commands.moved(job.number);
  }

  async open(_request: Request, nodeid: NodeId, flags: number): Promise<Opened> {
    const node = nodeOf(nodeid);
    const access = (flags & O_ACCMODE) === O_RDONLY && !(flags & O_TRUNC) ? "read" : "write";
    const contents = flags & O_TRUNC ? "truncate" : "keep";
    switch (node?.kind) {
      case "config":
        return this.#opened(await this.#config.open(contents));
      case "new-id": {
        if (access === "write") throw new ErrnoError("EACCES");
        const bytes = new TextEncoder().encode(await this.#queue.newId() + "\n");
        this.#newIdBytes = bytes.length;
        return this.#opened({ kind: "new-id", bytes });
      }
      case "command":
        return this.#opened(await this.#commands.open(await this.#jobOf(nodeid), access, contents));
      case "log":
        if (access === "write") throw new ErrnoError("EACCES");
        return this.#opened(this.#logs.open((await this.#jobOf(nodeid)).number));
      default:
        throw new ErrnoError("EISDIR");
    }
  }

  read(
    _request: Request,
    _nodeid: NodeId,
    fh: Fh,
    offset: number,
    sizeBytes: number,
  ): Uint8Array | Promise<Uint8Array> {
    const handle = this.#handle(fh);
    switch (handle.kind) {
      case "command":
        return handle.file.read(offset, sizeBytes);
      case "log":
        return this.#queue.readLog(handle.number, offset, sizeBytes);
      default:
        return handle.bytes.subarray(offset, offset + sizeBytes);
    }
  }

  async write(
    _request: Request,
    _nodeid: NodeId,
    fh: Fh,
    offset: number,
    data: Uint8Array,
    flags: number,
  ): Promise<number> {
    const handle = this.#handle(fh);
    const where = flags & O_APPEND ? "end" : "at";
    if (handle.kind === "command") return await this.#commands.write(handle, offset, data, where);
    if (handle.kind === "config") return await this.#config.write(handle, offset, data, where);
    throw new ErrnoError("EBADF");
  }

  flush(_request: Request, _nodeid: NodeId, fh: Fh): void | Promise<void> {
    const handle = this.#handle(fh);
    if (handle.kind === "command") return this.#commands.flush(handle);
    if (handle.kind === "config") return this.#config.flush(handle);
  }

  fsync(_request: Request, _nodeid: NodeId, fh: Fh): void | Promise<void> {
    const handle = this.#handle(fh);
    if (handle.kind === "command") return this.#commands.sync(handle);
  }

  release(_request: Request, _nodeid: NodeId, fh: Fh): void | Promise<void> {
    const handle = this.#handle(fh);
    this.#handles.delete(fh);
    if (handle.kind === "command") return this.#commands.release(handle);
    if (handle.kind === "log") return this.#logs.release(handle);
  }

  readdir(
    _request: Request,
    nodeid: NodeId,
    _fh: Fh,
    cookie: number,
    sink: DirectorySink,
  ): void | Promise<void> {
    const node = nodeOf(nodeid);
    if (node?.kind === "root") return listRoot(cookie, sink);
    return listJobs(this.#queue, stateOf(nodeid), nodeid, cookie, sink);
  }

  statfs(): Promise<StatFs> {
    return this.#options.statfs();
  }

  [Symbol.dispose]() {
    this.#commands[Symbol.dispose]();
  }

  async #createJob(
    request: Request,
    parent: NodeId,
    name: Uint8Array,
    mode: number,
    flags: number,
  ): Promise<Job> {
    const id = idOf(name);
    if (stateOf(parent) !== "pending") throw new ErrnoError("EPERM");
    const directory = await this.#ownership(fixedNode(parent) as FixedNode);
    const gid = directory.mode & SETGID ? directory.gid : request.gid;
    const created = await this.#queue.create(id, { uid: request.uid, gid, mode: mode & 0o777 });
    if (created.ok) return created.value;
    const other = await this.#queue.find(id);
    // The kernel believed that there was no such file, so it has not checked whether this caller may write it:
    // ESTALE makes it look again.
    const isHidden = !other || other.state === "pending" && !(flags & O_EXCL);
    throw isHidden ? new ErrnoError("ESTALE") : new ErrnoError("EEXIST");
  }

  async #changeFixed(fixed: FixedNode, changes: AttributeChanges): Promise<void> {
    const { mode, uid, gid, sizeBytes, fh } = changes;
    if (sizeBytes !== undefined) {
      const handle = fh === undefined ? undefined : this.#handles.get(fh);
      if (fixed.node.kind !== "config") throw new ErrnoError("EACCES");
      this.#config.truncate(handle?.kind === "config" ? handle : undefined, sizeBytes);
    }
    if (mode === undefined && uid === undefined && gid === undefined) return;
    const now = await this.#ownership(fixed);
    await this.#queue.setNode(fixed.name, {
      mode: mode ?? now.mode,
      uid: uid ?? now.uid,
      gid: gid ?? now.gid,
    });
  }

  async #changeJob(nodeid: NodeId, changes: AttributeChanges): Promise<void> {
    const { mode, uid, gid, sizeBytes, atime, mtime, fh } = changes;
    if (this.#changeRemoved(nodeid, changes)) return;
    const handle = fh === undefined ? undefined : this.#handles.get(fh);
    const job = await this.#jobOf(nodeid);
    if (sizeBytes !== undefined) {
      if (job.state !== "pending") throw new ErrnoError("EACCES");
      await this.#commands.truncate(job, sizeBytes, handle?.kind === "command" ? handle : undefined);
    }
    if (mode !== undefined || uid !== undefined || gid !== undefined) {
      await this.#queue.setOwnership(job, {
        ...mode === undefined ? {} : { mode: mode & 0o777 },
        ...uid === undefined ? {} : { uid },
        ...gid === undefined ? {} : { gid },
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

  /** @returns Whether the node is of a job that is removed and still open: what is changed of it goes with its last handle. */
  #changeRemoved(nodeid: NodeId, { mode, uid, gid, sizeBytes }: AttributeChanges): boolean {
    const node = nodeOf(nodeid);
    if (node?.kind === "log") return this.#logs.get(node.number) !== undefined;
    const file = node?.kind === "command" ? this.#commands.get(node.number) : undefined;
    if (!file?.isOrphan) return false;
    if (sizeBytes !== undefined) file.truncate(sizeBytes, this.#now());
    const { job } = file;
    file.job = {
      ...job,
      mode: mode === undefined ? job.mode : mode & 0o777,
      uid: uid ?? job.uid,
      gid: gid ?? job.gid,
    };
    return true;
  }

  async #jobIn(state: State, id: JobId): Promise<Job> {
    const job = await this.#queue.find(id);
    if (job?.state !== state) throw new ErrnoError("ENOENT");
    return job;
  }

  /** @throws {ErrnoError} ESTALE if the job shows something else now: the kernel then looks the name up again. */
  async #jobOf(nodeid: NodeId): Promise<Job> {
    const node = nodeOf(nodeid);
    if (node?.kind !== "command" && node?.kind !== "log") throw new ErrnoError("ESTALE");
    const job = await this.#queue.get(node.number);
    if (!job || viewOf(job.state) !== node.kind) throw new ErrnoError("ESTALE");
    return job;
  }

  #entry(job: Job): Entry {
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

  async #jobAttributes(nodeid: NodeId): Promise<Attributes> {
    const node = nodeOf(nodeid);
    if (node?.kind !== "command" && node?.kind !== "log") throw new ErrnoError("ESTALE");
    const job = await this.#queue.get(node.number);
    if (node.kind === "command") {
      const file = this.#commands.get(node.number);
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

  async #fixedReply(fixed: FixedNode): Promise<AttributesReply> {
    const { node } = fixed;
    const ownership = await this.#ownership(fixed);
    const sizeBytes = node.kind === "config"
      ? (await this.#config.bytes()).length
      : node.kind === "new-id"
      ? this.#newIdBytes
      : 0;
    const changed = node.kind === "config"
      ? this.#config.changedAt
      : node.kind === "directory"
      ? Math.max(this.#queue.changedAt(node.state), this.#now() - DIRECTORY_AGE_MS)
      : this.#born;
    const attributes = fixedAttributes(fixed, ownership, sizeBytes, { born: this.#born, changed });
    return { attributes, attributesValidMs: node.kind === "config" ? 0 : DIRECTORY_VALID_MS };
  }

  async #ownership(fixed: FixedNode): Promise<Ownership> {
    return await this.#queue.node(fixed.name) ?? { ...this.#options.owner, mode: defaultMode(fixed) };
  }

  #opened(handle: Handle): Opened {
    const fh = ++this.#lastFh as Fh;
    this.#handles.set(fh, handle);
    return handle.kind === "new-id" ? { fh, cache: "direct" } : { fh };
  }

  #handle(fh: Fh): Handle {
    const handle = this.#handles.get(fh);
    if (!handle) throw new ErrnoError("EBADF");
    return handle;
  }

  /** Within what a Date can hold: clients may ask for any 64 bits of seconds. */
  #time(time: number | "now"): number {
    return time === "now" ? this.#now() : Math.max(-LAST_TIME_MS, Math.min(time, LAST_TIME_MS));
  }
}

/** @throws {ErrnoError} ENAMETOOLONG, EINVAL. */
function idOf(name: Uint8Array): JobId {
  const id = parseJobId(name);
  if (typeof id === "string") return id;
  throw new ErrnoError(id.fault === "too-long" ? "ENAMETOOLONG" : "EINVAL");
}

/** The state whose directory it is. @throws {ErrnoError} EPERM for the root, in which nothing can be changed. */
function stateOf(nodeid: NodeId): State {
  const node = nodeOf(nodeid);
  if (node?.kind === "directory") return node.state;
  throw new ErrnoError(node?.kind === "root" ? "EPERM" : "ENOTDIR");
}

function fixedNode(nodeid: NodeId): FixedNode | undefined {
  return nodeid <= FIXED_NODES.length ? FIXED_NODES[Number(nodeid) - 1] : undefined;
}
