import { getLogger } from "@logtape/logtape";
import type {
  AttributeChanges,
  AttributesReply,
  Created,
  DirectorySink,
  Entry,
  EntrySink,
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
import { isDraft, isRemovedName, type JobId, parseJobId } from "../job/id.ts";
import type { Job, Queue } from "../queue/queue.ts";
import type { State } from "../job/state.ts";
import { Accounts } from "./accounts.ts";
import { ConfigFile, type ConfigHandle } from "./config_file.ts";
import { granted } from "./errors.ts";
import { FixedInodes, fixedNode } from "./fixed_inodes.ts";
import { Handles } from "./handles.ts";
import { JobInodes } from "./job_inodes.ts";
import { listJobs, listJobsWithEntries } from "./listing.ts";
import { isLeftUnfinished } from "./makers.ts";
import { type FixedNode, nodeOf } from "./nodes.ts";
import { type CommandHandle, OpenCommands } from "./open_commands.ts";
import { type LogHandle, OpenLogs } from "./open_logs.ts";
import { RootDirectory, type RootFileHandle } from "./root_directory.ts";

const log = getLogger(["filed", "tree"]);

/** One open of new-id. */
interface NewIdHandle {
  kind: "new-id";
  bytes: Uint8Array;
}

type Handle = CommandHandle | LogHandle | ConfigHandle | RootFileHandle | NewIdHandle;

export interface TreeOptions {
  /** Who owns the nodes that are always there, until somebody changes that. */
  owner: { uid: number; gid: number };
  /** What `df` tells. */
  statfs(): Promise<StatFs>;
  /** What each user may have in memory. */
  accounts?: Accounts;
}

const SETGID = 0o2000;
const STICKY = 0o1000;
const ROOT = 0;

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
  readonly #jobs: JobInodes;
  readonly #fixed: FixedInodes;
  readonly #root: RootDirectory;
  readonly #handles: Handles<Handle>;

  constructor(queue: Queue, options: TreeOptions, now: () => number = Date.now) {
    const { accounts = new Accounts() } = options;
    this.#queue = queue;
    this.#options = options;
    this.#commands = new OpenCommands(queue, now, accounts);
    this.#logs = new OpenLogs(queue);
    queue.keepLogsFor(this.#logs);
    this.#config = new ConfigFile(queue, now, accounts);
    this.#handles = new Handles(accounts);
    this.#jobs = new JobInodes(queue, this.#commands, this.#logs, now);
    this.#fixed = new FixedInodes(queue, this.#config, options.owner, now);
    this.#root = new RootDirectory(this.#config, this.#fixed, accounts, now);
  }

  async lookup(request: Request, parent: NodeId, name: Uint8Array): Promise<Entry> {
    const id = idOf(name);
    if (isRoot(parent)) return await this.#root.lookup(request, id);
    const job = await this.#queue.find(id);
    const state = stateOf(parent);
    if (job?.state === state) return this.#jobs.entry(job);
    const sought = job && state === "pending" ? this.#jobs.soughtEntry(request.uid, job) : undefined;
    if (!sought) throw new ErrnoError("ENOENT");
    return sought;
  }

  async getattr({ uid }: Request, nodeid: NodeId): Promise<AttributesReply> {
    const fixed = fixedNode(nodeid);
    if (fixed) return await this.#fixed.attributes(fixed);
    if (isRootFile(nodeid)) return { attributes: this.#root.attributes(nodeid), attributesValidMs: 0 };
    return { attributes: await this.#jobs.attributes(nodeid, uid), attributesValidMs: 0 };
  }

  async setattr(request: Request, nodeid: NodeId, changes: AttributeChanges): Promise<AttributesReply> {
    if (isRootFile(nodeid)) {
      this.#root.change(nodeid, changes);
      return { attributes: this.#root.attributes(nodeid), attributesValidMs: 0 };
    }
    const fixed = fixedNode(nodeid);
    const handle = changes.fh === undefined ? undefined : this.#handles.find(changes.fh);
    if (!fixed) {
      const through = handle?.kind === "command" ? handle : undefined;
      return {
        attributes: await this.#jobs.change(nodeid, request.uid, changes, through),
        attributesValidMs: 0,
      };
    }
    await this.#fixed.change(fixed, changes);
    if (handle?.kind === "config" && changes.sizeBytes !== undefined) {
      this.#config.truncate(handle, changes.sizeBytes);
    }
    return await this.getattr(request, nodeid);
  }

  create(
    request: Request,
    parent: NodeId,
    name: Uint8Array,
    how: { flags: number; mode: number; umask: number },
  ): Promise<Created> {
    return this.#handles.counted(request.uid, () => this.#create(request, parent, name, how));
  }

  async #create(
    request: Request,
    parent: NodeId,
    name: Uint8Array,
    { flags, mode, umask }: { flags: number; mode: number; umask: number },
  ): Promise<Created> {
    if (isRoot(parent)) {
      const { entry, handle } = await this.#root.create(request, idOf(name), { flags, mode: mode & ~umask });
      return { entry, opened: this.#opened(request.uid, handle) };
    }
    const job = await this.#createJob(request, parent, name, mode & ~umask, flags);
    const handle = this.#commands.created(job, isLeftUnfinished(mode, flags) ? "unfinished" : "finished");
    handle.mayMap = mayMap(flags);
    return { entry: this.#jobs.createdEntry(job), opened: this.#opened(request.uid, handle) };
  }

  async mknod(
    request: Request,
    parent: NodeId,
    name: Uint8Array,
    { mode, umask }: { mode: number; umask: number },
  ): Promise<Entry> {
    if ((mode & S_IFMT) !== S_IFREG) throw new ErrnoError("EPERM");
    if (isRoot(parent)) {
      const { entry, handle } = await this.#root.create(request, idOf(name), {
        flags: O_EXCL,
        mode: mode & ~umask,
      });
      this.#root.release(handle);
      return entry;
    }
    const job = await this.#createJob(request, parent, name, mode & ~umask, O_EXCL);
    const handle = this.#commands.created(job, "finished");
    await this.#commands.flush(handle);
    await this.#commands.release(handle);
    return this.#jobs.entry(job);
  }

  async unlink(request: Request, parent: NodeId, name: Uint8Array): Promise<void> {
    if (isRoot(parent)) return this.#root.unlink(request, idOf(name));
    const job = await this.#jobIn(stateOf(parent), idOf(name));
    const mayTake = await this.#rightToTake(request, parent);
    if (!mayTake(job)) throw new ErrnoError("ESTALE");
    const itsLog = this.#logs.has(job.logNumber) ? "keep" : "drop";
    granted(await this.#queue.remove(job, itsLog));
    this.#commands.removed(job.number, "removed");
    if (itsLog === "keep") await this.#logs.removed(job);
  }

  async rename(
    request: Request,
    parent: NodeId,
    name: Uint8Array,
    newParent: NodeId,
    newName: Uint8Array,
    flags: number,
  ): Promise<void> {
    if ((flags & ~RENAME_NOREPLACE) !== 0) throw new ErrnoError("EINVAL");
    const newId = idOf(newName);
    if (isRoot(parent) && isRoot(newParent)) {
      return await this.#root.rename(request, idOf(name), newId, flags);
    }
    const to = stateOf(newParent);
    const from = stateOf(parent);
    // sshfs and NFS do so, and unlink it once it is closed.
    if (from === "active" && to === "active" && isRemovedName(newId)) {
      return this.unlink(request, parent, name);
    }
    const job = await this.#queue.find(idOf(name));
    if (from === "pending" && to === "pending" && job && this.#isLate(request, job, newId)) {
      return await this.#renameLate(request, parent, job, newId, flags);
    }
    if (job?.state !== from) throw new ErrnoError("ENOENT");
    if (from === "pending" && to !== "pending") this.#jobs.renew(job);
    const mayTake = await this.#rightToTake(request, parent);
    if (!mayTake(job)) throw new ErrnoError("ESTALE");
    const mayReplace = (other: Job) => !(flags & RENAME_NOREPLACE) && mayTake(other);
    if (to === "pending" && from !== "pending") this.#commands.requireRoom(job.uid);
    const isSubmitted = from === "pending" && to === "pending" && isDraft(job.id) && !isDraft(newId);
    if (isSubmitted) await this.#commands.requireSound(job);
    const { job: moved, replaced } = granted(await this.#queue.move(job, to, newId, mayReplace));
    if (replaced) await this.#replaced(replaced);
    if (to !== "pending") this.#commands.removed(job.number, "moved");
    else if (from === "pending") await this.#commands.renamed(moved);
    else this.#commands.moved(job);
  }

  /**
   * Whether who made a job renames it within pending, and it has left that: some write a file anew under a
   * name that can't be told from a job's.
   */
  #isLate({ uid }: Request, job: Job, newId: JobId): boolean {
    return job.state !== "pending" && !isDraft(newId) && this.#jobs.isJustMadeBy(uid, job);
  }

  async #renameLate(request: Request, parent: NodeId, job: Job, newId: JobId, flags: number): Promise<void> {
    const mayTake = await this.#rightToTake(request, parent);
    const mayReplace = (other: Job) => !(flags & RENAME_NOREPLACE) && mayTake(other);
    const { replaced } = granted(await this.#queue.renameLate(job, newId, mayReplace));
    log.info("job that had started got another id", { job: newId, before: job.id });
    if (replaced) await this.#replaced(replaced);
  }

  async #replaced(job: Job): Promise<void> {
    this.#commands.removed(job.number, "removed");
    await this.#logs.removed(job);
  }

  open({ uid }: Request, nodeid: NodeId, flags: number): Promise<Opened> {
    return this.#handles.counted(uid, () => this.#open(uid, nodeid, flags));
  }

  async #open(uid: number, nodeid: NodeId, flags: number): Promise<Opened> {
    const node = nodeOf(nodeid);
    const { access, contents } = askedFor(flags);
    switch (node?.kind) {
      case "config":
        return this.#opened(uid, await this.#config.open(uid, contents));
      case "root-file":
        return this.#opened(uid, this.#root.open(nodeid, contents));
      case "new-id": {
        if (access === "write") throw new ErrnoError("EACCES");
        const bytes = new TextEncoder().encode(await this.#queue.newId() + "\n");
        this.#fixed.newIdBytes = bytes.length;
        return this.#opened(uid, { kind: "new-id", bytes });
      }
      case "command":
        return this.#opened(uid, await this.#openCommand(nodeid, uid, flags));
      case "log":
        if (access === "write") throw new ErrnoError("EACCES");
        return this.#openLog(uid, await this.#jobs.jobOf(nodeid));
      default:
        throw new ErrnoError("EISDIR");
    }
  }

  async #openCommand(nodeid: NodeId, uid: number, flags: number): Promise<CommandHandle> {
    const { access, contents } = askedFor(flags);
    const handle = await this.#commands.open(await this.#jobs.jobOf(nodeid), uid, access, contents);
    handle.mayMap = mayMap(flags);
    return handle;
  }

  read(
    _request: Request,
    _nodeid: NodeId,
    fh: Fh,
    offset: number,
    sizeBytes: number,
  ): Uint8Array | Promise<Uint8Array> {
    const handle = this.#handles.get(fh);
    switch (handle.kind) {
      case "command":
        return handle.file.read(offset, sizeBytes);
      case "log":
        return this.#queue.readLog(handle.logNumber, offset, sizeBytes);
      case "root-file":
        return handle.file.bytes.subarray(offset, offset + sizeBytes);
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
    const handle = this.#handles.get(fh);
    const where = flags & O_APPEND ? "end" : "at";
    if (handle.kind === "command") {
      // Pages come without the flags of an open(2), which those of write(2) have.
      const source = (flags & O_ACCMODE) === O_RDONLY ? "mapping" : "call";
      return await this.#commands.write(handle, offset, data, where, source);
    }
    if (handle.kind === "config") return await this.#config.write(handle, offset, data, where);
    if (handle.kind === "root-file") return await this.#root.write(handle, offset, data, where);
    throw new ErrnoError("EBADF");
  }

  flush(_request: Request, _nodeid: NodeId, fh: Fh): void | Promise<void> {
    const handle = this.#handles.get(fh);
    if (handle.kind === "command") return this.#commands.flush(handle);
    if (handle.kind === "config") return this.#config.flush(handle);
    if (handle.kind === "root-file") return this.#root.flush(handle);
  }

  fsync(_request: Request, _nodeid: NodeId, fh: Fh): void | Promise<void> {
    const handle = this.#handles.get(fh);
    if (handle.kind === "command") return this.#commands.sync(handle);
  }

  release(_request: Request, _nodeid: NodeId, fh: Fh): void | Promise<void> {
    const handle = this.#handles.remove(fh);
    if (handle.kind === "command") return this.#commands.release(handle);
    if (handle.kind === "config") return this.#config.release(handle);
    if (handle.kind === "root-file") return this.#root.release(handle);
    if (handle.kind === "log") return this.#logs.release(handle);
  }

  readdir(
    _request: Request,
    nodeid: NodeId,
    _fh: Fh,
    cookie: number,
    sink: DirectorySink,
  ): void | Promise<void> {
    if (isRoot(nodeid)) return this.#root.list(cookie, sink);
    return listJobs(this.#queue, stateOf(nodeid), nodeid, cookie, sink);
  }

  readdirplus(
    _request: Request,
    nodeid: NodeId,
    _fh: Fh,
    cookie: number,
    sink: EntrySink,
  ): void | Promise<void> {
    if (isRoot(nodeid)) return this.#root.list(cookie, { add: (entry) => sink.add(entry, undefined) });
    const entryOf = (job: Job) => this.#jobs.listedEntry(job);
    return listJobsWithEntries(this.#queue, stateOf(nodeid), nodeid, cookie, sink, entryOf);
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
    this.#commands.requireRoom(request.uid);
    const directory = await this.#fixed.ownership(fixedNode(parent) as FixedNode);
    const gid = directory.mode & SETGID ? directory.gid : request.gid;
    const created = await this.#queue.create(id, { uid: request.uid, gid, mode: mode & 0o777 });
    if (created.ok) return created.value;
    const other = await this.#queue.find(id);
    // The kernel believed that there was no such file, so it has not checked whether this caller may write it:
    // ESTALE makes it look again.
    const isHidden = !other || other.state === "pending" && !(flags & O_EXCL);
    throw isHidden ? new ErrnoError("ESTALE") : new ErrnoError("EEXIST");
  }

  /**
   * Which jobs of a directory this caller may take away, as far as a sticky bit goes. The kernel has seen to that for the job
   * that it found under the name; but jobs start, end and come back by themselves, so that another may have it by now.
   */
  async #rightToTake({ uid }: Request, parent: NodeId): Promise<(job: Job) => boolean> {
    const directory = await this.#fixed.ownership(fixedNode(parent) as FixedNode);
    const isOpen = !(directory.mode & STICKY) || uid === ROOT || uid === directory.uid;
    return (job) => isOpen || uid === job.uid;
  }

  async #jobIn(state: State, id: JobId): Promise<Job> {
    const job = await this.#queue.find(id);
    if (job?.state !== state) throw new ErrnoError("ENOENT");
    return job;
  }

  #openLog(uid: number, { logNumber, state }: Job): Opened {
    const opened = this.#opened(uid, this.#logs.open(logNumber));
    // What the kernel has of a log stays right until its time changes: there is another then.
    return state === "active" ? opened : { ...opened, cache: "keep" };
  }

  #opened(uid: number, handle: Handle): Opened {
    const fh = this.#handles.add(uid, handle);
    // The text of these two is that of the open, whatever the size of the file has become.
    return handle.kind === "new-id" || handle.kind === "config" ? { fh, cache: "direct" } : { fh };
  }
}

/** What an open(2) with these flags is for. */
function askedFor(flags: number) {
  const isReading = (flags & O_ACCMODE) === O_RDONLY && !(flags & O_TRUNC);
  return {
    access: isReading ? "read" : "write",
    contents: flags & O_TRUNC ? "truncate" : "keep",
  } as const;
}

/** Whether what was opened with these flags can be mapped and written to, mmap(2). */
function mayMap(flags: number): boolean {
  return (flags & O_ACCMODE) === O_RDWR;
}

/** @throws {ErrnoError} ENAMETOOLONG, EINVAL. */
function idOf(name: Uint8Array): JobId {
  const id = parseJobId(name);
  if (typeof id === "string") return id;
  throw new ErrnoError(id.fault === "too-long" ? "ENAMETOOLONG" : "EINVAL");
}

/** The state whose directory it is. @throws {ErrnoError} EPERM for the root, in which no job can be. */
function stateOf(nodeid: NodeId): State {
  const node = nodeOf(nodeid);
  if (node?.kind === "directory") return node.state;
  throw new ErrnoError(node?.kind === "root" ? "EPERM" : "ENOTDIR");
}

function isRoot(nodeid: NodeId): boolean {
  return nodeOf(nodeid)?.kind === "root";
}

function isRootFile(nodeid: NodeId): boolean {
  return nodeOf(nodeid)?.kind === "root-file";
}
