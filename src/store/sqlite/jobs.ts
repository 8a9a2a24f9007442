import type { DatabaseSync, StatementSync } from "node:sqlite";
import { NO_ASKS } from "../../job/header.ts";
import type { Job } from "../../job/job.ts";
import { Pieces } from "../../job/pieces.ts";
import { NO_USE, type Use } from "../../job/pools.ts";
import { must } from "../../must.ts";
import type { NewJob } from "../store.ts";
import { bytesOf, type Contents, type Placed } from "./contents.ts";
import { Holds } from "./holds.ts";
import {
  asksOf,
  fileOf,
  INSERT_JOB,
  insertedValues,
  isReady,
  jobOf,
  type JobRow,
  nameOf,
  type NewJobRow,
  newRow,
  rowOf,
  selectJobs,
  type SqlValue,
} from "./job_columns.ts";
import { Line } from "./line.ts";
import { LockLines } from "./lock_lines.ts";
import type { Runs } from "./runs.ts";
import type { Slots } from "./slots.ts";
import type { Transactions } from "./transactions.ts";
import type { Ready } from "./turns.ts";
import type { Usages } from "./usages.ts";

/** How many jobs, and how many ids that no job has, are known without asking the database. */
const KEPT = 1_024;
const KEPT_ABSENT = 64;

/** What an update sets of a row: a column that is not named stays. */
export type RowChanges =
  & Partial<Omit<NewJobRow, "number" | "commandBytes" | "unclosedBytes" | "chunks" | "unclosedChunks">>
  & {
    command?: Placed;
    unclosed?: Placed | null;
    /** What was not closed is the command now. */
    closesUnclosed?: boolean;
    held?: boolean | "in-line";
  };

/** What is returned of a job that waits for one other less. */
interface UnblockedRow {
  lane: number;
  ready: number;
  uid: number;
  lock: string | null;
}

/** The text of a job: as it was last closed, and as somebody writes it who has not. */
export interface Command {
  closed: Placed;
  unclosed: Placed | null;
}

/**
 * The table of jobs. Each change is written at once; what was last read or written of a job is kept, since
 * only this process writes.
 */
export class Jobs {
  readonly line: Line;
  readonly holds = new Holds();
  readonly locks: LockLines;
  /** Called when the time may be another at which a job that waits may start. */
  onTimes: () => void = () => {};
  readonly #database: DatabaseSync;
  readonly #transactions: Transactions;
  readonly #runs: Runs;
  readonly #usages: Usages;
  readonly #contents: Contents;
  readonly #select: StatementSync;
  readonly #selectById: StatementSync;
  readonly #selectCommand: StatementSync;
  readonly #selectByFile: StatementSync;
  readonly #putFile: StatementSync;
  readonly #dropFile: StatementSync;
  readonly #insert: StatementSync;
  readonly #delete: StatementSync;
  readonly #unblock: StatementSync;
  readonly #updates = new Map<string, StatementSync>();
  readonly #rows = new Map<number, JobRow>();
  readonly #numberOf = new Map<string, number>();
  readonly #absent = new Set<string>();
  /** A line before a lock is being put right, by changes that are none of its reasons. */
  #isSettling = false;

  constructor(
    database: DatabaseSync,
    transactions: Transactions,
    { runs, slots, usages, contents }: { runs: Runs; slots: Slots; usages: Usages; contents: Contents },
    accountOf: (uid: number) => number,
  ) {
    this.#database = database;
    this.#transactions = transactions;
    this.#runs = runs;
    this.#usages = usages;
    this.#contents = contents;
    this.line = new Line(database, (number) => this.holds.has(number), accountOf);
    this.locks = new LockLines(
      database,
      (uid, lock) => slots.isLocked(uid, lock),
      (number, behind) => this.change(number, { behind }),
    );
    slots.onLockFreed = (uid, lock) => this.#settleLine(uid, lock);
    transactions.onRollback = () => {
      this.line.reset();
      usages.forget();
    };
    this.#select = prepareForArrays(database, `${selectJobs("jobs")} WHERE number = ?`);
    this.#selectById = prepareForArrays(database, `${selectJobs("jobs")} WHERE id = ?`);
    this.#selectCommand = prepareForArrays(database, "SELECT command, unclosed FROM jobs WHERE number = ?");
    this.#selectByFile = prepareForArrays(database, "SELECT job FROM files WHERE file = ?");
    this.#putFile = database.prepare("INSERT OR REPLACE INTO files (job, file) VALUES (?, ?)");
    this.#dropFile = database.prepare("DELETE FROM files WHERE job = ?");
    this.#insert = database.prepare(INSERT_JOB);
    this.#delete = database.prepare("DELETE FROM jobs WHERE number = ?");
    this.#unblock = database.prepare(
      `UPDATE jobs SET blocked = blocked - times
       FROM (SELECT value, count(*) AS times FROM json_each(?) GROUP BY value) WHERE number = value
       RETURNING number, lane, turn, ready, uid, lock`,
    );
  }

  byNo(number: number): Job | undefined {
    const row = this.row(number);
    return row && this.jobOf(row);
  }

  byId(id: string): Job | undefined {
    const row = this.rowById(id);
    return row && this.jobOf(row);
  }

  /** The number of the job that has that file. */
  numberOfFile(file: number): number | undefined {
    const made = this.row(file);
    if (made && fileOf(made) === file) return file;
    const [number] = (this.#selectByFile.get(file) as unknown as [number] | undefined) ?? [];
    return number;
  }

  jobOf(row: JobRow): Job {
    const run = row.state === "active" ? this.#runs.of(row.number) : undefined;
    return jobOf(row, this.holds.has(row.number), run);
  }

  row(number: number): JobRow | undefined {
    const known = this.#rows.get(number);
    if (known) return known;
    const values = this.#select.get(number) as unknown as SqlValue[] | undefined;
    return values && this.#keep(rowOf(values));
  }

  rowById(id: string): JobRow | undefined {
    const number = this.#numberOf.get(id);
    if (number !== undefined) return this.row(number);
    if (this.#absent.has(id)) return undefined;
    const values = this.#selectById.get(id) as unknown as SqlValue[] | undefined;
    if (values) return this.#keep(rowOf(values));
    if (this.#absent.size >= KEPT_ABSENT) this.#absent.clear();
    this.#absent.add(id);
    return undefined;
  }

  /** What a statement of `selectJobs` finds. */
  rowsOf(statement: StatementSync, ...parameters: SqlValue[]): JobRow[] {
    return (statement.all(...parameters) as unknown as SqlValue[][]).map(rowOf);
  }

  /** The text of a job: as it was last closed, or as somebody has written it who has not. */
  command(number: number, version: "closed" | "written"): Pieces | undefined {
    const row = this.row(number);
    const values = this.#selectCommand.get(number) as unknown as [Uint8Array, Uint8Array | null] | undefined;
    if (!row || !values) return undefined;
    const [closed, unclosed] = values;
    const isUnclosed = version === "written" && unclosed !== null;
    const chunks = isUnclosed ? row.unclosedChunks : row.chunks;
    return chunks === null ? Pieces.of(isUnclosed ? unclosed : closed) : this.#contents.read(chunks);
  }

  /** Where both are. */
  placed(number: number): Command | undefined {
    const row = this.row(number);
    const values = this.#selectCommand.get(number) as unknown as [Uint8Array, Uint8Array | null] | undefined;
    if (!row || !values) return undefined;
    const [command, unclosed] = values;
    return {
      closed: { inRow: command, chunks: row.chunks },
      unclosed: unclosed && { inRow: unclosed, chunks: row.unclosedChunks },
    };
  }

  /** Within a change, as what follows: adds an empty pending job, held. Its id must be free. */
  add(number: number, job: NewJob, now: number): Job {
    const lane = this.#laneOf(job.uid, NO_USE);
    const row = newRow(number, lane, job, now);
    this.#insert.run(...insertedValues(row));
    this.#transactions.undo(this.holds.set(number, true, row));
    this.#replace(undefined, row);
    return this.jobOf(row);
  }

  /** The job must be there, and an id that it gets be free. */
  change(number: number, { command, unclosed, closesUnclosed, held, file, ...others }: RowChanges): Job {
    const before = must(this.row(number), "a job that is changed has a row");
    if (others.ordinal !== undefined && others.ordinal !== before.ordinal) {
      others = { logBytes: null, ...others }; // Of another attempt, that may have no log.
    }
    const after: NewJobRow = { ...before };
    const columns: string[] = [];
    const values: SqlValue[] = [];
    const set = (key: keyof JobRow, value: SqlValue) => {
      if (before[key] === value) return;
      (after as unknown as Record<string, SqlValue>)[key] = value;
      if (key === "logBytes") return;
      columns.push(`${nameOf(key)} = ?`);
      values.push(value);
    };
    if (command !== undefined) {
      after.commandBytes = lengthOf(command);
      columns.push("command = ?");
      values.push(command.inRow);
      set("chunks", command.chunks);
    }
    if (closesUnclosed && before.unclosedBytes !== null) {
      after.commandBytes = before.unclosedBytes;
      columns.push("command = unclosed");
      set("chunks", before.unclosedChunks);
      unclosed = null;
    }
    if (unclosed !== undefined && !(unclosed === null && before.unclosedBytes === null)) {
      after.unclosedBytes = unclosed && lengthOf(unclosed);
      columns.push("unclosed = ?");
      values.push(unclosed && unclosed.inRow);
      set("unclosedChunks", unclosed && unclosed.chunks);
    }
    if (after.commandBytes !== before.commandBytes) set("empty", after.commandBytes === 0 ? 1 : 0);
    for (const [key, value] of Object.entries(others)) {
      if (value !== undefined) set(key as keyof JobRow, value);
    }
    if (file !== undefined && file !== before.file) {
      after.file = file;
      if (file === null) this.#dropFile.run(number);
      else this.#putFile.run(number, file);
    }
    this.#place(before, after, set);
    if (columns.length > 0) this.#update(columns.join(", ")).run(...values, number);
    this.#freeChunks(before, after);
    this.#leaveLine(before);
    if (held !== undefined) this.#transactions.undo(this.holds.set(number, held, after));
    else if (after.turn !== before.turn || after.uid !== before.uid) {
      this.#transactions.undo(this.holds.move(number, after));
    }
    this.#replace(before, after);
    this.#joinLine(after);
    if (before.lock === null && after.lock === null) return this.jobOf(after);
    this.#settleLines(before, after);
    return must(this.byNo(number), "a job that is changed is there");
  }

  /** Each of these waits for one other less, each time that it is named: by one statement, however many they are. */
  unblock(numbers: readonly number[]): void {
    const changed = this.#unblock.all(JSON.stringify(numbers)) as unknown as (Ready & UnblockedRow)[];
    for (const { number, lane, turn, ready } of changed) {
      this.#drop(this.#rows.get(number));
      if (ready === 1 && !this.holds.has(number)) this.line.add(lane, { number, turn });
    }
    const waiting = changed.filter(({ lock }) => lock !== null);
    for (const { uid, lock } of new Map(waiting.map((row) => [`${row.uid} ${row.lock}`, row])).values()) {
      this.#settleLine(uid, must(lock, "these have one"));
    }
    this.#transactions.undo(() => {
      for (const number of numbers) this.#drop(this.#rows.get(number));
    });
  }

  /** Holds a job, or lets it go, for good: nothing of that is stored. */
  hold(number: number, held: boolean): Job {
    const row = must(this.row(number), "a job that is held has a row");
    this.#leaveLine(row);
    this.holds.set(number, held, row);
    this.#joinLine(row);
    return this.jobOf(row);
  }

  remove(number: number): void {
    const row = must(this.row(number), "a job that is removed has a row");
    this.#delete.run(number);
    if (row.file !== null) this.#dropFile.run(number);
    this.#freeChunks(row, undefined);
    this.#leaveLine(row);
    this.#transactions.undo(this.holds.set(number, false, row));
    this.#replace(row, undefined);
    this.#settleLines(row, undefined);
  }

  /** Forgets what is known of the table: a statement has changed it at large. */
  forget(): void {
    this.onTimes();
    this.#usages.forget();
    this.#rows.clear();
    this.#numberOf.clear();
    this.#absent.clear();
    this.line.reset();
  }

  /** Within a change: a row is another now, or new, or gone. */
  #replace(before: JobRow | undefined, after: JobRow | undefined) {
    if (before && hasTime(before) || after && hasTime(after)) this.onTimes();
    this.#usages.replaced(before, after);
    this.#drop(before);
    if (after) this.#keep(after);
    if (before?.lane !== after?.lane) this.#count(before, after);
    this.#transactions.undo(() => {
      this.onTimes();
      this.#drop(after);
      if (before) this.#keep(before);
      if (before?.lane !== after?.lane) this.#count(after, before);
    });
  }

  #freeChunks(before: JobRow, after: JobRow | undefined) {
    if (before.chunks === null && before.unclosedChunks === null) return;
    const kept = after ? [after.chunks, after.unclosedChunks] : [];
    this.#contents.free([before.chunks, before.unclosedChunks], kept);
  }

  /** Where a job waits comes of whose it is, and of what it asks for; over, it waits nowhere. */
  #place(before: JobRow, after: JobRow, set: (key: keyof JobRow, value: SqlValue) => void) {
    const mayAsk = before.asks !== null || after.asks !== null;
    const isSame = after.uid === before.uid && after.state === before.state && after.asks === before.asks;
    if (!mayAsk && after.uid !== before.uid) set("lane", this.#laneOf(after.uid, NO_USE));
    if (!mayAsk || isSame) return;
    const isOver = after.state === "complete" || after.state === "failed";
    const { use = NO_USE, lock } = isOver ? NO_ASKS : asksOf({ ...after }); // Not this one: it changes still.
    set("lane", this.#laneOf(after.uid, use));
    set("lock", lock?.name ?? null);
    const isOfOtherLine = after.lock !== before.lock || after.uid !== before.uid;
    if (after.lock === null) set("behind", 0);
    else if (isOfOtherLine || after.state !== before.state) set("behind", 1);
  }

  #laneOf(uid: number, use: Use): number {
    return this.line.laneOf(uid, use, (step) => this.#transactions.undo(step));
  }

  #count(before: JobRow | undefined, after: JobRow | undefined) {
    if (before) this.line.count(before.lane, -1);
    if (after) this.line.count(after.lane, 1);
  }

  /** Within a change, once all of it is written: who is first in the lines that these rows stand in. */
  #settleLines(before: JobRow | undefined, after: JobRow | undefined) {
    if (before?.lock != null) this.#settleLine(before.uid, before.lock);
    if (after?.lock == null || after.uid === before?.uid && after.lock === before.lock) return;
    this.#settleLine(after.uid, after.lock);
  }

  #settleLine(uid: number, lock: string) {
    if (this.#isSettling) return;
    this.#isSettling = true;
    try {
      this.locks.settle(uid, lock);
    } finally {
      this.#isSettling = false;
    }
  }

  #leaveLine(row: JobRow) {
    if (isReady(row) && !this.holds.has(row.number)) this.line.remove(row.lane, row);
  }

  #joinLine(row: JobRow) {
    if (isReady(row) && !this.holds.has(row.number)) {
      this.line.add(row.lane, { number: row.number, turn: row.turn });
    }
  }

  #keep(row: JobRow): JobRow {
    this.#rows.set(row.number, row);
    this.#numberOf.set(row.id, row.number);
    this.#absent.delete(row.id);
    if (this.#rows.size > KEPT) {
      const [oldest] = this.#rows.values();
      this.#drop(oldest);
    }
    return row;
  }

  #drop(row: JobRow | undefined) {
    if (!row) return;
    this.#rows.delete(row.number);
    if (this.#numberOf.get(row.id) === row.number) this.#numberOf.delete(row.id);
  }

  #update(columns: string): StatementSync {
    let statement = this.#updates.get(columns);
    if (!statement) {
      statement = this.#database.prepare(`UPDATE jobs SET ${columns} WHERE number = ?`);
      this.#updates.set(columns, statement);
    }
    return statement;
  }
}

function lengthOf({ inRow, chunks }: Placed): number {
  return chunks === null ? inRow.length : bytesOf(chunks);
}

function hasTime({ visibleAt, deadlineAt }: JobRow): boolean {
  return visibleAt !== null || deadlineAt !== null;
}

/** What Deno's types of node:sqlite leave out. */
interface ArrayStatement extends StatementSync {
  /** Has `get` and `all` give the values of a row, without their names. */
  setReturnArrays(enabled: boolean): void;
}

export function prepareForArrays(database: DatabaseSync, sql: string): StatementSync {
  const statement = database.prepare(sql);
  (statement as ArrayStatement).setReturnArrays(true);
  return statement;
}
