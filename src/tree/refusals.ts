import { escapeInvisible } from "../job/invisible.ts";
import type { Ownership } from "../job/job.ts";
import { must } from "../must.ts";
import type { Accounts } from "./accounts.ts";
import { LAST_ORDINAL } from "./node_ids.ts";
import { mayReadContent } from "./rights.ts";

/** A submission that was refused. Another of the same user and id takes its place. */
export interface Refusal {
  /** Of its node, as long as somebody can come to it. */
  readonly ordinal: number;
  /** Who was refused. */
  readonly uid: number;
  readonly id: string;
  /** In one line. */
  readonly reason: string;
  /** Epoch ms. */
  readonly at: number;
  /** How many have it open. They go on where it is forgotten. */
  opens: number;
  isForgotten: boolean;
}

export interface RefusalLimits {
  /** So many of one user are kept, and of all together. */
  readonly ofUser: number;
  readonly ofAll: number;
  /** Ordinals begin again behind it. */
  readonly lastOrdinal: number;
}

const LIMITS: RefusalLimits = { ofUser: 100, ofAll: 10_000, lastOrdinal: LAST_ORDINAL };
/** A reason can have a value of the job's in it, of any length. What counts is at its ends. */
const MAX_REASON_CHARACTERS = 1_000;
const ROOT = 0;
const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();

/** What was refused last, and why, in memory: for each user by id. */
export class Refusals {
  readonly #accounts: Accounts;
  readonly #daemonUid: number;
  readonly #now: () => number;
  readonly #limits: RefusalLimits;
  /** The oldest first, as in each of the following. */
  readonly #all = new Set<Refusal>();
  /** By account, since one user may have 65,536 ids. */
  readonly #ofAccounts = new Map<number, Set<Refusal>>();
  /** By id, and then by user. */
  readonly #byId = new Map<string, Map<number, Refusal>>();
  /** Those too that are forgotten, while they are open. */
  readonly #byOrdinal = new Map<number, Refusal>();
  #lastOrdinal = 0;

  /** @param daemonUid filed's user, who may read all of them, as root may. @param now A clock, epoch ms. */
  constructor(accounts: Accounts, daemonUid: number, now: () => number, limits = LIMITS) {
    this.#accounts = accounts;
    this.#daemonUid = daemonUid;
    this.#now = now;
    this.#limits = limits;
  }

  /**
   * That user's submission was refused.
   * @param id What the job was to be called.
   * @param reason What is wrong with it, to be read behind "refused:".
   * @param job Whose content that tells of: who may not read it is told nothing.
   */
  note(uid: number, id: string, reason: string, job: Ownership) {
    this.clear(uid, id);
    if (!mayReadContent(uid, job)) return;
    const ofAccount = this.#add({
      ordinal: this.#freeOrdinal(),
      uid,
      id,
      reason: copied(shortened(escapeInvisible(reason))),
      at: this.#now(),
      opens: 0,
      isForgotten: false,
    });
    if (ofAccount.size > this.#limits.ofUser) this.#forgetOldest(ofAccount);
    if (this.#all.size > this.#limits.ofAll) this.#forgetOldest(this.#all);
  }

  /** Nothing is said of that user and that id any more: it is submitted. */
  clear(uid: number, id: string) {
    const refusal = this.#byId.get(id)?.get(uid);
    if (refusal) this.#forget(refusal);
  }

  /** What that user may read of an id: the own refusal of it; root and filed's user, the newest. */
  find(uid: number, id: string): Refusal | undefined {
    const refusals = this.#byId.get(id);
    return this.#mayReadAll(uid) ? refusals && [...refusals.values()].at(-1) : refusals?.get(uid);
  }

  byOrdinal(ordinal: number): Refusal | undefined {
    return this.#byOrdinal.get(ordinal);
  }

  mayRead(uid: number, refusal: Refusal): boolean {
    return this.#mayReadAll(uid) || uid === refusal.uid;
  }

  opened(refusal: Refusal) {
    refusal.opens++;
  }

  closed(refusal: Refusal) {
    refusal.opens--;
    if (refusal.isForgotten && refusal.opens === 0) this.#byOrdinal.delete(refusal.ordinal);
  }

  #mayReadAll(uid: number): boolean {
    return uid === ROOT || uid === this.#daemonUid;
  }

  /** @returns All of that account. */
  #add(refusal: Refusal): Set<Refusal> {
    const { uid, id, ordinal } = refusal;
    const account = this.#accounts.accountOf(uid);
    const ofAccount = this.#ofAccounts.get(account) ?? new Set();
    const ofId = this.#byId.get(id) ?? new Map<number, Refusal>();
    this.#ofAccounts.set(account, ofAccount.add(refusal));
    this.#byId.set(id, ofId.set(uid, refusal));
    this.#byOrdinal.set(ordinal, refusal);
    this.#all.add(refusal);
    return ofAccount;
  }

  #forgetOldest(some: ReadonlySet<Refusal>) {
    const [oldest] = some;
    this.#forget(must(oldest, "a set past its limit is not empty"));
  }

  #forget(refusal: Refusal) {
    const { uid, id, ordinal, opens } = refusal;
    const account = this.#accounts.accountOf(uid);
    const ofAccount = must(this.#ofAccounts.get(account), "a refusal is among those of its account");
    const ofId = must(this.#byId.get(id), "a refusal is among those of its id");
    refusal.isForgotten = true;
    ofAccount.delete(refusal);
    if (ofAccount.size === 0) this.#ofAccounts.delete(account);
    ofId.delete(uid);
    if (ofId.size === 0) this.#byId.delete(id);
    if (opens === 0) this.#byOrdinal.delete(ordinal);
    this.#all.delete(refusal);
  }

  #freeOrdinal(): number {
    do {
      this.#lastOrdinal = this.#lastOrdinal % this.#limits.lastOrdinal + 1;
    } while (this.#byOrdinal.has(this.#lastOrdinal));
    return this.#lastOrdinal;
  }
}

/** The engine keeps all of a text in memory as long as a part of it lives, and a job may be long. */
function copied(text: string): string {
  return DECODER.decode(ENCODER.encode(text));
}

function shortened(reason: string): string {
  if (reason.length <= MAX_REASON_CHARACTERS) return reason;
  const half = MAX_REASON_CHARACTERS / 2;
  return `${reason.slice(0, half)} … ${reason.slice(-half)}`;
}
