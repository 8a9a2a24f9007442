import {
  type DirectorySink,
  type Entry,
  ErrnoError,
  RENAME_NOREPLACE,
  type Request,
  ROOT_NODE,
} from "../fuse/mod.ts";
import { must } from "../must.ts";
import { AbsentSettings } from "./absent_settings.ts";
import { FixedDirectory, type FixedNode } from "./fixed_node.ts";
import { addDots, record } from "./listing.ts";
import { type Directory, type Handle, isDirectory, type Making } from "./node.ts";
import { FIRST_JOB } from "./node_ids.ts";
import type { Parts } from "./parts.ts";
import type { RootFile } from "./root_file.ts";

const CONFIG = "config.json";
/** What is always there is listed by its node id; the files that somebody made follow. */
const FIRST_FILE = Number(FIRST_JOB);

/**
 * The names in the mount's own directory: those that are always there, and files that programs make to put
 * them in the place of config.json. Those become the settings then, or are refused. config.json itself is
 * always there: who removes it, or gives it another name, only does not find it for a moment.
 */
export class RootDirectory extends FixedDirectory implements Directory {
  readonly #children: ReadonlyMap<string, FixedNode>;
  readonly #absent: AbsentSettings;

  constructor(parts: Parts, children: readonly FixedNode[]) {
    super(parts, { nodeid: ROOT_NODE, name: "" });
    this.#children = new Map(children.map((child) => [child.name, child]));
    this.#absent = new AbsentSettings(parts.now);
    this.nlink += children.filter(isDirectory).length;
  }

  /** @throws {ErrnoError} ENOENT. */
  async lookup(request: Request, name: string): Promise<Entry> {
    const child = this.#children.get(name);
    if (!child) return entryOf(this.#fileOf(name));
    if (name === CONFIG && this.#absent.has(request)) throw new ErrnoError("ENOENT");
    return { nodeid: child.nodeid, ...await child.attributes(), entryValidMs: child.nameValidMs };
  }

  list(cookie: number, sink: DirectorySink) {
    if (!addDots(this.nodeid, cookie, sink)) return;
    const children = this.#children.values().map((child) =>
      record(child.nodeid, Number(child.nodeid), isDirectory(child) ? "directory" : "file", child.name)
    );
    const files = this.parts.rootFiles.named().map(([name, { nodeid, serial }]) =>
      record(nodeid, FIRST_FILE + serial, "file", name)
    );
    for (const entry of [...children, ...files]) {
      if (entry.cookie > cookie && !sink.add(entry)) return;
    }
  }

  /** @throws {ErrnoError} ENOSPC, EDQUOT; EEXIST, ESTALE if there is one already. */
  async create(request: Request, name: string, making: Making): Promise<{ entry: Entry; handle: Handle }> {
    const ownership = await this.ownershipOfNew(request, making);
    const { rootFiles } = this.parts;
    const isSettings = name === CONFIG && this.#absent.has(request);
    // The kernel believed that there is none, so it has not checked whether this caller may write it.
    const exists = !isSettings && (this.#children.has(name) || rootFiles.byName(name) !== undefined);
    if (exists) throw new ErrnoError(making.isExclusive ? "EEXIST" : "ESTALE");
    const file = rootFiles.create(isSettings ? undefined : name, request.uid, ownership);
    file.isSettings = isSettings;
    if (isSettings) this.#absent.delete(request);
    return { entry: entryOf(file), handle: rootFiles.open(file) };
  }

  /** @throws {ErrnoError} As `create`. */
  async make(request: Request, name: string, making: Making): Promise<Entry> {
    const { entry, handle } = await this.create(request, name, making);
    await handle.release?.();
    return entry;
  }

  /** @throws {ErrnoError} ENOENT; EPERM for what can't be removed. */
  unlink(request: Request, name: string) {
    if (!this.#children.has(name)) return this.parts.rootFiles.remove(this.#fileOf(name));
    const isAbsent = name === CONFIG && this.#absent.add(request);
    if (!isAbsent) throw new ErrnoError("EPERM");
  }

  /**
   * @throws {ErrnoError} ENOENT, EEXIST, ENOSPC, EDQUOT; EPERM for what keeps its name, and for another
   * directory; EINVAL for what can't be settings.
   */
  async rename(request: Request, name: string, to: Directory, newName: string, flags: number): Promise<void> {
    const { config, rootFiles } = this.parts;
    const [isFixed, isToFixed] = [this.#children.has(name), this.#children.has(newName)];
    const isKept = isFixed && (isToFixed || name !== CONFIG) || isToFixed && newName !== CONFIG;
    if (to !== this || isKept) throw new ErrnoError("EPERM");
    const isTaken = isToFixed ? !this.#absent.has(request) : rootFiles.byName(newName) !== undefined;
    if (flags & RENAME_NOREPLACE && isTaken) throw new ErrnoError("EEXIST");
    if (isFixed) return await this.#copySettings(request, newName);
    const file = this.#fileOf(name);
    if (!isToFixed) return rootFiles.rename(file, newName);
    await config.apply(file.bytes, "whole");
    rootFiles.remove(file);
    file.isSettings = true;
    this.#absent.delete(request);
  }

  /** Who renames config.json gets a copy of that name. */
  async #copySettings(request: Request, newName: string): Promise<void> {
    const { config, rootFiles } = this.parts;
    const bytes = await config.bytes();
    const settings = must(this.#children.get(CONFIG), "config.json is always there");
    rootFiles.create(newName, request.uid, await settings.ownership(), bytes);
    this.#absent.add(request);
  }

  #fileOf(name: string): RootFile {
    const file = this.parts.rootFiles.byName(name);
    if (!file) throw new ErrnoError("ENOENT");
    return file;
  }
}

/** The kernel asks each time: it may be gone. */
function entryOf(file: RootFile): Entry {
  return { nodeid: file.nodeid, ...file.attributes(), entryValidMs: 0 };
}
