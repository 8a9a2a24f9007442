import { getLogger } from "@logtape/logtape";
import { Pause } from "./pause.ts";
import type { Shortage } from "../run/shortage.ts";

const log = getLogger(["filed", "runner"]);

/** Whose jobs: of a user, by its uid, or those that run as filed's own. */
export type User = number | "own";

/** The pauses that there are: of all starts, and of those of single users. */
export class Pauses implements Disposable {
  readonly #onTime: () => void;
  readonly #ofUsers = new Map<User, Pause>();
  #ofAll: Pause | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param onTime Called when more may be started than before. */
  constructor(onTime: () => void) {
    this.#onTime = onTime;
  }

  /** How many starts may be tried now, whosever; `undefined`: there is no pause. */
  get allowed(): number | undefined {
    return this.#ofAll?.allowed;
  }

  /** How many starts of a user's jobs may be tried now. */
  room(user: User): number {
    return this.#ofUsers.get(user)?.allowed ?? Infinity;
  }

  /** A start is tried. */
  take(user: User): void {
    this.#ofAll?.take();
    this.#ofUsers.get(user)?.take();
  }

  /** A start was put off. @returns To be called when the job is back in its place. */
  putOff(shortage: Shortage, user: User): () => void {
    const pause = shortage.of === "user" ? this.#pauseOf(shortage, user) : this.#pauseOfAll(shortage);
    pause.putOff(performance.now());
    this.#setTimer();
    return () => {
      pause.returned();
      this.#onTime();
    };
  }

  /** A run has ended. */
  runEnded(user: User): void {
    this.#ofAll?.runEnded();
    this.#ofUsers.get(user)?.runEnded();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#ofUsers.clear();
    this.#ofAll = undefined;
  }

  #pauseOfAll(shortage: Shortage): Pause {
    if (this.#ofAll) return this.#ofAll;
    const { missing, error, advice } = shortage;
    log.warn("cannot start jobs", { missing, error, advice });
    return this.#ofAll = new Pause(shortage);
  }

  #pauseOf(shortage: Shortage, user: User): Pause {
    const known = this.#ofUsers.get(user);
    if (known) return known;
    const { missing, error, advice } = shortage;
    log.warn("cannot start a user's jobs", { user, missing, error, advice });
    const pause = new Pause(shortage);
    this.#ofUsers.set(user, pause);
    return pause;
  }

  #setTimer() {
    clearTimeout(this.#timer);
    const pauses = [...this.#ofUsers.values(), ...this.#ofAll ? [this.#ofAll] : []];
    if (pauses.length === 0) return;
    const nextAt = Math.min(...pauses.map(({ nextAt }) => nextAt));
    this.#timer = setTimeout(() => this.#look(), Math.max(0, nextAt - performance.now()));
  }

  #look() {
    const now = performance.now();
    if (this.#ofAll && this.#isOver(this.#ofAll, now)) {
      log.info("can start jobs again", { missing: this.#ofAll.shortage.missing });
      this.#ofAll = undefined;
    }
    for (const [user, pause] of this.#ofUsers) {
      if (!this.#isOver(pause, now)) continue;
      log.info("can start a user's jobs again", { user, missing: pause.shortage.missing });
      this.#ofUsers.delete(user);
    }
    this.#setTimer();
    this.#onTime();
  }

  #isOver(pause: Pause, now: number): boolean {
    return now >= pause.nextAt && pause.look(now);
  }
}
