import { getLogger } from "@logtape/logtape";
import type { Accounts } from "./accounts.ts";
import { Expiring } from "./expiring.ts";

const log = getLogger(["filed", "tree"]);

/** So many lines of one user's doing are logged within `WINDOW_MS`. */
const LINES = 10;
const WINDOW_MS = 60_000;
/** Users who are known at once; of others the oldest is forgotten. */
const USERS = 1_024;

/** A line is logged, is the last one for a while, or is left out. */
export type Verdict = "log" | "log-as-last" | "leave-out";

/** Warnings that a user can cause at will: nobody is to fill the journal with them. */
export class Warnings {
  readonly #accounts: Accounts;
  /** By account, since one user may have 65,536 ids. */
  readonly #users: Expiring<number, { lines: number }>;

  /** @param now A clock, ms. */
  constructor(accounts: Accounts, now: () => number) {
    this.#accounts = accounts;
    this.#users = new Expiring(WINDOW_MS, now, USERS);
  }

  warn(uid: number, message: string, fields: Record<string, unknown>) {
    const verdict = this.judge(uid);
    if (verdict === "leave-out") return;
    log.warn(message, fields);
    if (verdict === "log-as-last") {
      log.warn("more of what this user causes is left out for a minute", { uid });
    }
  }

  judge(uid: number): Verdict {
    const account = this.#accounts.accountOf(uid);
    const user = this.#users.get(account) ?? this.#users.set(account, { lines: 0 });
    user.lines++;
    return user.lines < LINES ? "log" : user.lines === LINES ? "log-as-last" : "leave-out";
  }
}
