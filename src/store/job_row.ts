import type { JobChanges, JobRecord, State } from "./store.ts";

/** A job's row, as `toJob` reads it. */
export const COLUMNS = `
  number, id, state, CASE WHEN unclosed IS NULL THEN length(command) ELSE length(unclosed) END, log_bytes, attempts, place,
  visible_at, held, run, uid, gid, mode, foreign_writer, created_at, written_at, logged_at, changed_at, accessed_at`;

export type Row = [
  number: number,
  id: string,
  state: State,
  commandBytes: number,
  logBytes: number,
  attempts: number,
  place: number | null,
  visibleAt: number | null,
  held: number,
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
];

/** An array costs half of what an object does that node:sqlite makes, with its names. */
export function toJob(row: Row): JobRecord {
  return {
    number: row[0],
    id: row[1],
    state: row[2],
    commandBytes: row[3],
    logBytes: row[4],
    attempts: row[5],
    place: row[6],
    visibleAt: row[7],
    held: row[8] !== 0,
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
  };
}

/** The columns that a change sets. */
export const COLUMN_OF: Record<Exclude<keyof JobChanges, "appendix" | "log">, string> = {
  id: "id",
  state: "state",
  command: "command",
  unclosed: "unclosed",
  attempts: "attempts",
  place: "place",
  visibleAt: "visible_at",
  held: "held",
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
