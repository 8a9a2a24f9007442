/** Priorities are from -100 to 100: no turn of a higher one is behind a turn of a lower one. */
const HIGHEST_PRIORITY = 100;
/** More jobs than are submitted to any queue. */
export const SUBMISSIONS = 2 ** 44;

/** The order of the queue in one number, below 2^53: by priority, and among equals by submission. */
export function turnOf(submission: number, priority = 0): number {
  return (HIGHEST_PRIORITY - priority) * SUBMISSIONS + submission;
}

/** The number of the submission that has this turn. */
export function submissionOf(turn: number): number {
  return turn % SUBMISSIONS;
}

/**
 * The turns that are held up: of each priority, those behind one that nothing may pass. Who may hold up others of
 * his priority for a moment so does not keep those of a lower one waiting for ever.
 */
export class HeldUp {
  static readonly NOTHING = new HeldUp([]);
  /** By what is the same for all turns of a priority. */
  readonly #from = new Map<number, number>();

  /** @param turns Of those that nothing may pass. */
  constructor(turns: Iterable<number>) {
    for (const turn of turns) {
      const rank = rankOf(turn);
      this.#from.set(rank, Math.min(turn, this.#from.get(rank) ?? Infinity));
    }
  }

  has(turn: number): boolean {
    return turn >= (this.#from.get(rankOf(turn)) ?? Infinity);
  }
}

function rankOf(turn: number): number {
  return Math.floor(turn / SUBMISSIONS);
}
