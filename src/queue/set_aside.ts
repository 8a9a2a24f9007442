import { backupOf } from "../job/id.ts";
import type { Job, Pending } from "../job/job.ts";

/** How soon an editor writes the new file, once it has set the old one aside. */
const SET_ASIDE_MS = 1_000;

interface Aside {
  job: Pending;
  by: number;
  at: number;
}

/**
 * Jobs that wait and were just renamed to their backup's name: so do some editors before they write the file
 * anew, and what they write is the same job. Who sets a job aside says so for what they make themselves: another
 * user's new job has nothing of it.
 */
export class SetAside {
  readonly #now: () => number;
  /** By the id that it had, the oldest first. */
  readonly #jobs = new Map<string, Aside>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** A user has renamed a job. @param before As it was. */
  renamed(before: Job, { id }: Job, by: number) {
    if (before.state !== "pending" || before.turn === null || id !== backupOf(before.id)) return;
    for (const [other, { at }] of this.#jobs) {
      if (this.#isJust(at)) break;
      this.#jobs.delete(other);
    }
    this.#jobs.delete(before.id);
    this.#jobs.set(before.id, { job: before, by, at: this.#now() });
  }

  /** The job that had that id a moment ago, as it was, if that user set it aside. It is told once. */
  take(id: string, by: number): Pending | undefined {
    const aside = this.#jobs.get(id);
    if (aside?.by !== by) return undefined;
    this.#jobs.delete(id);
    return this.#isJust(aside.at) ? aside.job : undefined;
  }

  #isJust(at: number): boolean {
    return Math.abs(this.#now() - at) < SET_ASIDE_MS;
  }
}
