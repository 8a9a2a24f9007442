import { HeldUp } from "../../job/turn.ts";

/**
 * The pending jobs that may not start: somebody has them open for writing, or they have just come. In memory
 * only: a hold ends with the process in which the file was open.
 */
export class Holds {
  readonly #held = new Set<number>();
  /** The turns of those that nothing behind them may pass; `null`: it has none now. */
  readonly #inLine = new Map<number, number | null>();

  has(number: number): boolean {
    return this.#held.has(number);
  }

  get heldUp(): HeldUp {
    if (this.#inLine.size === 0) return HeldUp.NOTHING;
    return new HeldUp(this.#inLine.values().filter((turn) => turn !== null));
  }

  /** @param turn The job's, which counts where it is held in line. @returns What takes it back. */
  set(number: number, held: boolean | "in-line", turn: number | null): () => void {
    const before = { isHeld: this.#held.has(number), turn: this.#inLine.get(number) };
    this.#put(number, held !== false, held === "in-line" ? turn : undefined);
    return () => this.#put(number, before.isHeld, before.turn);
  }

  /** A job has another turn: if it is held in line, what is behind that is held up. @returns What takes it back. */
  move(number: number, turn: number | null): () => void {
    return this.#inLine.has(number) ? this.set(number, "in-line", turn) : () => {};
  }

  #put(number: number, isHeld: boolean, turn: number | null | undefined) {
    if (isHeld) this.#held.add(number);
    else this.#held.delete(number);
    if (turn === undefined) this.#inLine.delete(number);
    else this.#inLine.set(number, turn);
  }
}
