import { isDraft } from "./id.ts";
import type { State } from "./state.ts";

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

/** What the rules below look at. */
interface Movable {
  state: State;
  commandBytes: number;
}

/**
 * What a move changes of a job, besides its log.
 * @param id The job's id afterwards.
 * @param now Epoch ms.
 * @param former The turn that it had a moment ago under that id.
 */
export function changesOfMove(
  move: Move,
  job: Movable,
  id: string,
  now: number,
  former: number | null = null,
) {
  switch (move) {
    case "rename":
      return { changedAt: now, ...job.state === "pending" ? turnOf(job, id, former) : {} };
    case "retry":
    case "restart":
      return {
        state: "pending",
        held: "in-line",
        attempts: 0,
        turn: isDraft(id) ? null : "next",
        visibleAt: null,
        changedAt: now,
      } as const;
    case "abort":
    case "withdraw":
      return {
        state: "failed",
        held: false,
        content: { is: "as-closed" },
        visibleAt: null,
        loggedAt: now,
        changedAt: now,
      } as const;
    default:
      return move satisfies never;
  }
}

/** The turn of a pending job that gets another id. @param former The one that it had under that id a moment ago. */
function turnOf(job: Movable, id: string, former: number | null) {
  if (isDraft(id)) return { turn: null };
  if (job.commandBytes === 0) return {};
  return { turn: former ?? "first" as const };
}
