import type { State } from "./states.ts";

/** What moving a job's file from one directory to another asks for. */
export type Move =
  /** Within a directory: another id. */
  | "rename"
  /** Run again from the start. */
  | "retry"
  /** End what runs, and run again from the start. */
  | "restart"
  /** End what runs, and keep it as failed. */
  | "abort"
  /** Take it out of the queue, and keep it as failed. */
  | "withdraw";

const MOVES: Record<State, Record<State, Move | "busy" | "forbidden">> = {
  pending: { pending: "rename", active: "forbidden", complete: "forbidden", failed: "withdraw" },
  active: { pending: "restart", active: "busy", complete: "forbidden", failed: "abort" },
  complete: { pending: "retry", active: "forbidden", complete: "rename", failed: "forbidden" },
  failed: { pending: "retry", active: "forbidden", complete: "forbidden", failed: "rename" },
};

export function moveBetween(from: State, to: State): Move | "busy" | "forbidden" {
  return MOVES[from][to];
}
