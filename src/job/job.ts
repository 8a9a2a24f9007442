import type { Asks } from "./header.ts";
import type { FileNo, JobNo } from "./id.ts";
import type { RunToken } from "./attempt.ts";

/** Owner and permission bits. */
export interface Ownership {
  uid: number;
  gid: number;
  /** Permission bits, 07777. */
  mode: number;
}

/** What is true of a job in each state. Times are epoch ms, with fractions. */
interface JobFacts extends Ownership {
  number: JobNo;
  /** What it is in pending/: its own number, until a rename onto it gave it another file. */
  file: FileNo;
  /** No two jobs have the same one. */
  id: string;
  /** Length of the command as it was last written, closed or not. */
  commandBytes: number;
  /** What it asks for, as it was last submitted. */
  asks: Asks;
  /** Attempts since it came to pending, the current one counted. */
  attempts: number;
  /** Attempts in its life: the ordinal of the last one, from 1; 0: it has had none. */
  ordinal: number;
  /** Somebody who wrote part of the command and did not own it then, root excepted; `null`: nobody did. */
  foreignWriter: number | null;
  createdAt: number;
  /** Last write of the command. */
  writtenAt: number;
  /** Last change of anything here. */
  changedAt: number;
  /** Set by hand only. */
  accessedAt: number | null;
}

/** The output of an attempt, as a file. */
export interface Log {
  /** Of the attempt. */
  ordinal: number;
  bytes: number;
  /** Last output, the end of the attempt, or what somebody set by hand. */
  writtenAt: number;
}

export interface Pending extends JobFacts {
  state: "pending";
  /** Its position in the queue; `null` for what was never submitted (drafts, files never closed with content). */
  turn: number | null;
  /** No claim takes the job before this; `null`: at once. */
  visibleAt: number | null;
  /** If its first attempt has not started by then, it never does; `null`: it may at any time. */
  deadlineAt: number | null;
  /** There is nothing to run: no text, or a header alone. */
  isEmpty: boolean;
  /** How many others it waits for, to end as it has asked for. */
  blocked: number;
  /** No claim takes it: somebody has it open for writing, or it has just come. */
  held: boolean;
}

export interface Active extends JobFacts {
  state: "active";
  run: RunToken;
  log: Log;
}

export interface Ended extends JobFacts {
  state: "complete" | "failed";
  log: Log;
}

export type Job = Pending | Active | Ended;
