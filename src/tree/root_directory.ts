import { getLogger } from "@logtape/logtape";
import {
  type AttributeChanges,
  type Attributes,
  type DirectorySink,
  type Entry,
  ErrnoError,
  type NodeId,
  O_EXCL,
  RENAME_NOREPLACE,
  type Request,
} from "../fuse/mod.ts";
import { isDraft } from "../job/id.ts";
import { AbsentSettings } from "./absent_settings.ts";
import type { Accounts } from "./accounts.ts";
import type { ConfigFile } from "./config_file.ts";
import type { FixedInodes } from "./fixed_inodes.ts";
import { listRoot } from "./listing.ts";
import { FIXED_NODES, type FixedNode } from "./nodes.ts";
import type { RootFile } from "./root_file.ts";
import { RootFiles } from "./root_files.ts";

const log = getLogger(["filed", "tree"]);

const SETGID = 0o2000;
const ROOT_DIRECTORY = FIXED_NODES[0];
const SETTINGS = FIXED_NODES[6];

/** One open of a file that somebody made beside config.json. */
export interface RootFileHandle {
  kind: "root-file";
  file: RootFile;
}

/**
 * The names in the mount's own directory: those that are always there, and files that programs make to put
 * them in the place of config.json. Those become the settings then, or are refused. config.json itself is
 * always there: who removes it, or gives it another name, only does not find it for a moment.
 */
export class RootDirectory {
  readonly #config: ConfigFile;
  readonly #fixed: FixedInodes;
  readonly #files: RootFiles;
  readonly #absent: AbsentSettings;
  readonly #now: () => number;

  constructor(config: ConfigFile, fixed: FixedInodes, accounts: Accounts, now: () => number) {
    this.#config = config;
    this.#fixed = fixed;
    this.#files = new RootFiles(accounts, now);
    this.#absent = new AbsentSettings(now);
    this.#now = now;
  }

  /** @throws {ErrnoError} ENOENT. */
  async lookup(request: Request, name: string): Promise<Entry> {
    const fixed = fixedOf(name);
    if (!fixed) {
      const file = this.#files.find(name);
      if (!file) throw new ErrnoError("ENOENT");
      return entryOf(file);
    }
    if (fixed === SETTINGS && this.#absent.has(request)) throw new ErrnoError("ENOENT");
    const { attributes, attributesValidMs } = await this.#fixed.attributes(fixed);
    // A rename leaves the kernel with the new name for what had the old one: it is to ask.
    const entryValidMs = fixed === SETTINGS ? 0 : Infinity;
    return { nodeid: fixed.nodeid as NodeId, attributes, attributesValidMs, entryValidMs };
  }

  /** @throws {ErrnoError} ENOSPC, EDQUOT; EEXIST, ESTALE if there is one already. */
  async create(
    request: Request,
    name: string,
    { flags, mode }: { flags: number; mode: number },
  ): Promise<{ entry: Entry; handle: RootFileHandle }> {
    const directory = await this.#fixed.ownership(ROOT_DIRECTORY);
    const gid = directory.mode & SETGID ? directory.gid : request.gid;
    const isSettings = fixedOf(name) === SETTINGS && this.#absent.has(request);
    // The kernel believed that there is none, so it has not checked whether this caller may write it.
    const exists = !isSettings && (fixedOf(name) ?? this.#files.find(name)) !== undefined;
    if (exists) throw new ErrnoError(flags & O_EXCL ? "EEXIST" : "ESTALE");
    const ownership = { uid: request.uid, gid, mode: mode & 0o777 };
    const file = this.#files.create(isSettings ? undefined : name, request.uid, ownership);
    file.isSettings = isSettings;
    if (isSettings) this.#absent.delete(request);
    return { entry: entryOf(file), handle: this.#opened(file) };
  }

  /** @throws {ErrnoError} ENOENT; EPERM for what can't be removed. */
  unlink(request: Request, name: string) {
    const fixed = fixedOf(name);
    if (fixed) {
      const isAbsent = fixed === SETTINGS && this.#absent.add(request);
      if (!isAbsent) throw new ErrnoError("EPERM");
      return;
    }
    this.#files.remove(this.#named(name));
  }

  /**
   * @throws {ErrnoError} ENOENT, EEXIST, ENOSPC, EDQUOT; EPERM for what keeps its name; EINVAL for what can't
   * be settings.
   */
  async rename(request: Request, name: string, newName: string, flags: number): Promise<void> {
    const [from, to] = [fixedOf(name), fixedOf(newName)];
    if (from && from !== SETTINGS || to && to !== SETTINGS || from && to) throw new ErrnoError("EPERM");
    const isTaken = to ? !this.#absent.has(request) : this.#files.find(newName) !== undefined;
    if (flags & RENAME_NOREPLACE && isTaken) throw new ErrnoError("EEXIST");
    if (from) return await this.#copySettings(request, newName);
    const file = this.#named(name);
    if (!to) return this.#files.rename(file, newName);
    await this.#config.apply(file.bytes, "whole");
    this.#files.remove(file);
    file.isSettings = true;
    this.#absent.delete(request);
  }

  /** @throws {ErrnoError} ESTALE. */
  attributes(nodeid: NodeId): Attributes {
    return this.#files.get(nodeid).attributes;
  }

  /** @throws {ErrnoError} ESTALE, EFBIG, EDQUOT, ENOSPC. */
  change(nodeid: NodeId, changes: AttributeChanges) {
    this.#files.get(nodeid).change(changes, this.#now());
  }

  /** @throws {ErrnoError} ESTALE. */
  open(nodeid: NodeId, contents: "keep" | "truncate"): RootFileHandle {
    const file = this.#files.get(nodeid);
    if (contents === "truncate") file.change({ sizeBytes: 0, privileges: "keep" }, this.#now());
    return this.#opened(file);
  }

  /**
   * @throws {ErrnoError} EFBIG, EDQUOT, ENOSPC; EINVAL for what can't become settings, but in a draft. Then
   * nothing is written.
   */
  async write(
    { file }: RootFileHandle,
    offset: number,
    data: Uint8Array,
    where: "at" | "end",
  ): Promise<number> {
    const { length } = data;
    const takeBack = file.write(where === "end" ? file.bytes.length : offset, data, this.#now());
    try {
      if (file.isSettings) await this.#config.apply(file.bytes, "part");
      else this.#requireSense(file);
    } catch (error) {
      takeBack();
      throw error;
    }
    file.isUnchecked = file.isSettings;
    return length;
  }

  /** @throws {ErrnoError} EINVAL if what was written as settings ends too early. */
  flush({ file }: RootFileHandle) {
    if (file.isUnchecked) this.#config.requireWhole(file.bytes);
  }

  release({ file }: RootFileHandle) {
    this.#files.closed(file);
  }

  /** Adds what follows `cookie`. */
  list(cookie: number, sink: DirectorySink) {
    listRoot(this.#files.list(), cookie, sink);
  }

  /** Who renames config.json gets a copy of that name. */
  async #copySettings(request: Request, newName: string): Promise<void> {
    const bytes = await this.#config.bytes();
    const ownership = await this.#fixed.ownership(SETTINGS);
    this.#files.create(newName, request.uid, ownership, bytes);
    this.#absent.add(request);
  }

  /**
   * Who writes a job here has forgotten pending/, and would wait for it in vain. Editors have drafts of their
   * own kind.
   */
  #requireSense({ name, bytes }: RootFile) {
    if (name === undefined || isDraft(name)) return;
    const fault = this.#config.faultOf(bytes);
    if (fault === undefined) return;
    log.warn("content refused beside config.json; jobs are submitted in pending/", {
      file: name,
      reason: fault,
    });
    throw new ErrnoError("EINVAL");
  }

  #named(name: string): RootFile {
    const file = this.#files.find(name);
    if (!file) throw new ErrnoError("ENOENT");
    return file;
  }

  #opened(file: RootFile): RootFileHandle {
    this.#files.opened(file);
    return { kind: "root-file", file };
  }
}

function fixedOf(name: string): FixedNode | undefined {
  return FIXED_NODES.find((fixed) => fixed.name === name);
}

/** The kernel asks each time: it may be gone. */
function entryOf({ nodeid, attributes }: RootFile): Entry {
  return { nodeid, attributes, attributesValidMs: 0, entryValidMs: 0 };
}
