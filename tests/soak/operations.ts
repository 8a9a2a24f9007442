/** What the clients do to the mount, and what they hear of it. */
import type { State } from "../../src/job/state.ts";

/** Where a job's file is. */
export interface JobPath {
  state: State;
  id: string;
}

/** How a file is written: by a shell's `>`, in one write or in pieces, or as mkstemp(3) makes its file. */
export type Writing = "shell" | "whole" | "pieces" | "temporary";

export type Step =
  /** Opens the file of that id in pending/, writes the version's command, and closes it. */
  | { kind: "write"; id: string; version: string; how: Writing }
  | { kind: "rename"; from: JobPath; to: JobPath }
  | { kind: "remove"; at: JobPath }
  /** Finds the job's file there; what is not found is no operation, since a job moves on while one looks. */
  | { kind: "find"; at: JobPath }
  | { kind: "configure"; settings: Record<string, number> };

export type Outcome =
  | { kind: "done" }
  /** The daemon answered with an error: nothing happened. */
  | { kind: "refused"; errno: string }
  /** The daemon died meanwhile: it happened, or did not, or in part. */
  | { kind: "unknown" };

/** One operation. Nobody else acts on the ids of a family, and one operation on them ends before the next begins. */
export interface Operation {
  /** The id that its ids are made of; "" for the settings. */
  family: string;
  step: Step;
  /** Epoch ms, with fractions. */
  invokedAt: number;
  endedAt: number;
  outcome: Outcome;
}

/** A line that a client writes on its standard output. */
export type ClientLine =
  | { kind: "operation"; operation: Operation }
  /** It does nothing until the next `go`: it was told to pause, or the daemon is gone. */
  | { kind: "idle" };

/** The ids of a family: its own, another that its job may get, and a draft. */
export function idsOf(family: string): [string, string, string] {
  return [family, `${family}.b`, `.${family}`];
}

/** The family of an id, as `idsOf` makes them. */
export function familyOf(id: string): string {
  return id.replace(/^\./, "").replace(/\.b$/, "");
}
