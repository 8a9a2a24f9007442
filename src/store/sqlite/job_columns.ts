import type { State } from "../../job/state.ts";
import type { JobChanges, JobRecord, NewJob } from "../store.ts";

/** A job as memory has it. */
export interface StoredJob {
  /** Never changed: another takes its place. */
  job: JobRecord;
  /** Length of the command as it was last closed. */
  closedBytes: number;
  /** Length of the command as somebody writes it who has not closed it yet; `null`: nobody does. */
  unclosedBytes: number | null;
}

/** What a change sets in a row. */
export interface RowChanges extends Omit<JobChanges, "appendix" | "log" | "held" | "place" | "run"> {
  logBytes?: number;
  logNumber?: number;
  place?: number | null;
  run?: string | null;
}

/** What SQLite takes. */
export type SqlValue = string | number | Uint8Array | null;

/** A job's row, as `fromRow` reads it. */
export const COLUMNS = `
  number, id, state, length(command), length(unclosed), log_bytes, attempts, place, visible_at, run, uid, gid, mode,
  foreign_writer, created_at, written_at, logged_at, changed_at, accessed_at, log_number`;

export type Row = [
  number: number,
  id: string,
  state: State,
  closedBytes: number,
  unclosedBytes: number | null,
  logBytes: number,
  attempts: number,
  place: number | null,
  visibleAt: number | null,
  run: string | null,
  uid: number,
  gid: number,
  mode: number,
  foreignWriter: number | null,
  createdAt: number,
  writtenAt: number,
  loggedAt: number,
  changedAt: number,
  accessedAt: number | null,
  logNumber: number | null,
];

/** An array costs half of what an object does that node:sqlite makes, with its names. */
export function fromRow(row: Row, held: boolean): StoredJob {
  const [closedBytes, unclosedBytes] = [row[3], row[4]];
  const job = {
    number: row[0],
    id: row[1],
    state: row[2],
    commandBytes: unclosedBytes ?? closedBytes,
    logBytes: row[5],
    attempts: row[6],
    place: row[7],
    visibleAt: row[8],
    held,
    run: row[9],
    uid: row[10],
    gid: row[11],
    mode: row[12],
    foreignWriter: row[13],
    createdAt: row[14],
    writtenAt: row[15],
    loggedAt: row[16],
    changedAt: row[17],
    accessedAt: row[18],
    logNumber: row[19] ?? row[0],
  };
  return { job, closedBytes, unclosedBytes };
}

/** A job that has just been made: empty and pending. */
export function newRow(number: number, { id, held, uid, gid, mode, now }: NewJob): StoredJob {
  const job: JobRecord = {
    number,
    id,
    state: "pending",
    commandBytes: 0,
    logBytes: 0,
    logNumber: number,
    attempts: 0,
    place: null,
    visibleAt: null,
    held,
    run: null,
    uid,
    gid,
    mode,
    foreignWriter: null,
    createdAt: now,
    writtenAt: now,
    loggedAt: now,
    changedAt: now,
    accessedAt: null,
  };
  return { job, closedBytes: 0, unclosedBytes: null };
}

type Column = Exclude<keyof RowChanges, "command" | "unclosed">;

/** The columns that a change sets, besides the two of the command. */
const COLUMN_OF: Record<Column, string> = {
  id: "id",
  state: "state",
  logBytes: "log_bytes",
  logNumber: "log_number",
  attempts: "attempts",
  place: "place",
  visibleAt: "visible_at",
  run: "run",
  uid: "uid",
  gid: "gid",
  mode: "mode",
  foreignWriter: "foreign_writer",
  writtenAt: "written_at",
  loggedAt: "logged_at",
  changedAt: "changed_at",
  accessedAt: "accessed_at",
};

/** What `changes` comes to: the job afterwards, and the columns that have another value then. */
export function changeRow(
  { job, closedBytes, unclosedBytes }: StoredJob,
  { command, unclosed, ...others }: RowChanges,
): { stored: StoredJob; columns: Map<string, SqlValue> } {
  const columns = new Map<string, SqlValue>();
  const changed: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(others) as [Column, SqlValue | undefined][]) {
    if (value === undefined || job[key] === value) continue;
    changed[key] = value;
    columns.set(COLUMN_OF[key], value);
  }
  if (command !== undefined) {
    columns.set("command", command);
    closedBytes = command.length;
  }
  if (unclosed !== undefined && !(unclosed === null && unclosedBytes === null)) {
    columns.set("unclosed", unclosed);
    unclosedBytes = unclosed?.length ?? null;
  }
  const commandBytes = unclosedBytes ?? closedBytes;
  return { stored: { job: { ...job, ...changed, commandBytes }, closedBytes, unclosedBytes }, columns };
}
