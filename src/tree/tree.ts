import {
  type AttributeChanges,
  type AttributesReply,
  type Created,
  type DirectorySink,
  type Entry,
  type EntrySink,
  ErrnoError,
  type ErrnoName,
  type Fh,
  type FileSystem,
  type Maybe,
  type NodeId,
  O_ACCMODE,
  O_APPEND,
  O_EXCL,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  type Opened,
  RENAME_NOREPLACE,
  type Request,
  S_IFMT,
  S_IFREG,
  type StatFs,
} from "../fuse/mod.ts";
import { type JobId, parseJobId } from "../job/id.ts";
import type { Queue } from "../queue/queue.ts";
import { Accounts } from "./accounts.ts";
import { ConfigText } from "./config_text.ts";
import { Handles } from "./handles.ts";
import { Makers } from "./makers.ts";
import type { Opening } from "./node.ts";
import { Nodes } from "./nodes.ts";
import { OpenJobs } from "./open_jobs.ts";
import { OpenLogs } from "./open_logs.ts";
import { RootFiles } from "./root_files.ts";

export interface TreeOptions {
  /** Who owns the nodes that are always there, until somebody changes that. */
  owner: { uid: number; gid: number };
  /** What `df` tells. */
  statfs(): Promise<StatFs>;
  /** What each user may have in memory. */
  accounts?: Accounts;
}

/**
 * The directory contract: each request of the kernel goes to the node or the handle that it names. Who may do what, the kernel
 * decides from the attributes (`default_permissions`); the nodes decide what makes sense.
 */
export class Tree implements FileSystem, Disposable {
  readonly #statfs: () => Promise<StatFs>;
  readonly #jobs: OpenJobs;
  readonly #nodes: Nodes;
  readonly #handles: Handles;

  constructor(queue: Queue, options: TreeOptions, now: () => number = Date.now) {
    const { owner, accounts = new Accounts() } = options;
    this.#statfs = () => options.statfs();
    this.#jobs = new OpenJobs(queue, accounts, now);
    this.#handles = new Handles(accounts);
    const config = new ConfigText(queue, now);
    this.#nodes = new Nodes({
      queue,
      now,
      accounts,
      owner,
      jobs: this.#jobs,
      logs: new OpenLogs(queue),
      makers: new Makers(now),
      config,
      rootFiles: new RootFiles(accounts, config, now),
    });
  }

  lookup(request: Request, parent: NodeId, name: Uint8Array): Maybe<Entry> {
    return this.#nodes.directory(parent).lookup(request, idOf(name));
  }

  getattr(request: Request, nodeid: NodeId): Maybe<AttributesReply> {
    return this.#nodes.byId(nodeid).attributes(request);
  }

  setattr(request: Request, nodeid: NodeId, changes: AttributeChanges): Maybe<AttributesReply> {
    const through = changes.fh === undefined ? undefined : this.#handles.byId(changes.fh);
    return this.#nodes.byId(nodeid).change(request, changes, through);
  }

  async create(
    request: Request,
    parent: NodeId,
    name: Uint8Array,
    { flags, mode, umask }: { flags: number; mode: number; umask: number },
  ): Promise<Created> {
    const making = { ...openingOf(flags), isExclusive: (flags & O_EXCL) !== 0, mode, umask };
    const { made, opened } = await this.#handles.add(request.uid, () => {
      const directory = this.#nodes.directory(parent);
      return directory.create?.(request, idOf(name), making) ?? refuse("EPERM");
    });
    return { entry: made.entry, opened };
  }

  async mknod(
    request: Request,
    parent: NodeId,
    name: Uint8Array,
    { mode, umask }: { mode: number; umask: number },
  ): Promise<Entry> {
    if ((mode & S_IFMT) !== S_IFREG) refuse("EPERM");
    const making = { ...openingOf(O_WRONLY), isExclusive: true, mode, umask };
    return await (this.#nodes.directory(parent).make?.(request, idOf(name), making) ?? refuse("EPERM"));
  }

  async unlink(request: Request, parent: NodeId, name: Uint8Array): Promise<void> {
    const directory = this.#nodes.directory(parent);
    if (!directory.unlink) refuse("EPERM");
    await directory.unlink(request, idOf(name));
  }

  async rename(
    request: Request,
    parent: NodeId,
    name: Uint8Array,
    newParent: NodeId,
    newName: Uint8Array,
    flags: number,
  ): Promise<void> {
    if ((flags & ~RENAME_NOREPLACE) !== 0) refuse("EINVAL");
    const newId = idOf(newName);
    const [from, to] = [this.#nodes.directory(parent), this.#nodes.directory(newParent)];
    await (from.rename?.(request, idOf(name), to, newId, flags) ?? refuse("EPERM"));
  }

  async open(request: Request, nodeid: NodeId, flags: number): Promise<Opened> {
    const { opened } = await this.#handles.add(request.uid, async () => {
      const handle = this.#nodes.byId(nodeid).open?.(request, openingOf(flags)) ?? refuse("EISDIR");
      return { handle: await handle };
    });
    return opened;
  }

  read(request: Request, _: NodeId, fh: Fh, offset: number, sizeBytes: number): Maybe<Uint8Array> {
    return this.#handles.byId(fh).read(offset, sizeBytes, request);
  }

  write(
    _request: Request,
    _nodeid: NodeId,
    fh: Fh,
    offset: number,
    data: Uint8Array,
    flags: number,
  ): Maybe<number> {
    const where = flags & O_APPEND ? "end" : "at";
    // Pages come without the flags of an open(2), which those of write(2) have.
    const source = (flags & O_ACCMODE) === O_RDONLY ? "mapping" : "call";
    return this.#handles.byId(fh).write?.(offset, data, { where, source }) ?? refuse("EBADF");
  }

  flush(_request: Request, _nodeid: NodeId, fh: Fh): Maybe<void> {
    return this.#handles.byId(fh).flush?.();
  }

  fsync(_request: Request, _nodeid: NodeId, fh: Fh): Maybe<void> {
    return this.#handles.byId(fh).sync?.();
  }

  release(_request: Request, _nodeid: NodeId, fh: Fh): Maybe<void> {
    return this.#handles.remove(fh).release?.();
  }

  readdir(_request: Request, nodeid: NodeId, _fh: Fh, cookie: number, sink: DirectorySink): Maybe<void> {
    return this.#nodes.directory(nodeid).list(cookie, sink);
  }

  readdirplus(_request: Request, nodeid: NodeId, _fh: Fh, cookie: number, sink: EntrySink): Maybe<void> {
    const directory = this.#nodes.directory(nodeid);
    if (directory.listEntries) return directory.listEntries(cookie, sink);
    return directory.list(cookie, { add: (entry) => sink.add(entry, undefined) });
  }

  statfs(): Promise<StatFs> {
    return this.#statfs();
  }

  [Symbol.dispose]() {
    this.#jobs[Symbol.dispose]();
  }
}

/** What an open(2) with these flags is for. */
function openingOf(flags: number): Opening {
  const isReading = (flags & O_ACCMODE) === O_RDONLY && !(flags & O_TRUNC);
  return {
    access: isReading ? "read" : "write",
    contents: flags & O_TRUNC ? "truncate" : "keep",
    mayMap: (flags & O_ACCMODE) === O_RDWR,
  };
}

/** @throws {ErrnoError} ENAMETOOLONG, EINVAL. */
function idOf(name: Uint8Array): JobId {
  const id = parseJobId(name);
  return typeof id === "string" ? id : refuse(id.fault === "too-long" ? "ENAMETOOLONG" : "EINVAL");
}

function refuse(errno: ErrnoName): never {
  throw new ErrnoError(errno);
}
