import type { Directory, Path } from "./calls.ts";

/** What a pending job's file holds. Text stands for bytes, a character each. */
export class Command {
  /** As last closed: what would run. */
  closed: string;
  /** It lost a write, or its job was taken away: what it holds is not promised any more. */
  isVague = false;
  onChange = () => {};

  constructor(public bytes = "") {
    this.closed = bytes;
  }

  replace(bytes: string) {
    this.bytes = bytes;
    this.onChange();
  }

  close() {
    this.closed = this.bytes;
  }
}

export interface Job {
  /** What its inode number stands for: no other job has it, but one that it rewrote by a rename. */
  inode: number;
  name: string;
  directory: Directory | "removed";
  mode: number;
  uid: number;
  gid: number;
  command: Command;
  log: string;
  /** Epoch ms; `undefined`: it can't be known here. */
  modifiedAt: number | "just now" | undefined;
  /** `undefined`: nobody set it. */
  accessedAt: number | undefined;
}

/** What open(2) makes, and dup(2) shares. */
export interface OpenFile {
  job: Job;
  /** What it shows; `undefined`: the log. */
  command: Command | undefined;
  reads: boolean;
  writes: boolean;
  appends: boolean;
  /** It made the file, or may change it: its close submits. */
  holds: boolean;
  position: number;
}

/** What the log of a job that was taken out of the queue ends with. */
export const WITHDRAWN = "\n\n[System Error]: not run: moved to failed/ by hand\n";

/** What a log begins with. */
export function logOf(command: string): string {
  return `>>> ${command.replace(/\n+$/, "")}\n`;
}

function isDraft(name: string): boolean {
  return name.startsWith(".") || name.endsWith("~");
}

/** The table of moves of the contract, for jobs that do not run. */
export function mayMove(from: Path, to: Path): boolean {
  if (from.directory === to.directory) return from.directory !== "active";
  if (to.directory === "pending") return from.directory === "failed" || from.directory === "complete";
  return from.directory === "pending" && to.directory === "failed" && !isDraft(from.name);
}
