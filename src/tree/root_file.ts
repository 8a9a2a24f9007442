import {
  type AttributeChanges,
  type AttributesReply,
  ErrnoError,
  type NodeId,
  type Request,
  S_IFREG,
} from "../fuse/mod.ts";
import type { Ownership } from "../job/job.ts";
import type { Charge } from "./accounts.ts";
import { asked, BLOCK_BYTES } from "./attributes.ts";
import { clientTime } from "./client_time.ts";
import { MAX_CONFIG_BYTES } from "./config_text.ts";
import type { Handle, Node, Opening } from "./node.ts";

const PERMISSIONS = 0o777;

/** What keeps the file. */
interface Keeper {
  readonly now: () => number;
  open(file: RootFile): Handle;
}

/** A file that somebody made beside config.json. It is in memory only. */
export class RootFile implements Node {
  /**
   * What it is called in the mount's own directory; `undefined`: nothing any more, and who has it open goes
   * on.
   */
  name: string | undefined;
  /** It took the place of the settings: what is written to it from then on is theirs. */
  isSettings = false;
  /**
   * It was written to as the settings: each write looked whether more can make it JSON, and none whether it
   * is by now.
   */
  mayEndTooEarly = false;
  /** How many have it open. */
  opens = 0;
  /** When the last of them closed it, or it got its name, epoch ms. */
  restsSince: number;
  #bytes: Uint8Array;
  #ownership: Ownership;
  readonly #keeper: Keeper;
  /** Epoch ms. */
  readonly #times: { born: number; accessed: number; modified: number; changed: number };

  /**
   * @param serial Counted from 1, also its place in a listing.
   * @param charge For its content.
   */
  constructor(
    readonly nodeid: NodeId,
    readonly serial: number,
    readonly charge: Charge,
    bytes: Uint8Array,
    ownership: Ownership,
    keeper: Keeper,
  ) {
    const now = keeper.now();
    this.#bytes = bytes;
    this.#ownership = ownership;
    this.#keeper = keeper;
    this.restsSince = now;
    this.#times = { born: now, accessed: now, modified: now, changed: now };
  }

  /** The whole content; not to be changed. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  attributes(): AttributesReply {
    const { born, accessed, modified, changed } = this.#times;
    const { uid, gid, mode } = this.#ownership;
    return asked({
      ino: this.nodeid,
      sizeBytes: this.#bytes.length,
      mode: S_IFREG | mode,
      nlink: this.name === undefined ? 0 : 1,
      uid,
      gid,
      atimeMs: accessed,
      mtimeMs: modified,
      ctimeMs: changed,
      birthMs: born,
      blockSizeBytes: BLOCK_BYTES,
    });
  }

  /**
   * The times that are not named are what they are.
   * @throws {ErrnoError} As `resize`.
   */
  change(_: Request, { mode, uid, gid, sizeBytes, atime, mtime }: AttributeChanges): AttributesReply {
    const now = this.#keeper.now();
    if (sizeBytes !== undefined) this.resize(sizeBytes);
    const own = this.#ownership;
    this.#ownership = { mode: (mode ?? own.mode) & PERMISSIONS, uid: uid ?? own.uid, gid: gid ?? own.gid };
    if (atime !== undefined) this.#times.accessed = clientTime(atime, now);
    if (mtime !== undefined) this.#times.modified = clientTime(mtime, now);
    this.#times.changed = now;
    return this.attributes();
  }

  /** @throws {ErrnoError} EDQUOT, ENOSPC. */
  open(_: Request, { contents }: Opening): Handle {
    if (contents === "truncate") this.resize(0);
    return this.#keeper.open(this);
  }

  /**
   * @returns How to take it back.
   * @throws {ErrnoError} As `resize`.
   */
  write(offset: number, data: Uint8Array): () => void {
    const before = this.#bytes;
    this.resize(Math.max(before.length, offset + data.length));
    const after = this.#bytes;
    after.set(data, offset);
    return () => {
      if (this.#bytes !== after) return; // Somebody wrote after us; theirs is checked by itself.
      this.charge.set(before.length);
      this.#bytes = before;
    };
  }

  /**
   * Always to a new array: the old one may be on its way to a reader.
   * @throws {ErrnoError} EFBIG, EDQUOT, ENOSPC; then nothing is changed.
   */
  resize(sizeBytes: number) {
    if (sizeBytes > MAX_CONFIG_BYTES) throw new ErrnoError("EFBIG");
    this.charge.resize(sizeBytes);
    const bytes = new Uint8Array(sizeBytes);
    bytes.set(this.#bytes.subarray(0, sizeBytes));
    this.#bytes = bytes;
    this.#times.modified = this.#times.changed = this.#keeper.now();
  }
}
