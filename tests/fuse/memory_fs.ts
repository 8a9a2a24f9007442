import {
  type AttributeChanges,
  type Attributes,
  type AttributesReply,
  type Created,
  decodeName,
  type DirectorySink,
  type Entry,
  ErrnoError,
  type Fh,
  type FileSystem,
  type NodeId,
  O_APPEND,
  O_EXCL,
  O_TRUNC,
  type Opened,
  RENAME_NOREPLACE,
  type Request,
  ROOT_NODE,
  S_IFDIR,
  S_IFMT,
  S_IFREG,
} from "../../src/fuse/mod.ts";

const VALID_MS = 1000;

interface Node {
  readonly nodeid: NodeId;
  readonly birthMs: number;
  mode: number;
  uid: number;
  gid: number;
  atimeMs: number;
  mtimeMs: number;
  ctimeMs: number;
  /** Of a file. */
  data: Uint8Array;
  sizeBytes: number;
  /** Of a directory: by name, with the cookie of each. */
  readonly entries: Map<string, { cookie: number; node: Node }>;
  /** How many of those are directories. */
  directories: number;
  links: number;
  lookups: number;
  handles: number;
}

/** Files that behave in a way of their own when they are opened. */
export interface Specials {
  /** Called by READ of the file of that name. */
  readonly [name: string]: (request: Request) => Promise<Uint8Array> | Uint8Array;
}

/** A file system in memory: enough for what shells, coreutils and editors do. */
export class MemoryFs implements FileSystem {
  /** What the kernel knows or a directory names. */
  readonly nodes = new Map<NodeId, Node>();
  readonly #specials: Specials;
  #nextNode = ROOT_NODE as bigint;
  #nextFh = 1n;
  #nextCookie = 3;

  constructor(specials: Specials = {}) {
    this.#specials = specials;
    const root = this.#make(S_IFDIR | 0o755, Deno.uid() ?? 0, Deno.gid() ?? 0);
    for (const name of Object.keys(specials)) {
      this.#name(root, name, this.#make(S_IFREG | 0o644, root.uid, root.gid));
    }
  }

  lookup(_request: Request, parent: NodeId, bytes: Uint8Array): Entry {
    if (bytes.length > 255) throw new ErrnoError("ENAMETOOLONG");
    return this.#entry(this.#child(this.#node(parent), decodeName(bytes)));
  }

  forget(nodeid: NodeId, count: number): void {
    const node = this.#node(nodeid);
    node.lookups -= count;
    this.#drop(node);
  }

  getattr(_request: Request, nodeid: NodeId): AttributesReply {
    return this.#reply(this.#node(nodeid));
  }

  setattr(_request: Request, nodeid: NodeId, changes: AttributeChanges): AttributesReply {
    const node = this.#node(nodeid);
    const now = Date.now();
    if (changes.sizeBytes !== undefined) {
      this.#resize(node, changes.sizeBytes);
      node.mtimeMs = now;
    }
    if (changes.mode !== undefined) node.mode = node.mode & S_IFMT | changes.mode;
    node.uid = changes.uid ?? node.uid;
    node.gid = changes.gid ?? node.gid;
    if (changes.atime !== undefined) node.atimeMs = changes.atime === "now" ? now : changes.atime;
    if (changes.mtime !== undefined) node.mtimeMs = changes.mtime === "now" ? now : changes.mtime;
    node.ctimeMs = now;
    return this.#reply(node);
  }

  mkdir(request: Request, parent: NodeId, bytes: Uint8Array, how: { mode: number; umask: number }): Entry {
    const name = decodeName(bytes);
    const directory = this.#node(parent);
    if (directory.entries.has(name)) throw new ErrnoError("EEXIST");
    const node = this.#make(S_IFDIR | how.mode & ~how.umask & 0o7777, request.uid, request.gid);
    this.#name(directory, name, node);
    return this.#entry(node);
  }

  create(
    request: Request,
    parent: NodeId,
    bytes: Uint8Array,
    how: { flags: number; mode: number; umask: number },
  ): Created {
    const name = decodeName(bytes);
    const directory = this.#node(parent);
    let node = directory.entries.get(name)?.node;
    if (node && how.flags & O_EXCL) throw new ErrnoError("EEXIST");
    if (!node) {
      node = this.#make(S_IFREG | how.mode & ~how.umask & 0o7777, request.uid, request.gid);
      this.#name(directory, name, node);
    }
    const opened = this.open(request, node.nodeid, how.flags);
    return { entry: this.#entry(node), opened };
  }

  open(_request: Request, nodeid: NodeId, flags: number): Opened {
    const node = this.#node(nodeid);
    if (flags & O_TRUNC) {
      this.#resize(node, 0);
      node.mtimeMs = Date.now();
    }
    node.handles++;
    return { fh: this.#nextFh++ as Fh, ...(this.#specialOf(node) && { cache: "direct" }) };
  }

  read(request: Request, nodeid: NodeId, _fh: Fh, offset: number, sizeBytes: number) {
    const node = this.#node(nodeid);
    const special = this.#specialOf(node);
    if (special) return special(request);
    return node.data.subarray(offset, Math.min(offset + sizeBytes, node.sizeBytes));
  }

  write(
    _request: Request,
    nodeid: NodeId,
    _fh: Fh,
    offset: number,
    data: Uint8Array,
    flags: number,
  ): number {
    const node = this.#node(nodeid);
    const start = flags & O_APPEND ? node.sizeBytes : offset;
    if (start + data.length > node.sizeBytes) this.#resize(node, start + data.length);
    node.data.set(data, start);
    node.mtimeMs = node.ctimeMs = Date.now();
    return data.length;
  }

  release(_request: Request, nodeid: NodeId): void {
    const node = this.#node(nodeid);
    node.handles--;
    this.#drop(node);
  }

  unlink(_request: Request, parent: NodeId, bytes: Uint8Array): void {
    const directory = this.#node(parent);
    const name = decodeName(bytes);
    const node = this.#child(directory, name);
    if (isDirectory(node)) throw new ErrnoError("EISDIR");
    this.#unname(directory, name);
  }

  rmdir(_request: Request, parent: NodeId, bytes: Uint8Array): void {
    const directory = this.#node(parent);
    const name = decodeName(bytes);
    const node = this.#child(directory, name);
    if (!isDirectory(node)) throw new ErrnoError("ENOTDIR");
    if (node.entries.size > 0) throw new ErrnoError("ENOTEMPTY");
    this.#unname(directory, name);
  }

  rename(
    _request: Request,
    parent: NodeId,
    bytes: Uint8Array,
    newParent: NodeId,
    newBytes: Uint8Array,
    flags: number,
  ): void {
    if (flags & ~RENAME_NOREPLACE) throw new ErrnoError("EINVAL");
    const [from, to] = [this.#node(parent), this.#node(newParent)];
    const [name, newName] = [decodeName(bytes), decodeName(newBytes)];
    const node = this.#child(from, name);
    const replaced = to.entries.get(newName)?.node;
    if (replaced && flags & RENAME_NOREPLACE) throw new ErrnoError("EEXIST");
    if (replaced === node) return;
    if (replaced && replaced.entries.size > 0) throw new ErrnoError("ENOTEMPTY");
    if (replaced) this.#unname(to, newName);
    this.#name(to, newName, node);
    this.#unname(from, name);
  }

  readdir(_request: Request, nodeid: NodeId, _fh: Fh, cookie: number, sink: DirectorySink): void {
    const directory = this.#node(nodeid);
    const add = (name: string, at: number, node: Node) =>
      at <= cookie ||
      sink.add({
        ino: node.nodeid,
        cookie: at,
        type: isDirectory(node) ? "directory" : "file",
        name: new TextEncoder().encode(name),
      });
    if (!add(".", 1, directory) || !add("..", 2, directory)) return;
    // A map goes in the order of insertion, so its cookies ascend.
    for (const [name, entry] of directory.entries) if (!add(name, entry.cookie, entry.node)) return;
  }

  #make(mode: number, uid: number, gid: number): Node {
    const now = Date.now();
    const nodeid = this.#nextNode++ as NodeId;
    const times = { birthMs: now, atimeMs: now, mtimeMs: now, ctimeMs: now };
    const content = { data: new Uint8Array(0), sizeBytes: 0, entries: new Map() };
    const node = {
      nodeid,
      mode,
      uid,
      gid,
      ...times,
      ...content,
      directories: 0,
      links: 0,
      lookups: 0,
      handles: 0,
    };
    this.nodes.set(nodeid, node);
    return node;
  }

  #node(nodeid: NodeId): Node {
    const node = this.nodes.get(nodeid);
    if (node === undefined) throw new Error(`no node ${nodeid}`);
    return node;
  }

  #child(directory: Node, name: string): Node {
    const entry = directory.entries.get(name);
    if (entry === undefined) throw new ErrnoError("ENOENT");
    return entry.node;
  }

  #specialOf(node: Node): Specials[string] | undefined {
    for (const [name, entry] of this.#node(ROOT_NODE).entries) {
      if (entry.node === node) return this.#specials[name];
      if (!(name in this.#specials)) return undefined; // specials are named first
    }
  }

  #name(directory: Node, name: string, node: Node): void {
    directory.entries.set(name, { cookie: this.#nextCookie++, node });
    directory.mtimeMs = directory.ctimeMs = Date.now();
    node.links++;
    if (isDirectory(node)) directory.directories++;
  }

  #unname(directory: Node, name: string): void {
    const node = this.#child(directory, name);
    directory.entries.delete(name);
    directory.mtimeMs = directory.ctimeMs = Date.now();
    node.links--;
    if (isDirectory(node)) directory.directories--;
    this.#drop(node);
  }

  #drop(node: Node): void {
    if (node.lookups < 0) throw new Error(`node ${node.nodeid} was forgotten too often`);
    const unused = node.links === 0 && node.lookups === 0 && node.handles === 0;
    if (unused && node.nodeid !== ROOT_NODE) this.nodes.delete(node.nodeid);
  }

  #resize(node: Node, sizeBytes: number): void {
    if (sizeBytes > 1 << 24) throw new ErrnoError("EFBIG");
    if (sizeBytes > node.data.length) {
      const grown = new Uint8Array(Math.max(sizeBytes, node.data.length * 2));
      grown.set(node.data.subarray(0, node.sizeBytes));
      node.data = grown;
    } else if (sizeBytes < node.sizeBytes) {
      node.data.fill(0, sizeBytes, node.sizeBytes);
    }
    node.sizeBytes = sizeBytes;
  }

  #attributes(node: Node): Attributes {
    const { birthMs, atimeMs, mtimeMs, ctimeMs, mode, uid, gid, sizeBytes } = node;
    return {
      ...{ birthMs, atimeMs, mtimeMs, ctimeMs, mode, uid, gid, sizeBytes },
      ino: node.nodeid,
      nlink: isDirectory(node) ? 2 + node.directories : node.links,
      blockSizeBytes: 4096,
    };
  }

  #reply(node: Node): AttributesReply {
    return { attributes: this.#attributes(node), attributesValidMs: VALID_MS };
  }

  #entry(node: Node): Entry {
    node.lookups++;
    return { nodeid: node.nodeid, entryValidMs: VALID_MS, ...this.#reply(node) };
  }
}

function isDirectory(node: Node): boolean {
  return (node.mode & S_IFMT) === S_IFDIR;
}
