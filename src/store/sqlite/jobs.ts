import type { DatabaseSync, StatementSync } from "node:sqlite";
import { changeRow, COLUMNS, fromRow, newRow, type Row, type RowChanges } from "./job_columns.ts";
import type { SqlValue, StoredJob } from "./job_columns.ts";
import { Places, type Ready } from "./places.ts";
import { ReadyJobs } from "./line.ts";
import type { JobChanges, JobRecord, NewJob } from "../store.ts";

/** How many jobs are kept in memory, those that have something to be written not counted. */
const KEPT_JOBS = 1_024;
/** How many ids are kept that no job has. */
const KEPT_ABSENT = 64;

/** `in-line`: and what is behind it in the queue is held too. */
export type Hold = "held" | "in-line";

type Held = NonNullable<JobChanges["held"]>;

export interface TableChanges extends RowChanges {
  held?: Held;
}

/** The text of a job. */
export interface Command {
  /** As it was last closed. */
  closed: Uint8Array;
  /** As somebody writes it who has not closed it yet; `null`: nobody does. */
  unclosed: Uint8Array | null;
}

/** A job in memory, and what of it the database does not know. */
interface Entry extends StoredJob {
  /** By column; `undefined`: nothing. */
  unwritten: Map<string, SqlValue> | undefined;
  /** It has no row yet. */
  isNew: boolean;
}

/**
 * The table of jobs, with those lately asked for in memory: what several changes make of a job within one transaction is
 * written once. Only this process writes the table, so that what is in memory stays right; whoever searches the
 * table by itself calls `write` before.
 *
 * Which jobs are held is in memory only: it ends with the process that had them open.
 */
export class JobTable {
  /** The jobs that can start. */
  readonly ready: ReadyJobs;
  readonly #database: DatabaseSync;
  /** Hears of the number of each job that gets a row. */
  readonly #onNumberUsed: (number: number) => void;
  readonly #select: StatementSync;
  readonly #selectById: StatementSync;
  readonly #selectCommand: StatementSync;
  readonly #insert: StatementSync;
  readonly #delete: StatementSync;
  readonly #updates = new Map<string, StatementSync>();
  readonly #entries = new Map<number, Entry>();
  readonly #numberOf = new Map<string, number>();
  readonly #absent = new Set<string>();
  readonly #unwritten = new Set<Entry>();
  readonly #holds = new Map<number, Hold>();
  /** Those of them that are held in line and have a place; `undefined`: to be found anew. */
  #inLine: Places | undefined = new Places();
  /** How jobs were held before the transaction that is open, and which got their row in it, or were removed without one. */
  readonly #holdsBefore = new Map<number, Hold | undefined>();
  readonly #added = new Set<number>();
  /** Grows when the time may be another at which a job that waits may start. */
  #timesVersion = 0;

  constructor(database: DatabaseSync, onNumberUsed: (number: number) => void) {
    this.#database = database;
    this.#onNumberUsed = onNumberUsed;
    this.#select = prepareForArrays(database, `SELECT ${COLUMNS} FROM jobs WHERE number = ?`);
    this.#selectById = prepareForArrays(database, `SELECT ${COLUMNS} FROM jobs WHERE id = ?`);
    this.#selectCommand = prepareForArrays(database, "SELECT command, unclosed FROM jobs WHERE number = ?");
    const selectReady = prepareForArrays(
      database,
      `SELECT number, place FROM jobs INDEXED BY jobs_ready
       WHERE state = 'pending' AND place >= ?1 AND (place > ?1 OR number > ?2) AND visible_at IS NULL
         AND length(command) > 0
       ORDER BY place, number LIMIT ?3`,
    );
    this.ready = new ReadyJobs(
      ({ place, number }, limit) =>
        (selectReady.all(place, number, limit) as unknown as [number, number][])
          .map(([number, place]) => ({ number, place })),
      (number) => this.#holds.has(number),
    );
    this.#insert = database.prepare(
      `INSERT INTO jobs (number, id, state, log_bytes, attempts, place, visible_at, run, uid, gid, mode, created_at,
         written_at, logged_at, changed_at, accessed_at, unclosed, command, foreign_writer)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#delete = database.prepare("DELETE FROM jobs WHERE number = ?");
  }

  get(number: number): JobRecord | undefined {
    return this.#entry(number)?.job;
  }

  find(id: string): JobRecord | undefined {
    const number = this.#numberOf.get(id);
    if (number !== undefined) return this.#entries.get(number)?.job;
    if (this.#absent.has(id)) return undefined;
    const row = this.#selectById.get(id) as unknown as Row | undefined;
    if (row) return this.#keep(row).job;
    if (this.#absent.size >= KEPT_ABSENT) this.#absent.clear();
    this.#absent.add(id);
    return undefined;
  }

  /** Adds a job, of which the database hears with the next `write`. The id must be free. */
  add(number: number, job: NewJob): JobRecord {
    const entry = { ...newRow(number, job), unwritten: new Map(), isNew: true };
    if (job.held) this.#holds.set(number, "held");
    this.#enter(entry);
    this.#unwritten.add(entry);
    return entry.job;
  }

  /** Within a transaction. The job must be there, and an id that it gets be free. */
  change(number: number, { held, ...changes }: TableChanges): JobRecord {
    const entry = this.#entry(number) as Entry;
    const { stored, columns } = changeRow(entry, changes);
    const before = this.#standingOf(entry);
    if (held !== undefined) this.#changeHold(number, held);
    const { id, visibleAt } = entry.job;
    Object.assign(entry, stored);
    if (visibleAt !== null || entry.job.visibleAt !== null) this.#timesVersion++;
    entry.job.held = this.#holds.has(number);
    this.#changeStanding(before, this.#standingOf(entry));
    if (columns.size === 0) return entry.job;
    entry.unwritten ??= new Map();
    for (const [column, value] of columns) entry.unwritten.set(column, value);
    this.#unwritten.add(entry);
    if (entry.job.id !== id) this.#renamed(entry, id);
    return entry.job;
  }

  /** Whether a job can start, and has this place. */
  isReady({ number, place }: Ready): boolean {
    const entry = this.#entry(number);
    return entry !== undefined && readyOf(entry)?.place === place;
  }

  command(number: number): Command | undefined {
    const entry = this.#entries.get(number);
    const [closed, unclosed] = entry?.isNew ? [EMPTY, null] : this.#storedCommand(number);
    if (closed === undefined) return undefined;
    const written = entry?.unwritten;
    return {
      closed: (written?.get("command") ?? closed) as Uint8Array,
      unclosed: (written?.has("unclosed") ? written.get("unclosed") : unclosed) as Uint8Array | null,
    };
  }

  /** Whether nobody has written what is not closed. */
  isClosed(number: number): boolean {
    return this.#entry(number)?.unclosedBytes === null;
  }

  /** Holds a job that is there, or lets it go: within a transaction or not, for good. */
  hold(number: number, held: Held): JobRecord {
    const entry = this.#entry(number) as Entry;
    const before = this.#standingOf(entry);
    this.#setHold(number, holdOf(held));
    entry.job = { ...entry.job, held: this.#holds.has(number) };
    this.#changeStanding(before, this.#standingOf(entry));
    return entry.job;
  }

  /** Within a transaction. */
  remove(number: number): void {
    const entry = this.#entry(number);
    if (!entry) return;
    if (entry.job.visibleAt !== null) this.#timesVersion++;
    this.#changeStanding(this.#standingOf(entry), NO_STANDING);
    this.#changeHold(number, false);
    this.#drop(entry);
    if (entry.isNew) this.#added.add(number);
    else this.#delete.run(number);
  }

  /** The jobs that are held. */
  get holds(): ReadonlyMap<number, Hold> {
    return this.#holds;
  }

  /** The place in the queue from which on jobs are held in line; `Infinity`: none is. */
  placeHeldInLine(): number {
    this.#inLine ??= this.#findInLine();
    return this.#inLine.at(0)?.place ?? Infinity;
  }

  get timesVersion(): number {
    return this.#timesVersion;
  }

  /** How many jobs have something that is to be written. */
  get unwrittenCount(): number {
    return this.#unwritten.size;
  }

  /** Tells the database, within a transaction, what it does not know. */
  write(): void {
    for (const entry of this.#unwritten) this.#write(entry);
    this.#unwritten.clear();
  }

  committed(): void {
    this.#holdsBefore.clear();
    this.#added.clear();
  }

  /** Takes back what was not committed. @returns The jobs that are lost with that: they were added, and never stored. */
  rolledBack(): number[] {
    const unwritten = [...this.#unwritten].filter(({ isNew }) => isNew).map(({ job }) => job.number);
    const lost = [...this.#added, ...unwritten];
    for (const [number, hold] of this.#holdsBefore) this.#setHold(number, hold);
    for (const number of lost) this.#holds.delete(number);
    this.#inLine = undefined;
    this.committed();
    this.#unwritten.clear();
    this.forget();
    return lost;
  }

  /** Forgets what is in memory of the table: somebody changed it. There must be nothing unwritten. */
  forget(): void {
    this.#timesVersion++;
    this.ready.reset();
    this.#entries.clear();
    this.#numberOf.clear();
    this.#absent.clear();
  }

  #entry(number: number): Entry | undefined {
    const known = this.#entries.get(number);
    if (known) return known;
    const row = this.#select.get(number) as unknown as Row | undefined;
    return row && this.#keep(row);
  }

  #keep(row: Row): Entry {
    const known = this.#entries.get(row[0]);
    if (known) return known;
    const entry = { ...fromRow(row, this.#holds.has(row[0])), unwritten: undefined, isNew: false };
    this.#enter(entry);
    return entry;
  }

  #enter(entry: Entry) {
    const { number, id } = entry.job;
    this.#entries.set(number, entry);
    this.#numberOf.set(id, number);
    this.#absent.delete(id);
    if (this.#entries.size - this.#unwritten.size <= KEPT_JOBS) return;
    for (const old of this.#entries.values()) {
      if (old === entry || this.#unwritten.has(old)) continue;
      this.#drop(old);
      return;
    }
  }

  #drop(entry: Entry) {
    const { number, id } = entry.job;
    this.#entries.delete(number);
    this.#unwritten.delete(entry);
    if (this.#numberOf.get(id) === number) this.#numberOf.delete(id);
  }

  #storedCommand(number: number): [closed?: Uint8Array, unclosed?: Uint8Array | null] {
    return (this.#selectCommand.get(number) ?? []) as [];
  }

  #standingOf(entry: Entry): Standing {
    const { number, place } = entry.job;
    const isInLine = place !== null && this.#holds.get(number) === "in-line";
    return { ready: readyOf(entry), inLine: isInLine ? { number, place } : undefined };
  }

  #changeStanding(before: Standing, after: Standing) {
    changePlace(this.ready, before.ready, after.ready);
    if (this.#inLine) changePlace(this.#inLine, before.inLine, after.inLine);
  }

  #findInLine(): Places {
    const found = new Places();
    for (const [number, hold] of this.#holds) {
      const place = hold === "in-line" ? this.get(number)?.place ?? null : null;
      if (place !== null) found.add({ number, place });
    }
    return found;
  }

  /** Ids are unique at each moment, so what has to do with them is written in the order it was asked for. */
  #renamed(entry: Entry, before: string) {
    const { id, number } = entry.job;
    this.#numberOf.delete(before);
    this.#numberOf.set(id, number);
    this.#absent.delete(id);
    this.write();
  }

  #write(entry: Entry) {
    const { job, unwritten } = entry;
    if (entry.isNew) {
      this.#added.add(job.number);
      this.#onNumberUsed(job.number);
      this.#insert.run(
        ...[job.number, job.id, job.state, job.logBytes, job.attempts, job.place, job.visibleAt, job.run],
        ...[job.uid, job.gid, job.mode, job.createdAt, job.writtenAt, job.loggedAt, job.changedAt],
        ...[job.accessedAt, unwritten?.get("unclosed") ?? null, unwritten?.get("command") ?? EMPTY],
        job.foreignWriter,
      );
    } else if (unwritten) {
      this.#update([...unwritten.keys()]).run(...unwritten.values(), job.number);
    }
    entry.isNew = false;
    entry.unwritten = undefined;
  }

  #update(columns: string[]): StatementSync {
    const text = `UPDATE jobs SET ${columns.join(" = ?, ")} = ? WHERE number = ?`;
    let statement = this.#updates.get(text);
    if (!statement) this.#updates.set(text, statement = this.#database.prepare(text));
    return statement;
  }

  #changeHold(number: number, held: Held) {
    if (!this.#holdsBefore.has(number)) this.#holdsBefore.set(number, this.#holds.get(number));
    this.#setHold(number, holdOf(held));
  }

  #setHold(number: number, hold: Hold | undefined) {
    if (hold === undefined) this.#holds.delete(number);
    else this.#holds.set(number, hold);
  }
}

const EMPTY = new Uint8Array();

/** Where a job stands in the queue. */
interface Standing {
  /** It can start. */
  ready: Ready | undefined;
  /** It holds up what is behind it. */
  inLine: Ready | undefined;
}

const NO_STANDING: Standing = { ready: undefined, inLine: undefined };

function readyOf({ job: { number, state, place, visibleAt, held }, closedBytes }: Entry): Ready | undefined {
  const isReady = state === "pending" && place !== null && visibleAt === null && closedBytes > 0 && !held;
  return isReady ? { number, place } : undefined;
}

function changePlace(
  places: Pick<Places, "add" | "remove">,
  before: Ready | undefined,
  after: Ready | undefined,
) {
  if (before?.place === after?.place) return;
  if (before) places.remove(before);
  if (after) places.add(after);
}

function holdOf(held: Held): Hold | undefined {
  if (held === "in-line") return held;
  return held ? "held" : undefined;
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
