import type {
  AttributeChanges,
  AttributesReply,
  Created,
  DirectorySink,
  Entry,
  EntrySink,
  Fh,
  FileSystem,
  Maybe,
  NodeId,
  Opened,
  Request,
  StatFs,
} from "../fuse/mod.ts";
import {
  ErrnoError,
  type ErrnoName,
  O_ACCMODE,
  O_APPEND,
  O_RDONLY,
  RENAME_NOREPLACE,
  S_IFMT,
  S_IFREG,
} from "../fuse/mod.ts";
import { type JobId, parseJobId } from "../job/id.ts";
import type { Queue } from "../queue/queue.ts";
import { Accounts } from "./accounts.ts";
import { ConfigText } from "./config_text.ts";
import { Handles } from "./handles.ts";
import { Makers } from "./makers.ts";
import type { Making } from "./node.ts";
import { Nodes } from "./nodes.ts";
import { OpenJobs } from "./open_jobs.ts";
import { OpenLogs } from "./open_logs.ts";
import { openingOf } from "./opening.ts";
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
    this.#nodes = new Nodes({
      queue,
      now,
      accounts,
      owner,
      jobs: this.#jobs,
      logs: new OpenLogs(queue),
      makers: new Makers(now),
      config: new ConfigText(queue, now),
      rootFiles: new RootFiles(accounts, now),
    });
  }

  lookup(request: Request, parent: NodeId, name: Uint8Array): Maybe<Entry> {
    return this.#nodes.directory(parent).lookup(request, idOf(name));
  }

  getattr(request: Request, nodeid: NodeId): Maybe<AttributesReply> {
    return this.#nodes.byId(nodeid).attributes(request);
  }

  setattr(request: Request, nodeid: NodeId, changes: AttributeChanges): Maybe<AttributesReply> {
    const through = changes.fh === undefined ? undefined : this.#handles.find(changes.fh);
    return this.#nodes.byId(nodeid).change(request, changes, through);
  }

  async create(request: Request, parent: NodeId, name: Uint8Array, making: Making): Promise<Created> {
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
    how: Omit<Making, "flags">,
  ): Promise<Entry> {
    if ((how.mode & S_IFMT) !== S_IFREG) refuse("EPERM");
    const directory = this.#nodes.directory(parent);
    return await (directory.make?.(request, idOf(name), { ...how, flags: 0 }) ?? refuse("EPERM"));
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

/** @throws {ErrnoError} ENAMETOOLONG, EINVAL. */
function idOf(name: Uint8Array): JobId {
  const id = parseJobId(name);
  return typeof id === "string" ? id : refuse(id.fault === "too-long" ? "ENAMETOOLONG" : "EINVAL");
}

function refuse(errno: ErrnoName): never {
  throw new ErrnoError(errno);
}
