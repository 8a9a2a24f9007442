import type { Ownership } from "../job/job.ts";
import { ErrnoError, type NodeId } from "../fuse/mod.ts";
import { type Accounts, Charge } from "./accounts.ts";
import type { ConfigText } from "./config_text.ts";
import type { Handle } from "./node.ts";
import { rootFileNodeid } from "./node_ids.ts";
import { RootFile } from "./root_file.ts";
import { RootFileHandle } from "./root_file_handle.ts";

/** So many have a name at once. */
export const MAX_ROOT_FILES = 8;
/** How long one stays that nobody has open: a person looks at it, and moves it then. */
export const ROOT_FILE_KEPT_MS = 600_000;

/**
 * The files that programs make beside config.json to replace it: of each its name, and how long it is kept.
 */
export class RootFiles {
  readonly #accounts: Accounts;
  readonly #config: ConfigText;
  /** Those with a name, the oldest first. */
  readonly #named = new Map<string, RootFile>();
  /** Those with a name, and those without that are open. */
  readonly #files = new Map<NodeId, RootFile>();
  #serial = 0;

  constructor(accounts: Accounts, config: ConfigText, readonly now: () => number) {
    this.#accounts = accounts;
    this.#config = config;
  }

  /**
   * A new file, which takes the name from another that has it. Where there are as many as may be, the oldest
   * that nobody has open gives way.
   * @param name `undefined`: it gets none, and goes with its last close.
   * @param uid Who is charged for it.
   * @throws {ErrnoError} ENOSPC if all are open, EDQUOT; then there is none.
   */
  create(
    name: string | undefined,
    uid: number,
    ownership: Ownership,
    bytes: Uint8Array = new Uint8Array(),
  ): RootFile {
    if (name !== undefined && !this.byName(name)) this.#makeRoom();
    const charge = new Charge(this.#accounts, uid, bytes.length);
    const serial = ++this.#serial;
    const file = new RootFile(rootFileNodeid(serial), serial, charge, bytes, ownership, this);
    this.#files.set(file.nodeid, file);
    if (name !== undefined) this.rename(file, name);
    return file;
  }

  /** The file of that name. */
  byName(name: string): RootFile | undefined {
    this.#removeOld();
    return this.#named.get(name);
  }

  /** @throws {ErrnoError} ESTALE if it is gone. */
  byId(nodeid: NodeId): RootFile {
    this.#removeOld();
    const file = this.#files.get(nodeid);
    if (!file) throw new ErrnoError("ESTALE");
    return file;
  }

  /** All that have a name, in the order of their serials. */
  named(): [name: string, file: RootFile][] {
    this.#removeOld();
    return [...this.#named].sort(([, one], [, other]) => one.serial - other.serial);
  }

  /** Gives it a name; what had that has none then. */
  rename(file: RootFile, name: string) {
    const other = this.#named.get(name);
    if (other && other !== file) this.remove(other);
    if (file.name !== undefined) this.#named.delete(file.name);
    file.name = name;
    file.restsSince = this.now();
    this.#named.set(name, file);
  }

  /** Takes its name away: it goes, or lives until its last close. */
  remove(file: RootFile) {
    if (file.name !== undefined) this.#named.delete(file.name);
    file.name = undefined;
    if (file.opens === 0) this.#forget(file);
  }

  open(file: RootFile, cache?: "direct"): Handle {
    file.opens++;
    return new RootFileHandle(file, this.#config, cache, () => this.#closed(file));
  }

  /**
   * One open of config.json: a file of its own, which nobody else sees. What it reads is as it was at the open,
   * past the page cache, and what it writes is applied once it is whole.
   * @throws {ErrnoError} EDQUOT, ENOSPC.
   */
  openSettings(nodeid: NodeId, uid: number, ownership: Ownership, bytes: Uint8Array): Handle {
    const charge = new Charge(this.#accounts, uid, bytes.length);
    const file = new RootFile(nodeid, 0, charge, bytes, ownership, this);
    file.isSettings = true;
    return this.open(file, "direct");
  }

  #closed(file: RootFile) {
    file.opens--;
    if (file.opens > 0) return;
    file.restsSince = this.now();
    if (file.name === undefined) this.#forget(file);
  }

  #makeRoom() {
    if (this.#named.size < MAX_ROOT_FILES) return;
    const [oldest] = this.named().map(([, file]) => file).filter(({ opens }) => opens === 0)
      .sort((one, other) => one.restsSince - other.restsSince);
    if (!oldest) throw new ErrnoError("ENOSPC");
    this.remove(oldest);
  }

  /** Done at each look, so that none of them needs a timer. */
  #removeOld() {
    if (this.#named.size === 0) return;
    const until = this.now() - ROOT_FILE_KEPT_MS;
    for (const file of [...this.#named.values()]) {
      if (file.opens === 0 && file.restsSince <= until) this.remove(file);
    }
  }

  #forget(file: RootFile) {
    file.charge.set(0);
    this.#files.delete(file.nodeid);
  }
}
