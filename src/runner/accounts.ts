import { exists } from "../sys/file.ts";
import { isKnownGroup } from "../sys/group.ts";
import { type User, userById } from "../sys/passwd.ts";
import type { RunAs } from "./messages.ts";

/** A user's entry is looked up again after this. */
const CACHED_MS = 10_000;

/** Who a command runs as, in the terms of setpriv(1). */
export interface Credentials {
  uid: number;
  gid: number;
  /** "own": those that the user database gives this user; "none" if it has no such user. */
  groups: "own" | "none";
}

/** Of whom the user database does not have, and who so is in no group of the group database; /proc/sys/fs/overflowgid. */
const NOGROUP = 65_534;

/** What a login would set up for a user. */
export interface Account {
  credentials: Credentials;
  env: Record<string, string>;
  cwd: string;
}

export class Accounts {
  readonly #users = new Map<number, { user: User | undefined; at: number }>();

  /** @throws {ErrnoError} If the user database can't be read. */
  of({ uid, gid }: RunAs): Account {
    const user = this.#lookUp(uid);
    const home = user?.home || "/";
    const name = user?.name ?? String(uid);
    return {
      // Not the group of the file, which may come from its directory: the user need not be a member of that.
      credentials: user
        ? { uid, gid: user.gid, groups: "own" }
        : { uid, gid: isKnownGroup(gid) ? NOGROUP : gid, groups: "none" },
      env: { HOME: home, USER: name, LOGNAME: name, SHELL: user?.shell || "/bin/sh" },
      cwd: exists(`${home}/.`) ? home : "/",
    };
  }

  #lookUp(uid: number): User | undefined {
    const now = performance.now();
    const cached = this.#users.get(uid);
    if (cached && now - cached.at < CACHED_MS) return cached.user;
    const user = userById(uid);
    this.#users.set(uid, { user, at: now });
    return user;
  }
}
