import type { Credentials } from "../../sys/spawn/mod.ts";
import { ErrnoError } from "../../sys/errno.ts";
import { groupsOf, isKnownGroup } from "../../sys/processes/group.ts";
import { userById } from "../../sys/processes/passwd.ts";
import { atMost } from "../../sys/waiting/deadline.ts";
import type { TargetUser } from "../../run/messages.ts";

/** A user's entry is looked up again after this. */
const CACHED_MS = 10_000;
/** How long a start waits for the user database. */
const PATIENCE_MS = 5_000;
/** Look-ups under way at the most: one that is not answered keeps a thread. */
const MAX_ASKING = 32;

/**
 * The group of a user whom the user database does not have, if the group of the file is in the group
 * database.
 * @see proc_sys_fs(5), overflowgid
 */
const NOGROUP = 65_534;

/** All that a login would set up for a user. */
export interface Account {
  credentials: Credentials;
  env: Record<string, string>;
  /** Its home, which need not be there. Only its user looks at it: it may be their mount, and not answer. */
  cwd: readonly string[];
}

/** The user database as jobs need it, asked on another thread: neither of ours waits for its servers. */
export class Accounts {
  /** By `keyOf`, the oldest first. */
  readonly #known = new Map<string, { account: Account; at: number }>();
  readonly #asking = new Map<string, Promise<Account>>();
  readonly #look: (user: TargetUser) => Promise<Account>;
  readonly #patienceMs: number;

  /** @param look How an account is looked up, which may take for ever. */
  constructor(look: (user: TargetUser) => Promise<Account> = lookUp, patienceMs: number = PATIENCE_MS) {
    this.#look = look;
    this.#patienceMs = patienceMs;
  }

  /**
   * @returns The account at once if it is known, so that jobs start in their order.
   * @throws {ErrnoError} Later: if the user database can't be read, ETIMEDOUT if it does not answer in time.
   */
  of(user: TargetUser): Account | Promise<Account> {
    const key = keyOf(user);
    const known = this.#known.get(key);
    if (known && performance.now() - known.at < CACHED_MS) return known.account;
    return this.#answerInTime(key, user);
  }

  async #answerInTime(key: string, user: TargetUser): Promise<Account> {
    const asking = this.#ask(key, user);
    if (await atMost(this.#patienceMs, asking)) return await asking;
    throw new ErrnoError("ETIMEDOUT", `the user database does not answer for uid ${user.uid}`);
  }

  /** Asks once at a time for each user. */
  #ask(key: string, user: TargetUser): Promise<Account> {
    const asked = this.#asking.get(key);
    if (asked) return asked;
    if (this.#asking.size >= MAX_ASKING) {
      return Promise.reject(new ErrnoError("ETIMEDOUT", "the user database does not answer"));
    }
    const asking = this.#look(user)
      .then((account) => this.#remember(key, account))
      .finally(() => this.#asking.delete(key));
    this.#asking.set(key, asking);
    return asking;
  }

  #remember(key: string, account: Account): Account {
    const now = performance.now();
    for (const [other, { at }] of this.#known) {
      if (now - at < CACHED_MS) break;
      this.#known.delete(other);
    }
    this.#known.delete(key);
    this.#known.set(key, { account, at: now });
    return account;
  }
}

function keyOf({ uid, gid }: TargetUser): string {
  return `${uid} ${gid}`;
}

/** @throws {ErrnoError} If the user database can't be read. */
async function lookUp({ uid, gid }: TargetUser): Promise<Account> {
  const user = await userById(uid);
  const home = user?.home || "/";
  const name = user?.name ?? String(uid);
  return {
    // Not the group of the file, which may come from its directory: the user need not be a member of that.
    credentials: user
      ? { uid, gid: user.gid, groups: await groupsOf(user.name, user.gid) }
      : { uid, gid: await isKnownGroup(gid) ? NOGROUP : gid, groups: [] },
    env: { HOME: home, USER: name, LOGNAME: name, SHELL: user?.shell || "/bin/sh" },
    cwd: home.startsWith("/") ? [home] : [],
  };
}
