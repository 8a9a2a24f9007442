import { type AttributeChanges, type Attributes, ErrnoError, type NodeId, S_IFREG } from "../fuse/mod.ts";
import type { Ownership } from "../queue/queue.ts";
import type { Charge } from "./accounts.ts";
import { BLOCK_BYTES } from "./attributes.ts";
import { clientTime } from "./client_time.ts";
import { MAX_CONFIG_BYTES } from "./config_text.ts";

const PERMISSIONS = 0o777;

/** Epoch ms. */
interface Times {
  born: number;
  accessed: number;
  modified: number;
  changed: number;
}

/** A file that somebody made beside config.json. It is in memory only. */
export class RootFile {
  /**
   * What it is called in the mount's own directory; `undefined`: nothing any more, and who has it open goes
   * on.
   */
  name: string | undefined;
  /** It took the place of the settings: what is written to it from then on is theirs. */
  isSettings = false;
  /** It was written to as the settings: each write looked whether more can make it JSON, and none whether it is by now. */
  mayEndTooEarly = false;
  /** How many have it open. */
  opens = 0;
  /** When the last of them closed it, or it got its name, epoch ms. */
  restsSince: number;
  #bytes: Uint8Array;
  #ownership: Ownership;
  readonly #times: Times;

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
    now: number,
  ) {
    this.#bytes = bytes;
    this.#ownership = ownership;
    this.restsSince = now;
    this.#times = { born: now, accessed: now, modified: now, changed: now };
  }

  /** The whole content; not to be changed. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /**
   * @returns How to take it back.
   * @throws {ErrnoError} EFBIG, EDQUOT, ENOSPC; then nothing is written.
   */
  write(offset: number, data: Uint8Array, now: number): () => void {
    const before = this.#bytes;
    this.#resize(Math.max(before.length, offset + data.length), now);
    const after = this.#bytes;
    after.set(data, offset);
    return () => {
      if (this.#bytes !== after) return; // Somebody wrote after us; theirs is checked by itself.
      this.charge.set(before.length);
      this.#bytes = before;
    };
  }

  /**
   * Takes what it is to change; the times that are not named are what they are.
   * @throws {ErrnoError} As `write`.
   */
  change({ mode, uid, gid, sizeBytes, atime, mtime }: AttributeChanges, now: number) {
    if (sizeBytes !== undefined) this.#resize(sizeBytes, now);
    const own = this.#ownership;
    this.#ownership = { mode: (mode ?? own.mode) & PERMISSIONS, uid: uid ?? own.uid, gid: gid ?? own.gid };
    if (atime !== undefined) this.#times.accessed = clientTime(atime, now);
    if (mtime !== undefined) this.#times.modified = clientTime(mtime, now);
    this.#times.changed = now;
  }

  /** What stat(2) shows. */
  get attributes(): Attributes {
    const { uid, gid, mode } = this.#ownership;
    return {
      ino: this.nodeid,
      sizeBytes: this.#bytes.length,
      mode: S_IFREG | mode,
      nlink: this.name === undefined ? 0 : 1,
      uid,
      gid,
      atimeMs: this.#times.accessed,
      mtimeMs: this.#times.modified,
      ctimeMs: this.#times.changed,
      birthMs: this.#times.born,
      blockSizeBytes: BLOCK_BYTES,
    };
  }

  /** Always to a new array: the old one may be on its way to a reader. */
  #resize(size: number, now: number) {
    if (size > MAX_CONFIG_BYTES) throw new ErrnoError("EFBIG");
    this.charge.resize(size);
    const bytes = new Uint8Array(size);
    bytes.set(this.#bytes.subarray(0, size));
    this.#bytes = bytes;
    this.#times.modified = this.#times.changed = now;
  }
}
