import { HeldUp } from "../../job/turn.ts";
import type { JobRow } from "./job_columns.ts";

/** What counts of a job that is held in line. */
type InLine = Pick<JobRow, "turn" | "uid">;

/**
 * The pending jobs that may not start: somebody has them open for writing, or they have just come. In memory
 * only: a hold ends with the process in which the file was open.
 */
export class Holds {
  readonly #held = new Set<number>();
  /** Those that nothing behind them may pass. */
  readonly #inLine = new Map<number, InLine>();

  has(number: number): boolean {
    return this.#held.has(number);
  }

  get heldUp(): HeldUp {
    return this.#inLine.size === 0 ? HeldUp.NOTHING : new HeldUp(this.#inLine.values());
  }

  /** @param row The job's, whose turn and user count where it is held in line. @returns What takes it back. */
  set(number: number, held: boolean | "in-line", row: InLine): () => void {
    const before = { isHeld: this.#held.has(number), at: this.#inLine.get(number) };
    this.#put(number, held !== false, held === "in-line" ? { turn: row.turn, uid: row.uid } : undefined);
    return () => this.#put(number, before.isHeld, before.at);
  }

  /** A job has another turn or user: if it is held in line, what is behind that is held up. @returns What takes it back. */
  move(number: number, row: InLine): () => void {
    return this.#inLine.has(number) ? this.set(number, "in-line", row) : () => {};
  }

  #put(number: number, isHeld: boolean, at: InLine | undefined) {
    if (isHeld) this.#held.add(number);
    else this.#held.delete(number);
    if (at === undefined) this.#inLine.delete(number);
    else this.#inLine.set(number, at);
  }
}
