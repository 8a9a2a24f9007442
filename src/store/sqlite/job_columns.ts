import { type Asks, NO_ASKS } from "../../job/header.ts";
import type { Job } from "../../job/job.ts";
import type { State } from "../../job/state.ts";
import type { NewJob } from "../store.ts";

/** What SQLite takes. */
export type SqlValue = string | number | Uint8Array | null;

/** A job as its row has it, and with it what the last attempt's row says of the log. */
export type JobRow = Readonly<NewJobRow>;
/** The same, for who makes one. */
export type NewJobRow = ReturnType<typeof rowOf>;

/** Where each stands: a new column is one line here, one in `rowOf` and one in the schema. */
const COLUMN_OF: Record<keyof JobRow, string> = {
  number: "number",
  id: "id",
  state: "state",
  lane: "lane",
  turn: "turn",
  empty: "empty",
  visibleAt: "visible_at",
  attempts: "tries",
  ordinal: "ordinal",
  ended: "ended",
  endedAt: "jobs.ended_at",
  uid: "uid",
  gid: "gid",
  mode: "mode",
  foreignWriter: "foreign_writer",
  createdAt: "created_at",
  writtenAt: "written_at",
  changedAt: "changed_at",
  accessedAt: "accessed_at",
  deadlineAt: "deadline",
  behind: "behind",
  lock: "lock",
  asks: "asks",
  commandBytes: "coalesce(CAST(chunks AS INTEGER), length(command))",
  unclosedBytes: "coalesce(CAST(unclosed_chunks AS INTEGER), length(unclosed))",
  logBytes: "attempts.log_bytes",
  file: "files.file",
  blocked: "blocked",
  chunks: "chunks",
  unclosedChunks: "unclosed_chunks",
};
export const KEYS = Object.keys(COLUMN_OF) as (keyof JobRow)[];
/** What the row of an empty job does not have. */
const ABSENT: readonly (keyof JobRow)[] = [
  "commandBytes",
  "unclosedBytes",
  "logBytes",
  "file",
  "chunks",
  "unclosedChunks",
];
/** What an INSERT names. */
const WRITTEN = KEYS.filter((key) => !ABSENT.includes(key));

/** @param from `jobs`, and the index to be used, if it is named. @returns What a WHERE follows, for `rowOf`. */
export function selectJobs(from: string): string {
  const columns = KEYS.map((key) => COLUMN_OF[key]).join(", ");
  return `SELECT ${columns} FROM ${from} LEFT JOIN attempts ON attempt = number << 20 | ordinal
    LEFT JOIN files ON files.job = number`;
}

export const INSERT_JOB = `INSERT INTO jobs (${WRITTEN.map(nameOf).join(", ")}) VALUES (${
  WRITTEN.map(() => "?").join(", ")
})`;

export function insertedValues(row: JobRow): SqlValue[] {
  return WRITTEN.map((key) => row[key]);
}

/** The name of a column that an UPDATE sets. */
export function nameOf(key: keyof JobRow): string {
  return COLUMN_OF[key].replace("jobs.", "");
}

/**
 * Of a row as an array, in the order of `COLUMN_OF`. An array costs half of what an object does that node:sqlite
 * makes, with its names; and a literal a third of what a loop over the names does: `ls -l` reads many.
 */
export function rowOf(row: readonly SqlValue[]) {
  return {
    number: row[0] as number,
    id: row[1] as string,
    state: row[2] as State,
    lane: row[3] as number,
    turn: row[4] as number | null,
    /** 1: there is nothing to run. */
    empty: row[5] as number,
    visibleAt: row[6] as number | null,
    attempts: row[7] as number,
    ordinal: row[8] as number,
    /** In the sequence of ends. */
    ended: row[9] as number | null,
    endedAt: row[10] as number | null,
    uid: row[11] as number,
    gid: row[12] as number,
    mode: row[13] as number,
    foreignWriter: row[14] as number | null,
    createdAt: row[15] as number,
    writtenAt: row[16] as number,
    changedAt: row[17] as number,
    accessedAt: row[18] as number | null,
    deadlineAt: row[19] as number | null,
    /** 1: its lock is another's, or another is before it. */
    behind: row[20] as number,
    /** Of a job that waits for one, or has it. */
    lock: row[21] as string | null,
    /** JSON; `null`: the job has no header. */
    asks: row[22] as string | null,
    /** Length of the command. */
    commandBytes: row[23] as number,
    /** Length of what somebody writes in its place, and has not closed; `null`: nobody does. */
    unclosedBytes: row[24] as number | null,
    /** Length of the last attempt's log; `null`: there is none. */
    logBytes: row[25] as number | null,
    /** Its file in pending/; `null`: the one that it was made as. */
    file: row[26] as number | null,
    /** How many others it waits for. */
    blocked: row[27] as number,
    /** Of a command that is not in the row, as `Placed` has them. */
    chunks: row[28] as string | null,
    /** The same of what is not closed. */
    unclosedChunks: row[29] as string | null,
  };
}

/** A row that has just been made: an empty pending job. */
export function newRow(number: number, lane: number, { id, uid, gid, mode }: NewJob, now: number): JobRow {
  return {
    ...{ number, id, lane, uid, gid, mode },
    state: "pending",
    turn: null,
    empty: 1,
    visibleAt: null,
    attempts: 0,
    ordinal: 0,
    ended: null,
    endedAt: null,
    foreignWriter: null,
    createdAt: now,
    writtenAt: now,
    changedAt: now,
    accessedAt: null,
    deadlineAt: null,
    behind: 0,
    lock: null,
    asks: null,
    commandBytes: 0,
    unclosedBytes: null,
    logBytes: null,
    file: null,
    blocked: 0,
    chunks: null,
    unclosedChunks: null,
  };
}

/** The number of its file in pending/. */
export function fileOf({ number, file }: Pick<JobRow, "number" | "file">): number {
  return file ?? number;
}

/** Whether a search by `jobs_ready` finds it. */
export function isReady(row: JobRow): row is JobRow & { turn: number } {
  return row.state === "pending" && row.turn !== null && row.empty === 0 && row.visibleAt === null &&
    row.behind === 0 && row.blocked === 0;
}

/** What the rows in memory ask for: a search comes to the first of each lane again and again. */
const PARSED = new WeakMap<JobRow, Asks>();

export function asksOf(row: JobRow): Asks {
  if (row.asks === null) return NO_ASKS;
  let asks = PARSED.get(row);
  if (!asks) PARSED.set(row, asks = JSON.parse(row.asks) as Asks);
  return asks;
}

/** The job that a row is of. @param run What it is run by, and what that has written. */
export function jobOf(
  row: JobRow,
  held: boolean,
  run: { run: string; bytes: number; loggedAt: number } | undefined,
): Job {
  const { ordinal } = row;
  const facts = {
    number: row.number,
    file: fileOf(row),
    id: row.id,
    commandBytes: row.unclosedBytes ?? row.commandBytes,
    asks: asksOf(row),
    attempts: row.attempts,
    ordinal,
    uid: row.uid,
    gid: row.gid,
    mode: row.mode,
    foreignWriter: row.foreignWriter,
    createdAt: row.createdAt,
    writtenAt: row.writtenAt,
    changedAt: row.changedAt,
    accessedAt: row.accessedAt,
  };
  if (row.state === "active" && run) {
    const log = { ordinal, bytes: run.bytes, writtenAt: run.loggedAt };
    return { ...facts, state: row.state, run: run.run, log };
  }
  if (row.state === "complete" || row.state === "failed") {
    const log = { ordinal, bytes: row.logBytes ?? 0, writtenAt: row.endedAt ?? row.changedAt };
    return { ...facts, state: row.state, log };
  }
  // An active job without its run is in a file that was salvaged in part: it waits for a word that it may start.
  const turn = row.state === "pending" ? row.turn : null;
  return {
    ...facts,
    state: "pending",
    turn,
    visibleAt: row.visibleAt,
    deadlineAt: row.deadlineAt,
    isEmpty: row.empty === 1,
    blocked: row.blocked,
    held,
  };
}
