import type { State } from "../job/state.ts";

export interface QueueWatcher {
  /** A job may have become ready, or the settings have changed. */
  onRunnable(): void;
  /** Somebody took the job from this run: end it. */
  onAbandoned(run: string): void;
  /** There are other jobs in a state than before. */
  onChanged?(): void;
}

/** Who hears of what becomes of the queue, and when it was. */
export class Watchers {
  readonly #now: () => number;
  readonly #watchers = new Set<Partial<QueueWatcher>>();
  readonly #changedAt: Record<State, number>;

  constructor(now: () => number) {
    this.#now = now;
    this.#changedAt = { pending: now(), active: now(), complete: now(), failed: now() };
  }

  add(watcher: Partial<QueueWatcher>) {
    this.#watchers.add(watcher);
  }

  /** When the set of jobs in a state last changed, as far as this process knows. */
  changedAt(state: State): number {
    return this.#changedAt[state];
  }

  /** The sets of jobs in these states have changed. */
  changed(...states: State[]) {
    for (const state of states) this.#changedAt[state] = this.#now();
    for (const watcher of this.#watchers) watcher.onChanged?.();
  }

  /** A job was taken from its run, if it had one. */
  abandoned(run: string | null) {
    if (run === null) return;
    for (const watcher of this.#watchers) watcher.onAbandoned?.(run);
  }

  runnable() {
    for (const watcher of this.#watchers) watcher.onRunnable?.();
  }
}
