import { ErrnoError } from "../fuse/mod.ts";
import { MAX_COMMAND_BYTES } from "../queue/job.ts";
import type { Job } from "../queue/queue.ts";
import type { Writers } from "../queue/writers.ts";

/**
 * The content of a pending job that somebody has open, shared by all who have: what each of them writes, the others
 * read. It knows which of it is stored, and how far.
 */
export class CommandFile {
  #bytes: Uint8Array = new Uint8Array();
  #version = 0;
  #storedVersion: number;
  #closedVersion: number;
  /** Who may have written what is not closed yet; `all`, if it was emptied before. */
  #writers: { uids: Set<number>; of: Writers["of"] } = { uids: new Set(), of: "part" };
  /** Open handles, and who opened those among them that keep the job from starting. */
  handles = 0;
  holders: number[] = [];
  /** Last change, epoch ms; `undefined`: none since it was opened. */
  modifiedAt: number | undefined;
  /** Removed, or replaced by another: who has it open goes on, and nothing of it is stored. */
  isOrphan = false;
  /** Why a write failed. What is left would be a command cut short: it is not closed, and so does not run. */
  spoiled: unknown;
  /** Resolves once the content is here. */
  ready: Promise<void> = Promise.resolve();

  /**
   * @param job As it was when last looked at.
   * @param origin `new`: it is to be stored even if nothing is written; `stored`: its content is still to come.
   */
  constructor(public job: Job, origin: "new" | "stored") {
    this.#storedVersion = this.#closedVersion = origin === "new" ? -1 : 0;
  }

  /** Takes what the store has, closed. */
  fill(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#writers = { uids: new Set(), of: "part" };
    this.#storedVersion = this.#closedVersion = this.#version;
    this.spoiled = undefined;
  }

  /** The whole content; not to be changed. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** Grows with each change. */
  get version(): number {
    return this.#version;
  }

  /** It is on disk. */
  get isStored(): boolean {
    return this.#version === this.#storedVersion;
  }

  /** It is on disk, as what would run. */
  get isClosed(): boolean {
    return this.#version === this.#closedVersion;
  }

  read(offset: number, size: number): Uint8Array {
    return this.#bytes.subarray(offset, offset + size);
  }

  /**
   * @returns How to take it back, should it not be possible to store it.
   * @throws {ErrnoError} EFBIG.
   */
  write(offset: number, data: Uint8Array, now: number): () => void {
    const end = offset + data.length;
    if (end > MAX_COMMAND_BYTES) throw new ErrnoError("EFBIG");
    // Always a new array: the old one may be on its way to the store, or to a reader.
    const bytes = new Uint8Array(Math.max(this.#bytes.length, end));
    bytes.set(this.#bytes);
    bytes.set(data, offset);
    return this.#replace(bytes, now);
  }

  /** @throws {ErrnoError} EFBIG. */
  truncate(size: number, now: number): () => void {
    if (size > MAX_COMMAND_BYTES) throw new ErrnoError("EFBIG");
    if (size === 0) this.#writers = { uids: new Set(), of: "all" };
    const bytes = new Uint8Array(size);
    bytes.set(this.#bytes.subarray(0, size));
    return this.#replace(bytes, now);
  }

  /** Runs `store` on the content as it is now, and notes how far that got. */
  async store(
    how: "written" | "closed",
    store: (bytes: Uint8Array, writers: Writers) => Promise<unknown>,
  ): Promise<void> {
    const version = this.#version;
    await store(this.#bytes, this.#writers);
    this.#storedVersion = Math.max(this.#storedVersion, version);
    if (how === "closed") this.#closedVersion = Math.max(this.#closedVersion, version);
    if (this.isClosed) this.#writers = { uids: new Set(), of: "part" };
  }

  #replace(bytes: Uint8Array, now: number): () => void {
    const before = this.#bytes;
    const version = ++this.#version;
    this.#bytes = bytes;
    this.modifiedAt = now;
    // All of them: what is written to a shared mapping comes through any handle.
    for (const uid of this.holders) this.#writers.uids.add(uid);
    return () => {
      if (this.#version !== version) return; // Somebody wrote after us; theirs is stored or taken back by itself.
      this.#bytes = before;
    };
  }
}
