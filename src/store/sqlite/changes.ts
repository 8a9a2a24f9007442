import type { JobNo } from "../../job/id.ts";
import { type Attempt, attemptKey, nextOrdinal, type RunToken } from "../../job/attempt.ts";
import type { Asks } from "../../job/header.ts";
import type { Job } from "../../job/job.ts";
import type { Bytes } from "../../job/pieces.ts";
import type { Slots } from "../../job/pools.ts";
import { asksOf, fileOf, type JobRow } from "./job_columns.ts";
import { submissionOf, turnOf } from "../../job/turn.ts";
import { must } from "../../must.ts";
import type { Claim, JobChanges, Over } from "../store.ts";
import { attemptOf } from "./attempts.ts";
import { NO_CONTENT, type Placed } from "./contents.ts";
import type { Command, RowChanges } from "./jobs.ts";
import { NO_LOG } from "./logs.ts";
import type { RunRow } from "./runs.ts";
import type { Tables } from "./tables.ts";
import type { Transactions } from "./transactions.ts";

const NO_SLOTS: Slots = [];

/** A job's text, of which nothing was ever closed if it `isFirst`. */
type Taken = Command & { isFirst: boolean };

interface How {
  id?: string;
  processes?: "gone" | "left";
  taken?: Taken;
}

/** What changes of a job come to, in all tables. All is called within a change. */
export class Changes {
  readonly #tables: Tables;
  readonly #transactions: Transactions;
  readonly #now: () => number;
  /** Jobs whose command is what somebody writes who never closed it with content. */
  readonly #firstDrafts = new Set<JobNo>();
  /** This host's number. */
  host = 0;

  constructor(tables: Tables, transactions: Transactions, now: () => number) {
    this.#tables = tables;
    this.#transactions = transactions;
    this.#now = now;
  }

  isFirstDraft(number: JobNo): boolean {
    return this.#firstDrafts.has(number);
  }

  /** Begins an attempt of a job that has no obstacle. */
  start(
    number: JobNo,
    run: RunToken,
    header: (command: Bytes, asks: Asks) => Uint8Array,
    now: number,
  ): Claim {
    const before = must(this.#tables.jobs.row(number), "a job that is claimed has a row");
    const command = must(this.#tables.jobs.command(number, "closed"), "a job that is claimed has a command");
    const log = this.#tables.logs.extend(NO_LOG, header(command, asksOf(before)));
    const ordinal = nextOrdinal(before.ordinal);
    this.#tables.runs.add({
      ...{ run, number, ordinal, id: before.id, startedAt: now, loggedAt: now, isAbandoned: false },
      ...{ leader: undefined, cgroup: undefined, uid: undefined },
      ...log,
    }, this.host);
    const { use, lock } = asksOf(before);
    const slots = use ? this.#tables.slots.take(number, use) : NO_SLOTS;
    if (lock) this.#tables.slots.lock(number, before.uid, lock.name);
    const attempts = before.attempts + 1;
    const job = this.#tables.jobs.change(number, {
      state: "active",
      attempts,
      ordinal,
      deadlineAt: null,
      changedAt: now,
    });
    if (job.state !== "active") throw new Error("Not so: a job that has a run is active");
    return { job, run, command, slots };
  }

  /**
   * Makes changes of a job.
   * @param processes `gone`: if it leaves active, nothing is left of its run.
   * @param taken What it takes over of another job.
   */
  apply(job: Job, changes: JobChanges, how: How = {}): Job {
    const { edges } = this.#tables;
    if (changes.state !== undefined && changes.state !== job.state) edges.leaving(job);
    const changed = this.#apply(job, changes, how);
    edges.changed(job, changed);
    return changed;
  }

  #apply(
    job: Job,
    changes: JobChanges,
    { id, processes = "left", taken }: How,
  ): Job {
    const {
      content,
      turn,
      priority,
      asks,
      isEmpty,
      over,
      loggedAt,
      forgetsAttempts,
      dependencies,
      ...others
    } = changes;
    const row: RowChanges = { ...others, ...id === undefined ? {} : { id } };
    if (asks !== undefined) row.asks = Object.keys(asks).length > 0 ? JSON.stringify(asks) : null;
    if (isEmpty !== undefined) row.empty = isEmpty ? 1 : 0;
    const run = job.state === "active" ? this.#tables.runs.of(job.number) : undefined;
    if (loggedAt !== undefined && !run) row.endedAt = loggedAt;
    if (loggedAt !== undefined && run && row.state === undefined) this.#tables.runs.change(run, { loggedAt });
    if (turn === "next" || turn === "first" && job.state === "pending" && job.turn === null) {
      row.turn = this.#tables.counters.nextTurn();
    } else if (typeof turn === "number" || turn === null) row.turn = turn;
    if (priority !== undefined) this.#setPriority(job.number, priority, row);
    if (this.#tables.jobs.row(job.number)?.state !== job.state) { // It was active, in a file that was salvaged without its run.
      row.state ??= job.state;
      row.turn ??= null;
    }
    if (taken) this.#takeContent(job.number, taken, row);
    else this.#setContent(job.number, content, row);
    this.#setDependencies(job, dependencies, row);
    if (forgetsAttempts) {
      this.#dropAttempts(job);
      row.logBytes = null;
    }
    if (over) this.#end(job, over, row);
    if (row.state === undefined || row.state === job.state) return this.#tables.jobs.change(job.number, row);
    const isEnded = row.state === "complete" || row.state === "failed";
    row.ended = isEnded ? this.#tables.counters.next("end") : null;
    row.endedAt = isEnded ? loggedAt ?? this.#now() : null;
    if (run && !over) this.#tables.retained.drop(run, attemptOfRun(run), job.uid);
    if (run && processes === "left") this.#abandon(run);
    else if (run) this.#tables.runs.remove(run);
    return this.#tables.jobs.change(job.number, row);
  }

  /** A job that waits becomes what another is, which is gone then. Who has waited for either waits for that. */
  rewrite(job: Job, by: Job, changes: JobChanges): Job {
    const { contents, edges, jobs } = this.#tables;
    const row = must(jobs.row(by.number), "a job that is renamed has a row");
    const command = must(jobs.placed(by.number), "a job has a command");
    const taken = { ...command, isFirst: this.#firstDrafts.has(by.number) };
    return contents.move(chunksIn(command), () => {
      const dependencies = edges.ofRewrite(job, by, changes);
      edges.passDependants(by, job);
      this.remove(by);
      const file = fileOf(row);
      const isEmpty = row.empty === 1;
      const after = this.apply(job, { isEmpty, ...changes, ...dependencies && { dependencies } }, { taken });
      return file === after.file ? after : jobs.change(job.number, { file });
    });
  }

  /** As `rewrite`, and the job that it was goes on as a draft in the other's row. */
  exchange(job: Job, by: Job, changes: JobChanges): { job: Job; aside: Job } {
    const { jobs } = this.#tables;
    const row = must(jobs.row(job.number), "a job that is exchanged has a row");
    const command = must(jobs.placed(job.number), "a job has a command");
    const held = jobs.holds.has(job.number);
    const { id, number } = by;
    this.#setFirstDraft(job.number, false);
    jobs.change(job.number, { id: "" }); // No job has that, and two of one id there can't be.
    return this.#tables.contents.move(chunksIn(command), () => {
      this.rewrite(job, by, changes);
      const after = jobs.change(job.number, { id });
      jobs.add(number, row, this.#now());
      const { uid, gid, mode, foreignWriter, writtenAt, accessedAt, createdAt, visibleAt, asks, empty } = row;
      const aside = jobs.change(number, {
        ...{ uid, gid, mode, foreignWriter, writtenAt, accessedAt, createdAt, visibleAt, asks },
        ...{ command: command.closed, unclosed: command.unclosed, empty, held, file: fileOf(row) },
      });
      return { job: after, aside };
    });
  }

  #setDependencies(job: Job, dependencies: JobChanges["dependencies"], row: RowChanges) {
    const { edges } = this.#tables;
    if (dependencies !== undefined) {
      row.blocked = dependencies === "again"
        ? edges.replaceAgain(job)
        : edges.replace(job.number, dependencies);
    }
    const isLeaving = row.state !== undefined && row.state !== "pending";
    if (job.state !== "pending" || job.blocked === 0 || !isLeaving) return;
    edges.closeAll(job.number);
    row.blocked = 0;
  }

  #setPriority(number: JobNo, priority: number, row: RowChanges) {
    const turn = row.turn === undefined ? this.#tables.jobs.row(number)?.turn : row.turn;
    if (turn != null) row.turn = turnOf(submissionOf(turn), priority);
  }

  #setContent(number: JobNo, content: JobChanges["content"], row: RowChanges) {
    const before = must(this.#tables.jobs.row(number), "a job that is changed has a row");
    const isFirst = this.#firstDrafts.has(number);
    if (!content) {
      if (!isFirst || row.turn == null) return;
      // It gets a turn, and must not have it as it is when there was a crash.
      row.unclosed = must(this.#tables.jobs.placed(number), "a job has a command").closed;
      row.command = NO_CONTENT;
      return this.#setFirstDraft(number, false);
    }
    switch (content.is) {
      case "draft": {
        const isEmpty = before.commandBytes === 0 && before.unclosedBytes === null && before.turn === null;
        const staysFirst = (isFirst || isEmpty) && row.turn == null; // With a turn, it would run after a crash.
        const placed = this.#place(before, content.bytes);
        if (staysFirst) row.command = placed;
        else {
          if (isFirst) row.command = NO_CONTENT;
          row.unclosed = placed;
        }
        return this.#setFirstDraft(number, staysFirst);
      }
      case "closed":
        if (content.bytes === "as-saved") row.closesUnclosed = true;
        else {
          row.command = this.#place(before, content.bytes);
          row.unclosed = null;
        }
        return this.#setFirstDraft(number, false);
      case "as-closed":
        if (isFirst) row.command = NO_CONTENT;
        row.unclosed = null;
        return this.#setFirstDraft(number, false);
      default:
        content satisfies never;
    }
  }

  #place({ chunks, unclosedChunks }: JobRow, content: Bytes): Placed {
    return this.#tables.contents.place(content, [chunks, unclosedChunks]);
  }

  /** What the job was before is not fallen back to after a crash either: it was replaced. */
  #takeContent(number: JobNo, { closed, unclosed, isFirst }: Taken, row: RowChanges) {
    const turn = row.turn === undefined ? this.#tables.jobs.row(number)?.turn : row.turn;
    const isCut = isFirst && turn != null; // With a turn, it would run after a crash.
    row.command = isCut ? NO_CONTENT : closed;
    row.unclosed = isCut ? closed : unclosed;
    if (isCut) row.empty = 1; // Nor does it run where its writer goes without closing it.
    this.#setFirstDraft(number, isFirst && !isCut);
  }

  #setFirstDraft(number: JobNo, isFirst: boolean) {
    if (this.#firstDrafts.has(number) === isFirst) return;
    const set = (is: boolean) => is ? this.#firstDrafts.add(number) : this.#firstDrafts.delete(number);
    set(isFirst);
    this.#transactions.undo(() => set(!isFirst));
  }

  /** An attempt is over, or what stands for one; what is kept of those before is gone. */
  #end(job: Job, over: Over, row: RowChanges) {
    const endedAt = this.#now();
    const { ending } = over;
    const run = job.state === "active" ? this.#tables.runs.of(job.number) : undefined;
    const last = over.log === "more" && !run
      ? this.#tables.attempts.get(attemptKey(job.number, job.ordinal))
      : undefined;
    if (last) {
      const log = this.#tables.logs.extend(last, over.bytes);
      this.#tables.attempts.put({ ...last, ...log, endedAt, ending }, last);
      row.logBytes = log.bytes;
      return;
    }
    const ordinal = run?.ordinal ?? nextOrdinal(job.ordinal);
    const log = this.#tables.logs.extend(run ?? NO_LOG, over.bytes);
    if (job.ordinal > 1 || !run && job.ordinal > 0) this.#dropAttempts(job, ordinal);
    const key = attemptKey(job.number, ordinal);
    const startedAt = run?.startedAt ?? endedAt;
    this.#tables.attempts.put({ key, host: this.host, startedAt, endedAt, ending, ...log });
    row.ordinal = ordinal;
    row.logBytes = log.bytes;
  }

  /** What is left of a run whose job somebody took is said in the log that the attempt has, if it has one. */
  addToPast(run: RunRow, line: Uint8Array) {
    const past = this.#tables.attempts.get(attemptKey(run.number, run.ordinal));
    if (!past) return;
    const log = this.#tables.logs.extend(past, line);
    this.#tables.attempts.put({ ...past, ...log }, past);
    const row = this.#tables.jobs.row(run.number);
    if (row?.ordinal !== run.ordinal) return;
    const now = this.#now();
    const times = row.ended === null ? {} : { endedAt: now, changedAt: now };
    this.#tables.jobs.change(run.number, { logBytes: log.bytes, ...times });
  }

  /** Removes a job; its run is abandoned, and its logs stay for who reads them. */
  remove(job: Job) {
    this.#tables.edges.leaving(job);
    const run = this.#tables.runs.of(job.number);
    if (run) {
      this.#tables.retained.drop(run, attemptOfRun(run), job.uid);
      this.#abandon(run);
    }
    if (job.ordinal > 0) this.#dropAttempts(job);
    this.#setFirstDraft(job.number, false);
    this.#tables.jobs.remove(job.number);
    this.#tables.edges.removed(job);
  }

  #abandon(run: RunRow) {
    this.#tables.runs.change(run, { isAbandoned: true, ...NO_LOG });
  }

  /** @param except The ordinal of one that stays. */
  #dropAttempts({ number, uid }: Job, except?: number) {
    const { attempts, retained } = this.#tables;
    for (const row of attempts.remove(number, except)) retained.drop(row, attemptOf(row), uid);
  }
}

/** An attempt that is under way. */
export function attemptOfRun({ number, ordinal, startedAt, bytes }: RunRow): Attempt {
  return { job: number, ordinal, startedAt, logBytes: bytes, over: undefined };
}

function chunksIn({ closed, unclosed }: Command): (string | null)[] {
  return [closed.chunks, unclosed?.chunks ?? null];
}
