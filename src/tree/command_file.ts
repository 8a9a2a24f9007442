import type { Job } from "../job/job.ts";
import { ErrnoError } from "../fuse/mod.ts";
import { Judging } from "../job/judging.ts";
import { type Bytes, Pieces } from "../job/pieces.ts";
import type { Writers } from "../job/writers.ts";
import type { Charge } from "./accounts.ts";
import { MOST_BYTES } from "./job_limit.ts";

/** What a file held, closed, whose it was then, and who had written to it. */
export interface Content {
  bytes: Pieces;
  owner: number;
  foreignWriter: number | null;
}

/** Who has it open. */
export interface Opener {
  readonly uid: number;
  readonly access: "read" | "write";
}

/**
 * The content of a pending job that somebody has open, shared by all who have: what each of them writes, the
 * others read. It knows which of it is stored, and how far.
 *
 * While somebody may write, what was there and what was closed since are kept, to be taken back to. So the
 * charge does not fall until nobody may, and is a third at least of what is in memory.
 */
export class CommandFile {
  /** What is known of it for the next write to be judged. */
  readonly judging = new Judging();
  #bytes = Pieces.EMPTY;
  #unsavedBytes = 0;
  #version = 0;
  #storedVersion: number;
  #closedVersion: number;
  /** Who may have written what is not closed yet; `all`, if it was emptied before. */
  #writers: { uids: Set<number>; of: Writers["of"] } = { uids: new Set(), of: "part" };
  readonly #openers = new Set<Opener>();
  /** Last change, epoch ms; `undefined`: none since it was opened. */
  modifiedAt: number | undefined;
  /** The job is removed, has left pending/, or was rewritten by a rename: who has it open goes on, and nothing of it is stored. */
  isRemoved = false;
  /** Why a write failed. What is left would be a command cut short: it is not closed, and so does not run. */
  spoiled: unknown;
  /** Why what was written can never run, as long as it is not closed. */
  refused: string | undefined;
  /** What became of its last close, of those that brought something; `refused`: that may be stored all the same. */
  lastClose: "accepted" | "refused" | undefined;
  /** What those now writing found; `none`: they made the file. */
  before: Content | "none" | undefined;
  /** What one of them closed last, and whose handle that was. */
  left: Content & { by: { refusal: unknown } } | undefined;
  /** Resolves once the content is here. */
  ready: Promise<void> = Promise.resolve();

  /**
   * @param job As it was when last looked at.
   * @param origin `new`: it is to be stored even if nothing is written; `stored`: its content is still to
   * come.
   * @param charge For that content; who opens the file first is charged.
   */
  constructor(public job: Job, origin: "new" | "stored", readonly charge: Charge) {
    this.#storedVersion = this.#closedVersion = origin === "new" ? -1 : 0;
    if (origin === "new") this.before = "none";
  }

  get isOpen(): boolean {
    return this.#openers.size > 0;
  }

  /** Whether somebody may write to it, which keeps the job from starting. */
  get hasWriter(): boolean {
    return this.#openers.values().some(({ access }) => access === "write");
  }

  opened(opener: Opener) {
    this.#openers.add(opener);
  }

  /**
   * With the last that one of the users has, the content is another's to be charged for; with the last of
   * all, it goes.
   */
  closed(opener: Opener) {
    this.#openers.delete(opener);
    const [other] = this.#openers;
    const isChargedStill = this.#openers.values().some(({ uid }) => uid === this.charge.uid);
    if (!other) this.charge.set(0);
    else if (!isChargedStill) this.charge.passTo(other.uid);
  }

  /** Nobody may write any more. @returns What those who wrote have found, and left; it is kept no longer. */
  forgetKept(): Pick<CommandFile, "before" | "left"> {
    const { before, left } = this;
    this.before = this.left = undefined;
    this.#recharge(this.#bytes.length);
    return { before, left };
  }

  /** Takes what the store has, closed. */
  fill(bytes: Bytes) {
    this.#recharge(this.#chargeFor(bytes.length));
    this.#bytes = Pieces.of(bytes);
    this.judging.changed(0);
    this.#writers = { uids: new Set(), of: "part" };
    this.#storedVersion = this.#closedVersion = this.#version;
    this.spoiled = this.refused = undefined;
  }

  /** @throws Why a write failed, if one did. */
  requireUnspoiled() {
    if (this.spoiled !== undefined) throw this.spoiled;
  }

  /** The whole content. */
  get bytes(): Pieces {
    return this.#bytes;
  }

  /** How much was written since it was last saved. */
  get unsavedBytes(): number {
    return this.#unsavedBytes;
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
   * @throws {ErrnoError} EFBIG, EDQUOT, ENOSPC.
   */
  write(offset: number, data: Uint8Array, now: number): () => void {
    const length = Math.max(this.#bytes.length, offset + data.length);
    const charged = this.#makeRoom(length);
    this.#unsavedBytes += data.length;
    return this.#replace(this.#bytes.written(offset, data), offset, charged, now);
  }

  /** As `write`. @throws {ErrnoError} EFBIG, EDQUOT, ENOSPC. */
  truncate(size: number, now: number): () => void {
    const charged = this.#makeRoom(size);
    if (size === 0) this.#writers = { uids: new Set(), of: "all" };
    return this.#replace(this.#bytes.resized(size), Math.min(size, this.#bytes.length), charged, now);
  }

  /** Runs `save` on the content as it is now, and notes how far that got. */
  async save(
    how: "draft" | "closed",
    save: (bytes: Pieces, writers: Writers) => Promise<unknown>,
  ): Promise<void> {
    const version = this.#version;
    this.#unsavedBytes = 0;
    await save(this.#bytes, this.#writers);
    this.#storedVersion = Math.max(this.#storedVersion, version);
    if (how === "closed") {
      this.#closedVersion = Math.max(this.#closedVersion, version);
      this.lastClose = "accepted";
    }
    if (this.isClosed) this.#writers = { uids: new Set(), of: "part" };
  }

  /** @returns What was charged before. */
  #makeRoom(size: number): number {
    if (size > MOST_BYTES) throw new ErrnoError("EFBIG");
    const charged = this.charge.bytes;
    if (this.isOpen) this.charge.resize(this.#chargeFor(size));
    return charged;
  }

  #chargeFor(size: number): number {
    return this.hasWriter ? Math.max(size, this.charge.bytes) : size;
  }

  /** What nobody has open any more is gone with what is still under way for it. */
  #recharge(bytes: number) {
    if (this.isOpen) this.charge.set(bytes);
  }

  /** @param from Where it begins to be another. @param charged What was charged before. */
  #replace(bytes: Pieces, from: number, charged: number, now: number): () => void {
    const before = this.#bytes;
    const version = ++this.#version;
    this.#bytes = bytes;
    this.judging.changed(Math.min(from, before.length));
    this.modifiedAt = now;
    // All of them: what is written to a shared mapping comes through any handle.
    for (const { uid, access } of this.#openers) if (access === "write") this.#writers.uids.add(uid);
    return () => {
      // Somebody may have written after us: theirs is stored or taken back by itself.
      if (this.#version !== version) return;
      this.#recharge(charged);
      this.#bytes = before;
      this.judging.changed(Math.min(from, before.length));
    };
  }
}
