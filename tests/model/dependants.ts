/** Who waits for whom, and what comes of it, in memory: what the manual says, told anew. */

export const NAMES = ["a1", "a2", "b1", "b2", "c1", "c2"] as const;
export type Kind = "after" | "after_any" | "after_failed";

/** What a job waits for, as it is written. */
export interface Wish {
  kind: Kind;
  word: string;
}

/** What somebody does. */
export type Step =
  | { step: "submit"; how: "write" | "draft"; name: string; wishes: Wish[]; fails: boolean }
  | { step: "rename"; name: string; to: string }
  | { step: "remove" | "withdraw" | "retry"; name: string }
  | { step: "configure"; failDependants: boolean }
  | { step: "run" | "restart" | "crash" };

type State = "pending" | "complete" | "failed";

interface Job {
  name: string;
  state: State | "removed";
  turn: number;
  fails: boolean;
  wishes: Wish[];
  waits: Wait[];
  /** It is in failed/ since what it waited for never came. */
  isLost: boolean;
}

interface Wait {
  kind: Kind;
  /** The name by which it was found. */
  name: string;
  parent: Job | undefined;
  isMet: boolean;
}

export class Model {
  readonly #jobs: Job[] = [];
  #turns = 0;
  #failDependants = false;

  /** The names in each directory, sorted. */
  get directories(): Record<State, string[]> {
    const of = (state: State) =>
      this.#jobs.filter((job) => job.state === state).map(({ name }) => name).sort();
    return { pending: of("pending"), complete: of("complete"), failed: of("failed") };
  }

  stateOf(name: string): State | undefined {
    const state = this.#byName(name)?.state;
    return state === "removed" ? undefined : state;
  }

  /** Whether somebody can do it at all. */
  isPossible(step: Step): boolean {
    switch (step.step) {
      case "submit":
        return (this.stateOf(step.name) ?? "pending") === "pending";
      case "rename":
        return this.stateOf(step.name) === "pending" && this.stateOf(step.to) === undefined;
      case "remove":
        return this.stateOf(step.name) !== undefined;
      case "withdraw":
        return this.stateOf(step.name) === "pending";
      case "retry":
        return ["complete", "failed"].includes(this.stateOf(step.name) ?? "");
      default:
        return true;
    }
  }

  /** Does it. @returns Why not, or the names of what has run, in that order. */
  make(step: Step): "ENOENT" | "EDEADLK" | string[] {
    switch (step.step) {
      case "submit":
        return this.#submit(step.name, step.wishes, step.fails) ?? this.#settle();
      case "rename": {
        const job = this.#known(step.name);
        if (this.#wouldWaitForItself(job, step.to, job.waits)) return "EDEADLK";
        job.name = step.to;
        this.#arrive(job);
        return this.#settle();
      }
      case "remove":
        this.#known(step.name).state = "removed";
        return this.#settle();
      case "withdraw":
        Object.assign(this.#known(step.name), { state: "failed", isLost: false });
        return this.#settle();
      case "retry":
        this.#retry(this.#known(step.name));
        return this.#settle();
      case "configure":
        this.#failDependants = step.failDependants;
        return this.#settle();
      case "run":
        return this.#run();
      case "restart":
      case "crash":
        return [];
      default:
        return step satisfies never;
    }
  }

  #submit(name: string, wishes: Wish[], fails: boolean): "ENOENT" | "EDEADLK" | undefined {
    const before = this.#byName(name);
    const waits: Wait[] = [];
    for (const { kind, word } of wishes) {
      const found = this.#find(word, name, before);
      if (found.length === 0) return "ENOENT";
      waits.push(...found.map((one) => ({ kind, ...one })));
    }
    const job = before ??
      { name, state: "pending" as const, turn: ++this.#turns, fails, wishes, waits: [], isLost: false };
    if (this.#wouldWaitForItself(job, name, waits)) return "EDEADLK";
    if (!before) this.#jobs.push(job);
    Object.assign(job, { waits, wishes, fails });
    this.#arrive(job);
  }

  #find(word: string, name: string, before: Job | undefined): Omit<Wait, "kind">[] {
    const wait = (name: string, parent: Job | undefined) => ({ name, parent, isMet: false });
    if (word.startsWith("?")) return [wait(word.slice(1), this.#byName(word.slice(1)))];
    if (word.endsWith("*")) {
      return this.#jobs.filter((job) => job.state !== "removed" && job !== before)
        .filter((job) => job.name.startsWith(word.slice(0, -1)))
        .map((job) => wait(job.name, job));
    }
    // The job itself: it is there as soon as its file is made.
    if (word === name && !before) return [wait(name, undefined)];
    const parent = this.#byName(word);
    if (parent) return [wait(word, parent)];
    const earlier = before?.waits.find((wait) => wait.name === word && wait.parent);
    return earlier && (earlier.isMet || earlier.parent?.state !== "removed") ? [earlier] : [];
  }

  #wouldWaitForItself(job: Job, name: string, waits: readonly Wait[], seen = new Set<Job>()): boolean {
    return waits.some(({ name: wanted, parent = this.#byName(wanted), isMet, kind }) => {
      if (isMet) return false;
      if (parent === job || !parent && wanted === name) return true;
      if (!parent || seen.has(parent) || isMetBy(kind, parent)) return false;
      seen.add(parent);
      return parent.state === "pending" && this.#wouldWaitForItself(job, name, parent.waits, seen);
    });
  }

  /** A job is there under its name: who has waited for that name waits for it. */
  #arrive(job: Job) {
    for (const { waits } of this.#jobs) {
      for (const wait of waits) if (!wait.parent && wait.name === job.name) wait.parent = job;
    }
  }

  #retry(job: Job) {
    const again = job.waits.map((wait) => ({ ...wait, isMet: wait.parent?.state === "removed" }));
    const isFree = !this.#wouldWaitForItself(job, job.name, again);
    job.waits = isFree ? again : again.map((wait) => ({ ...wait, isMet: true }));
    Object.assign(job, { state: "pending", turn: ++this.#turns, isLost: false });
  }

  /** What comes of all that is there, until nothing changes any more. */
  #settle(): string[] {
    for (let hasChanged = true; hasChanged;) {
      hasChanged = false;
      for (const job of this.#jobs.filter(({ state }) => state === "pending")) {
        for (const wait of job.waits) {
          if (wait.isMet || !wait.parent || job.state !== "pending") continue;
          const end = this.#endBy(wait.kind, wait.parent);
          if (isMetBy(wait.kind, wait.parent)) wait.isMet = hasChanged = true;
          else if (end) {
            Object.assign(job, { state: end, isLost: end === "failed" });
            hasChanged = true;
          }
        }
      }
    }
    return [];
  }

  /** Where a job goes that waits for one that never comes to what it waits for. */
  #endBy(kind: Kind, { state, isLost }: Job): State | undefined {
    if (state === "removed") return "failed";
    if (kind === "after_failed" && state === "complete") return "complete";
    return kind === "after" && state === "failed" && (isLost || this.#failDependants) ? "failed" : undefined;
  }

  #run(): string[] {
    const ran: string[] = [];
    for (;;) {
      const [next] = this.#jobs
        .filter(({ state, waits }) => state === "pending" && waits.every(({ isMet }) => isMet))
        .sort((one, other) => one.turn - other.turn);
      if (!next) return ran;
      ran.push(next.name);
      next.state = next.fails ? "failed" : "complete";
      this.#settle();
    }
  }

  #byName(name: string): Job | undefined {
    return this.#jobs.find((job) => job.name === name && job.state !== "removed");
  }

  #known(name: string): Job {
    return this.#byName(name) as Job;
  }
}

function isMetBy(kind: Kind, { state }: Job): boolean {
  if (state === "complete") return kind !== "after_failed";
  return state === "failed" && kind !== "after";
}
