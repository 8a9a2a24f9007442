import assert from "node:assert/strict";
import { ErrnoError, type ErrnoName } from "../fuse/mod.ts";

/** What users can make many of in memory. */
export interface Holdings {
  /** Files that are open. */
  handles: number;
  /** Of the commands and settings that are open. */
  bytes: number;
  /** Jobs that can't start, since they are open for writing or have just come. */
  heldJobs: number;
}

export type Good = keyof Holdings;

/** What a user may have: two of the longest contents, since who rewrites one reads it, and writes another beside it. */
const OF_USER: Readonly<Holdings> = { handles: 4_096, bytes: 32 << 20, heldJobs: 10_000 };
/** What all may have together, root excepted. With all of it in use, filed has some 410 MB. */
const OF_ALL: Readonly<Holdings> = { handles: 16_384, bytes: 96 << 20, heldJobs: 40_000 };

/** As open(2) and write(2) have it. */
const REFUSALS: Record<Good, { ofUser: ErrnoName; ofAll: ErrnoName }> = {
  handles: { ofUser: "EMFILE", ofAll: "ENFILE" },
  bytes: { ofUser: "EDQUOT", ofAll: "ENOSPC" },
  heldJobs: { ofUser: "EDQUOT", ofAll: "ENOSPC" },
};

const NOTHING: Readonly<Holdings> = { handles: 0, bytes: 0, heldJobs: 0 };
const ROOT = 0;

export interface AccountsOptions {
  ofUser?: Readonly<Holdings>;
  ofAll?: Readonly<Holdings>;
  /** Whose account an id's is: one user may have 65,536 ids. */
  accountOf?: (uid: number) => number;
}

/** Who has how much, and may have no more. Root is never refused anything. */
export class Accounts {
  readonly #ofUser: Readonly<Holdings>;
  readonly #ofAll: Readonly<Holdings>;
  /** Whose account an id's is. */
  readonly accountOf: (uid: number) => number;
  readonly #users = new Map<number, Holdings>();
  /** Of all users but root. */
  readonly #all: Holdings = { ...NOTHING };

  constructor({ ofUser = OF_USER, ofAll = OF_ALL, accountOf = (uid) => uid }: AccountsOptions = {}) {
    this.#ofUser = ofUser;
    this.#ofAll = ofAll;
    this.accountOf = accountOf;
  }

  /** What a user has. */
  of(uid: number): Readonly<Holdings> {
    return this.#users.get(this.accountOf(uid)) ?? NOTHING;
  }

  /** The users who have something. */
  get users(): number[] {
    return [...this.#users.keys()];
  }

  /** @throws {ErrnoError} EMFILE, EDQUOT; ENFILE, ENOSPC where others have it. Then nothing is taken. */
  take(uid: number, good: Good, amount: number): void {
    this.requireRoom(uid, good, amount);
    this.charge(uid, good, amount);
  }

  /** @throws {ErrnoError} As `take`. */
  requireRoom(uid: number, good: Good, amount: number): void {
    if (uid === ROOT || amount <= 0) return;
    if (this.of(uid)[good] + amount > this.#ofUser[good]) throw new ErrnoError(REFUSALS[good].ofUser);
    if (this.#all[good] + amount > this.#ofAll[good]) throw new ErrnoError(REFUSALS[good].ofAll);
  }

  /** Counts what the user has already, or no more if it is negative. */
  charge(uid: number, good: Good, amount: number): void {
    const account = this.accountOf(uid);
    const user = this.#users.get(account) ?? { ...NOTHING };
    user[good] += amount;
    assert.ok(user[good] >= 0, `user ${uid} has given back more ${good} than taken`);
    if (uid !== ROOT) this.#all[good] += amount;
    if (user.handles + user.bytes + user.heldJobs > 0) this.#users.set(account, user);
    else this.#users.delete(account);
  }

  giveBack(uid: number, good: Good, amount: number): void {
    this.charge(uid, good, -amount);
  }
}

/** The bytes of something that is open, which one of those who have it open is charged. */
export class Charge {
  readonly #accounts: Accounts;
  #uid: number;
  #bytes: number;

  /** @throws {ErrnoError} EDQUOT, ENOSPC. */
  constructor(accounts: Accounts, uid: number, bytes: number) {
    accounts.take(uid, "bytes", bytes);
    this.#accounts = accounts;
    this.#uid = uid;
    this.#bytes = bytes;
  }

  get uid(): number {
    return this.#uid;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** There are to be so many. @throws {ErrnoError} EDQUOT, ENOSPC; then there are as many as before. */
  resize(bytes: number): void {
    this.#accounts.requireRoom(this.#uid, "bytes", bytes - this.#bytes);
    this.set(bytes);
  }

  /** There are so many now. */
  set(bytes: number): void {
    this.#accounts.charge(this.#uid, "bytes", bytes - this.#bytes);
    this.#bytes = bytes;
  }

  /** Who was charged has closed it, and this one still has it open. */
  passTo(uid: number): void {
    const bytes = this.#bytes;
    this.set(0);
    this.#uid = uid;
    this.set(bytes);
  }
}
