import type { DatabaseSync, StatementSync } from "node:sqlite";
import { attemptKey } from "../../job/attempt.ts";
import {
  type Dependency,
  DEPENDENCY_KINDS,
  type DependencyKind,
  type Fate,
  hasReferences,
  verdictOf,
} from "../../job/dependencies.ts";
import type { JobNo } from "../../job/id.ts";
import type { Job } from "../../job/job.ts";
import type { State } from "../../job/state.ts";
import type { Circle, Doomed, JobChanges } from "../store.ts";
import type { Attempts } from "./attempts.ts";
import type { Jobs } from "./jobs.ts";
import type { Transactions } from "./transactions.ts";

/** To look whether a job waits for itself, no more are followed. */
const MAX_FOLLOWED = 50_000;
/** As a LIMIT. */
const ALL = -1;
/** Behind all. */
const LAST_JOB = 2 ** 40;

interface Edge {
  job: number;
  kind: DependencyKind;
  id: string;
}

/**
 * Who waits for whom. An edge is open as long as its job waits; `blocked` of the job counts them.
 *
 * When a parent ends or is removed, it is *due*: its dependants are to hear of it, in steps. Nothing is stored of
 * that, for it can be told from the open edges: a start has all parents due. What is known in memory can be more
 * than is so, and never less; so jobs that nobody waits for cost no statement.
 */
export class Edges {
  readonly #jobs: Jobs;
  readonly #attempts: Attempts;
  readonly #transactions: Transactions;
  readonly #insert: StatementSync;
  readonly #delete: StatementSync;
  readonly #close: StatementSync;
  readonly #ofJob: StatementSync;
  readonly #openOfJob: StatementSync;
  readonly #page: StatementSync;
  readonly #closePage: StatementSync;
  readonly #setParent: StatementSync;
  readonly #passParent: StatementSync;
  readonly #keepComplete: StatementSync;
  readonly #state: StatementSync;
  /** Jobs that others wait for. */
  readonly #parents = new Set<number>();
  /** Ids that others wait for, and no job has. */
  readonly #wanted = new Set<string>();
  /** Parents that are due, and the last of their dependants that has heard of it. */
  readonly #due = new Map<number, number>();

  constructor(database: DatabaseSync, transactions: Transactions, jobs: Jobs, attempts: Attempts) {
    this.#jobs = jobs;
    this.#attempts = attempts;
    this.#transactions = transactions;
    this.#insert = database.prepare(
      `INSERT INTO edges (job, ordinal, kind, parent, id, open)
       SELECT ?, key, value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?)`,
    );
    this.#delete = database.prepare("DELETE FROM edges WHERE job = ?");
    this.#close = database.prepare("UPDATE edges SET open = 0 WHERE job = ? AND open");
    this.#ofJob = database.prepare(
      "SELECT kind, parent, id, NOT open AS isMet FROM edges WHERE job = ? ORDER BY ordinal",
    );
    this.#openOfJob = database.prepare("SELECT parent, id FROM edges WHERE job = ? AND open");
    this.#page = database.prepare(
      `SELECT job, kind, id FROM edges INDEXED BY edges_open
       WHERE open AND parent = ?1 AND job > ?2 AND job <= ?3 ORDER BY job LIMIT ?4`,
    );
    this.#closePage = database.prepare(
      `UPDATE edges INDEXED BY edges_open SET open = 0
       WHERE open AND parent = ? AND job BETWEEN ? AND ? AND kind = ?`,
    );
    this.#setParent = database.prepare(
      `UPDATE edges INDEXED BY edges_unresolved SET parent = ? WHERE open AND parent IS NULL AND id = ?`,
    );
    this.#passParent = database.prepare(
      "UPDATE edges INDEXED BY edges_open SET parent = ? WHERE open AND parent = ?",
    );
    this.#keepComplete = database.prepare(
      "UPDATE edges INDEXED BY edges_open SET parent = -parent WHERE open AND parent = ?",
    );
    this.#state = database.prepare("SELECT state, ordinal FROM jobs WHERE number = ?");
    const parents =
      "SELECT DISTINCT parent FROM edges INDEXED BY edges_open WHERE open AND parent IS NOT NULL";
    for (const { parent } of database.prepare(parents).all()) this.#parents.add(parent as number);
    const wanted = "SELECT DISTINCT id FROM edges INDEXED BY edges_unresolved WHERE open AND parent IS NULL";
    for (const { id } of database.prepare(wanted).all()) this.#wanted.add(id as string);
    this.review();
  }

  get areDue(): boolean {
    return this.#due.size > 0;
  }

  /** All that has become of parents is to be looked at again. */
  review(): void {
    for (const parent of this.#parents) this.#due.set(parent, 0);
  }

  of(number: JobNo): Dependency[] {
    return this.#ofJob.all(number).map(({ kind, parent, id, isMet }) => ({
      kind: kind as DependencyKind,
      id: id as string,
      parent: parent as number | null,
      isMet: isMet === 1,
    }));
  }

  /**
   * Whether a job that waits for these would wait for itself. One that nobody waits for can't, so nothing is
   * followed.
   * @param id That it has then.
   * @param other A job whose dependants it gets.
   */
  circleOf(
    { number, id }: { number: JobNo; id: string },
    dependencies: readonly Dependency[],
    other = number,
  ): Circle {
    const isWaitedFor = this.#parents.has(number) || this.#parents.has(other) || this.#wanted.has(id);
    const seen = new Set<number>();
    const ahead: number[] = [];
    const isItself = (parent: number | null, wanted: string) => {
      const found = parent ?? (wanted === id ? number : this.#jobs.rowById(wanted)?.number);
      if (found === undefined || seen.has(found)) return false;
      seen.add(found);
      if (isWaitedFor) ahead.push(found);
      return found === number || found === other;
    };
    if (dependencies.some(({ parent, id, isMet }) => !isMet && isItself(parent, id))) return "circle";
    let followed = 0;
    for (let next = ahead.pop(); next !== undefined; next = ahead.pop()) {
      for (const edge of this.#openOfJob.all(next)) {
        if (isItself(edge.parent as number | null, edge.id as string)) return "circle";
        if (++followed > MAX_FOLLOWED) return "too-long";
      }
    }
    return "none";
  }

  /** The same if a job gets another id, for which others may wait. */
  circleOfRename({ number, id: before }: { number: JobNo; id: string }, id: string): Circle {
    const isWanted = id !== before && this.#wanted.has(id);
    return isWanted ? this.circleOf({ number, id }, this.of(number)) : "none";
  }

  /** What a job waits for that becomes what another is; `undefined`: for what it has. */
  ofRewrite(job: Job, by: Job, { dependencies }: JobChanges): readonly Dependency[] | undefined {
    if (dependencies !== undefined && dependencies !== "again") return dependencies;
    const isSubmitted = by.state !== "pending" || by.turn !== null;
    return isSubmitted && (hasReferences(by.asks) || hasReferences(job.asks))
      ? this.of(by.number)
      : undefined;
  }

  /** Whether it would wait for itself then, as one for which others wait that have waited for either. */
  circleOfRewrite(job: Job, by: Job, changes: JobChanges): Circle {
    const kept = () => hasReferences(job.asks) ? this.of(job.number) : [];
    return this.circleOf(job, this.ofRewrite(job, by, changes) ?? kept(), by.number);
  }

  /** Within a change, as what follows: a job waits for these, and for nothing else. @returns How many are open. */
  replace(number: JobNo, dependencies: readonly Dependency[]): number {
    this.#delete.run(number);
    const rows: [DependencyKind, number | null, string, 0 | 1][] = [];
    let open = 0;
    for (const dependency of dependencies) {
      const { kind, id, isMet } = dependency;
      const parent = dependency.parent ?? this.#numberOf(id);
      const fate = parent === null ? "pending" : this.#fateOf(parent);
      const isOpen = !isMet && verdictOf(kind, fate, false) !== "met";
      rows.push([kind, parent, id, isOpen ? 1 : 0]);
      if (!isOpen) continue;
      open++;
      if (parent === null) this.#wanted.add(id);
      else this.#parents.add(parent);
      if (parent !== null && isOver(fate)) this.#setDue(parent, 0);
    }
    if (rows.length > 0) this.#insert.run(number, JSON.stringify(rows));
    return open;
  }

  /**
   * A job is to be tried again: it waits for what it has waited for, as that is now. What is not there any more
   * does not count, and neither does any of it if the job would wait for itself.
   * @returns How many are open.
   */
  replaceAgain(job: { number: JobNo; id: string }): number {
    const again = this.of(job.number).map((dependency) => ({
      ...dependency,
      isMet: this.#isGone(dependency),
    }));
    const isFree = this.circleOf(job, again) === "none";
    return this.replace(job.number, isFree ? again : again.map((one) => ({ ...one, isMet: true })));
  }

  #isGone({ parent }: Dependency): boolean {
    return parent !== null && this.#fateOf(parent) === "removed";
  }

  /** Who has waited for a job waits for that other one. */
  passDependants(from: Job, to: Job): void {
    if (!this.#parents.has(from.number)) return;
    this.#passParent.run(to.number, from.number);
    this.#parents.add(to.number);
    this.#parents.delete(from.number);
    this.#transactions.undo(() => this.#parents.add(from.number));
  }

  /** A job waits no more. */
  closeAll(number: JobNo): void {
    this.#close.run(number);
  }

  /** A job is to leave the state that it has, or to be removed: what has been met by that stays met. */
  leaving({ number, state }: Job): void {
    if (!this.#due.has(number) || state === "pending" || state === "active") return;
    for (const kind of DEPENDENCY_KINDS) {
      if (verdictOf(kind, this.#fateOf(number), false) === "met") {
        this.#meet(number, kind, this.#open(number, 0));
      }
    }
    if (state !== "complete") return;
    this.#keepComplete.run(number); // Of the rest it is told under this number that it was complete.
    this.#setDue(-number, 0);
  }

  /** A job is another now. */
  changed(before: Job, after: Job): void {
    if (after.state !== before.state && isOver(after.state) && this.#parents.has(after.number)) {
      this.#setDue(after.number, 0);
    }
    if (this.#wanted.has(after.id) && isThere(after)) this.#resolve(after);
  }

  removed({ number, asks }: Job): void {
    if (hasReferences(asks)) this.#delete.run(number);
    if (this.#parents.has(number)) this.#setDue(number, 0);
  }

  /**
   * Tells some of the dependants what has become of a parent: whose dependency is met has one less.
   * @param limit So many, about.
   * @returns Those whose dependency never is: they are told again, unless they wait no more.
   */
  release(limit: number, failDependants: boolean): Doomed[] {
    const doomed: Doomed[] = [];
    let told = 0;
    for (const [parent, last] of this.#due) {
      const fate = this.#fateOf(parent);
      const found = isOver(fate) ? this.#open(parent, last, limit - told) : [];
      told += found.length + 1;
      const verdicts = new Map(DEPENDENCY_KINDS.map((kind) => [kind, verdictOf(kind, fate, failDependants)]));
      for (const [kind, verdict] of verdicts) if (verdict === "met") this.#meet(parent, kind, found);
      const lost = found.flatMap(({ job, kind, id }): Doomed[] => {
        const to = verdicts.get(kind);
        const isLost = (to === "complete" || to === "failed") && this.#isWaiting(job);
        return isLost ? [{ number: job, kind, id, fate, to }] : [];
      });
      doomed.push(...lost);
      const [first] = lost;
      if (first) this.#setDue(parent, first.number - 1);
      else if (found.length > 0) this.#setDue(parent, found.at(-1)?.job);
      else this.#told(parent, fate);
      if (told >= limit) break;
    }
    return doomed;
  }

  /** Nobody has to hear of a parent any more. */
  #told(parent: number, fate: Fate) {
    this.#setDue(parent, undefined);
    if (fate !== "complete" && fate !== "removed" || !this.#parents.delete(parent)) return;
    this.#transactions.undo(() => this.#parents.add(parent));
  }

  /** Open edges of a parent, from jobs behind that one: of each job all, and about `limit`. */
  #open(parent: number, last: number, limit = ALL): Edge[] {
    const page = this.#page.all(parent, last, LAST_JOB, limit) as unknown as Edge[];
    const cut = page.length === limit ? page.at(-1)?.job : undefined;
    if (cut === undefined) return page;
    const ofCut = this.#page.all(parent, cut - 1, cut, ALL) as unknown as Edge[];
    return [...page.filter(({ job }) => job !== cut), ...ofCut];
  }

  /** In a file that was salvaged, a job may be gone, and not its edges. */
  #isWaiting(number: number): boolean {
    if (this.#jobs.row(number)?.state === "pending") return true;
    this.closeAll(number);
    return false;
  }

  #meet(parent: number, kind: DependencyKind, found: readonly Edge[]) {
    const met = found.flatMap((edge) => edge.kind === kind ? [edge.job] : []);
    const [first, last] = [met[0], met.at(-1)];
    if (first === undefined || last === undefined) return;
    this.#closePage.run(parent, first, last, kind);
    this.#jobs.unblock(met);
  }

  /** Some job has the id that others have waited for. */
  #resolve({ number, id, state }: Job) {
    this.#setParent.run(number, id);
    this.#wanted.delete(id);
    this.#transactions.undo(() => this.#wanted.add(id));
    this.#parents.add(number);
    if (isOver(state)) this.#setDue(number, 0);
  }

  /** The job that has an id, if it is submitted. */
  #numberOf(id: string): number | null {
    const job = this.#jobs.byId(id);
    return job && isThere(job) ? job.number : null;
  }

  #fateOf(parent: number): Fate {
    if (parent < 0) return "complete";
    const row = this.#state.get(parent) as { state: State; ordinal: number } | undefined;
    if (row?.state !== "failed") return row?.state ?? "removed";
    const ending = this.#attempts.get(attemptKey(parent, row.ordinal))?.ending;
    return ending?.kind === "not-run" && ending.isForParent ? "not-run" : "failed";
  }

  #setDue(parent: number, last: number | undefined) {
    const before = this.#due.get(parent);
    if (last === undefined) this.#due.delete(parent);
    else this.#due.set(parent, last);
    if (before !== undefined) this.#transactions.undo(() => this.#due.set(parent, before));
  }
}

function isOver(fate: Fate): boolean {
  return fate !== "pending" && fate !== "active";
}

/** Whether it is more than a draft, or a file that nobody has closed with content. */
function isThere(job: Job): boolean {
  return job.state !== "pending" || job.turn !== null;
}
