import { getLogger } from "@logtape/logtape";
import { Pause } from "./pause.ts";
import type { Shortage } from "../run/shortage.ts";

const log = getLogger(["filed", "runner"]);

/** Whose jobs: of a user, by its uid, or those that run as filed's own. */
export type User = number | "own";

/** The pauses that there are: of all starts, and of those of single users. */
export class Pauses implements Disposable {
  readonly #onTime: () => void;
  readonly #pauses = new Map<User | "all", Pause>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param onTime Called when more may be started than before. */
  constructor(onTime: () => void) {
    this.#onTime = onTime;
  }

  /** How many starts may be tried now, whosever; `undefined`: there is no pause. */
  get allowed(): number | undefined {
    return this.#pauses.get("all")?.allowed;
  }

  /** How many starts of a user's jobs may be tried now. */
  room(user: User): number {
    return this.#pauses.get(user)?.allowed ?? Infinity;
  }

  /** A start is tried. */
  take(user: User): void {
    this.#pauses.get("all")?.take();
    this.#pauses.get(user)?.take();
  }

  /** A start was put off. @returns To be called when the job is back in its place. */
  putOff(shortage: Shortage, user: User): () => void {
    const whose = shortage.of === "user" ? user : "all";
    const pause = this.#pauses.get(whose) ?? this.#begin(shortage, whose);
    pause.putOff(performance.now());
    this.#setTimer();
    return () => {
      pause.returned();
      this.#onTime();
    };
  }

  /** A run has ended. */
  runEnded(user: User): void {
    this.#pauses.get("all")?.runEnded();
    this.#pauses.get(user)?.runEnded();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#pauses.clear();
  }

  #begin(shortage: Shortage, whose: User | "all"): Pause {
    const { missing, error, advice } = shortage;
    if (whose === "all") log.warn("cannot start jobs", { missing, error, advice });
    else log.warn("cannot start a user's jobs", { user: whose, missing, error, advice });
    const pause = new Pause(shortage);
    this.#pauses.set(whose, pause);
    return pause;
  }

  #setTimer() {
    clearTimeout(this.#timer);
    if (this.#pauses.size === 0) return;
    const nextAt = Math.min(...this.#pauses.values().map(({ nextAt }) => nextAt));
    this.#timer = setTimeout(() => this.#look(), Math.max(0, nextAt - performance.now()));
  }

  #look() {
    const now = performance.now();
    for (const [whose, pause] of this.#pauses) {
      if (now < pause.nextAt || !pause.look(now)) continue;
      const { missing } = pause.shortage;
      if (whose === "all") log.info("can start jobs again", { missing });
      else log.info("can start a user's jobs again", { user: whose, missing });
      this.#pauses.delete(whose);
    }
    this.#setTimer();
    this.#onTime();
  }
}
