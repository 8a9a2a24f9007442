/** So many lines of one user's doing are logged within `WINDOW_MS`. */
const LINES = 10;
const WINDOW_MS = 60_000;
/** Users who are known at once; of others the oldest is forgotten. */
const USERS = 1_024;

/** A line is logged, is the last one for a while, or is left out. */
export type Verdict = "log" | "log-as-last" | "leave-out";

/** Whether a warning that a user can cause at will is logged: nobody is to fill the journal with them. */
export class Warnings {
  readonly #now: () => number;
  readonly #users = new Map<number, { since: number; lines: number }>();

  /** @param now A clock, ms. */
  constructor(now: () => number) {
    this.#now = now;
  }

  judge(uid: number): Verdict {
    const now = this.#now();
    let user = this.#users.get(uid);
    if (!user || now - user.since >= WINDOW_MS || now < user.since) {
      user = { since: now, lines: 0 };
      this.#users.delete(uid);
      this.#users.set(uid, user);
      this.#forgetOldest();
    }
    user.lines++;
    return user.lines < LINES ? "log" : user.lines === LINES ? "log-as-last" : "leave-out";
  }

  #forgetOldest() {
    const [oldest] = this.#users.keys();
    if (this.#users.size > USERS && oldest !== undefined) this.#users.delete(oldest);
  }
}
