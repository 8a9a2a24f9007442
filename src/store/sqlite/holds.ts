import { HeldUp, type Place } from "../../job/turn.ts";

/** Where a job is in the queue, or whose it is that is nowhere. */
interface Standing {
  turn: number | null;
  uid: number;
}

/**
 * The pending jobs that may not start: somebody has them open for writing, or they have just come. In memory
 * only: a hold ends with the process in which the file was open.
 */
export class Holds {
  readonly #held = new Set<number>();
  /** The places of those that nothing behind them may pass; `turn` is `null`: it has none now. */
  readonly #inLine = new Map<number, Standing>();

  has(number: number): boolean {
    return this.#held.has(number);
  }

  get heldUp(): HeldUp {
    if (this.#inLine.size === 0) return HeldUp.NOTHING;
    return new HeldUp(this.#inLine.values().filter((place): place is Place => place.turn !== null));
  }

  /** @param at Where the job is, which counts where it is held in line. @returns What takes it back. */
  set(number: number, held: boolean | "in-line", at: Standing): () => void {
    const before = { isHeld: this.#held.has(number), at: this.#inLine.get(number) };
    this.#put(number, held !== false, held === "in-line" ? { turn: at.turn, uid: at.uid } : undefined);
    return () => this.#put(number, before.isHeld, before.at);
  }

  /** A job is elsewhere: if it is held in line, what is behind that is held up. @returns What takes it back. */
  move(number: number, at: Standing): () => void {
    return this.#inLine.has(number) ? this.set(number, "in-line", at) : () => {};
  }

  #put(number: number, isHeld: boolean, at: Standing | undefined) {
    if (isHeld) this.#held.add(number);
    else this.#held.delete(number);
    if (at === undefined) this.#inLine.delete(number);
    else this.#inLine.set(number, at);
  }
}
