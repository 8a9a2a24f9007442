import {
  ErrnoError,
  type ErrnoName,
  type FileSystem,
  O_ACCMODE,
  O_APPEND,
  O_EXCL,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  RENAME_NOREPLACE,
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
import type { Making, Opening } from "./node.ts";
import { Nodes } from "./nodes.ts";
import { OpenJobs } from "./open_jobs.ts";
import { OpenLogs } from "./open_logs.ts";
import { Refusals } from "./refusals.ts";
import { RootFiles } from "./root_files.ts";

export interface TreeOptions {
  /** Who owns the nodes that are always there, until somebody changes that. */
  owner: { uid: number; gid: number };
  /** What `df` tells. */
  statfs(): Promise<StatFs>;
  /** What each user may have in memory. */
  accounts?: Accounts;
}

type Handler<Name extends keyof FileSystem> = Required<FileSystem>[Name];
type AsyncHandler<Name extends keyof FileSystem> = (
  ...request: Parameters<Handler<Name>>
) => Promise<Awaited<ReturnType<Handler<Name>>>>;

/**
 * The directory contract: each request of the kernel goes to the node or the handle that it names. Who may do
 * what, the kernel decides from the attributes (`default_permissions`); the nodes decide what makes sense.
 */
export class Tree implements FileSystem, Disposable {
  readonly #jobs: OpenJobs;
  readonly #nodes: Nodes;
  readonly #handles: Handles;
  readonly statfs: () => Promise<StatFs>;

  constructor(queue: Queue, { owner, statfs, accounts = new Accounts() }: TreeOptions, now = Date.now) {
    this.statfs = statfs;
    const config = new ConfigText(queue, now);
    const refusals = new Refusals(accounts, owner.uid, now);
    const jobs = this.#jobs = new OpenJobs(queue, accounts, now, refusals);
    const rootFiles = new RootFiles(accounts, config, now);
    const [logs, makers] = [new OpenLogs(queue), new Makers(now)];
    this.#nodes = new Nodes({ queue, now, accounts, owner, jobs, logs, makers, refusals, config, rootFiles });
    this.#handles = new Handles(accounts);
  }

  readonly lookup: Handler<"lookup"> = (request, parent, name) =>
    this.#nodes.directory(parent).lookup(request, idOf(name));

  readonly getattr: Handler<"getattr"> = (request, nodeid) => this.#nodes.byId(nodeid).attributes(request);

  readonly setattr: Handler<"setattr"> = (request, nodeid, changes) => {
    const through = changes.fh === undefined ? undefined : this.#handles.byId(changes.fh);
    return this.#nodes.byId(nodeid).change(request, changes, through);
  };

  readonly create: AsyncHandler<"create"> = async (request, parent, name, { flags, mode, umask }) => {
    const { made, opened } = await this.#handles.add(request.uid, () => {
      const making = makingOf(flags, mode, umask);
      return this.#nodes.directory(parent).create?.(request, idOf(name), making) ?? refuse("EPERM");
    });
    return { entry: made.entry, opened };
  };

  readonly mknod: AsyncHandler<"mknod"> = async (request, parent, name, { mode, umask }) => {
    if ((mode & S_IFMT) !== S_IFREG) refuse("EPERM");
    const making = makingOf(O_WRONLY | O_EXCL, mode, umask);
    return await (this.#nodes.directory(parent).make?.(request, idOf(name), making) ?? refuse("EPERM"));
  };

  readonly unlink: AsyncHandler<"unlink"> = async (request, parent, name) => {
    await this.#nodes.directory(parent).unlink(request, idOf(name));
  };

  readonly rename: AsyncHandler<"rename"> = async (request, parent, name, newParent, newName, flags) => {
    if ((flags & ~RENAME_NOREPLACE) !== 0) refuse("EINVAL");
    const newId = idOf(newName);
    const [from, to] = [this.#nodes.directory(parent), this.#nodes.directory(newParent)];
    await from.rename(request, idOf(name), to, newId, flags);
  };

  readonly open: AsyncHandler<"open"> = async (request, nodeid, flags) => {
    const { opened } = await this.#handles.add(request.uid, async () => ({
      handle: await (this.#nodes.byId(nodeid).open?.(request, openingOf(flags)) ?? refuse("EISDIR")),
    }));
    return opened;
  };

  readonly read: Handler<"read"> = (request, _nodeid, fh, offset, sizeBytes) =>
    this.#handles.byId(fh).read(offset, sizeBytes, request);

  readonly write: Handler<"write"> = (_request, _nodeid, fh, offset, data, flags) => {
    const where = flags & O_APPEND ? "end" : "at";
    // Pages come without the flags of an open(2), which those of write(2) have.
    const source = (flags & O_ACCMODE) === O_RDONLY ? "mapping" : "call";
    return this.#handles.byId(fh).write?.(offset, data, { where, source }) ?? refuse("EBADF");
  };

  readonly flush: Handler<"flush"> = (_request, _nodeid, fh) => this.#handles.byId(fh).flush?.();

  readonly fsync: Handler<"fsync"> = (_request, _nodeid, fh) => this.#handles.byId(fh).sync?.();

  readonly release: Handler<"release"> = (_request, _nodeid, fh) => this.#handles.remove(fh).release?.();

  readonly readdir: Handler<"readdir"> = (_request, nodeid, _fh, cookie, sink) =>
    this.#nodes.directory(nodeid).list(cookie, sink);

  readonly readdirplus: Handler<"readdirplus"> = (_request, nodeid, _fh, cookie, sink) => {
    const directory = this.#nodes.directory(nodeid);
    return directory.listEntries
      ? directory.listEntries(cookie, sink)
      : directory.list(cookie, { add: (entry) => sink.add(entry, undefined) });
  };

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

function makingOf(flags: number, mode: number, umask: number): Making {
  return { ...openingOf(flags), isExclusive: (flags & O_EXCL) !== 0, mode, umask };
}

/** @throws {ErrnoError} ENAMETOOLONG, EINVAL. */
function idOf(name: Uint8Array): JobId {
  const id = parseJobId(name);
  return typeof id === "string" ? id : refuse(id.fault === "too-long" ? "ENAMETOOLONG" : "EINVAL");
}

function refuse(errno: ErrnoName): never {
  throw new ErrnoError(errno);
}
