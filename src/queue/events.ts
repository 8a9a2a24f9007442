import type { FileNo } from "../job/id.ts";
import type { RunToken } from "../job/attempt.ts";
import type { Ending } from "../job/ending.ts";
import type { Job } from "../job/job.ts";
import type { State } from "../job/state.ts";

/** What happened to the queue, once it is so: a job is as it is afterwards, unless it is said. */
export type QueueEvent =
  | { kind: "created"; job: Job }
  /** Nobody has the job open for writing any more: what was closed may run. */
  | { kind: "released"; file: FileNo }
  | { kind: "started"; job: Job; run: RunToken }
  /** An attempt is over or put back, which is not stored yet: what is claimed now shares its commit. */
  | { kind: "settling"; run: RunToken }
  /** An attempt is over. `job`: `undefined` if somebody took it from the run before. */
  | { kind: "ended"; job: Job | undefined; run: RunToken; ending: Ending }
  /** An attempt was stopped, or did not begin: it does not count. */
  | { kind: "put-back"; job: Job | undefined; run: RunToken }
  /** The last process is gone that was left of a run. */
  | { kind: "gone"; run: RunToken }
  /** `ending`: of an attempt that is over by that, or that there never is. */
  | { kind: "moved"; job: Job; before: Job; replaced: Job | undefined; ending?: Ending | undefined }
  /** A job that waits, `before`, became what `by` was: that was renamed onto it, and is gone. */
  | { kind: "rewritten"; job: Job; before: Job; by: Job }
  /** The file of `job` is another, that was made when it was set aside; and what it was is `aside`. */
  | { kind: "exchanged"; job: Job; aside: Job }
  /** Owner, mode, times, or its text. */
  | { kind: "changed"; job: Job }
  /** `job` as it was. */
  | { kind: "removed"; job: Job }
  | { kind: "configured" }
  /** Others, on other hosts, have changed what is in these states; with what, is not told. */
  | { kind: "elsewhere"; states: readonly State[] };

export type QueueListener = (event: QueueEvent) => void;

/** The states of which there are other jobs, or jobs of another name, than before. */
export function changedStates(event: QueueEvent): readonly State[] {
  switch (event.kind) {
    case "created":
      return ["pending"];
    case "started":
      return ["pending", "active"];
    case "ended":
    case "put-back":
      return event.job ? ["active", event.job.state] : [];
    case "moved":
      return [event.before.state, event.job.state];
    case "removed":
    case "rewritten":
    case "exchanged":
      return [event.job.state];
    case "elsewhere":
      return event.states;
    case "released":
    case "settling":
    case "gone":
    case "changed":
    case "configured":
      return [];
    default:
      return event satisfies never;
  }
}

/** Whether a job may be able to start that was not before. */
export function mayAllowStart(event: QueueEvent): boolean {
  switch (event.kind) {
    case "created":
    case "started":
      return false;
    case "changed":
      return event.job.state === "pending" && !event.job.held;
    case "ended": // Of its id no other job waits, unless somebody took the job from the run.
      return event.job === undefined || event.job.state === "pending";
    default:
      return true;
  }
}

/** The run that somebody took its job from: its processes are to be ended. */
export function abandonedRun(event: QueueEvent): RunToken | undefined {
  if (event.kind === "removed") return event.job.state === "active" ? event.job.run : undefined;
  if (event.kind !== "moved" || event.before.state !== "active") return undefined;
  return event.job.state === "active" ? undefined : event.before.run;
}

/** Who hears of what becomes of the queue, and when it was. */
export class Listeners {
  readonly #now: () => number;
  readonly #listeners = new Set<QueueListener>();
  readonly #changedAt: Record<State, number>;

  constructor(now: () => number) {
    this.#now = now;
    this.#changedAt = { pending: now(), active: now(), complete: now(), failed: now() };
  }

  add(listener: QueueListener) {
    this.#listeners.add(listener);
  }

  /** When the set of jobs in a state last changed, as far as this process knows. */
  changedAt(state: State): number {
    return this.#changedAt[state];
  }

  tell(event: QueueEvent) {
    for (const state of changedStates(event)) this.#changedAt[state] = this.#now();
    for (const listener of this.#listeners) listener(event);
  }
}
