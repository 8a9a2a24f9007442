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
 * The turns that are held up: those behind one that nothing may pass, if they are of the same user or of the same
 * priority. So nobody who has jobs come again and again keeps others' jobs of a lower priority waiting for ever.
 */
export class HeldUp {
  static readonly NOTHING = new HeldUp([]);
  /** By what is the same for all turns of a priority. */
  readonly #ofRank = new Map<number, number>();
  readonly #ofUser = new Map<number, number>();

  /** @param jobs Those that nothing may pass; one without a turn holds up nobody. */
  constructor(jobs: Iterable<{ turn: number | null; uid: number }>) {
    for (const { turn, uid } of jobs) {
      if (turn === null) continue;
      lower(this.#ofRank, rankOf(turn), turn);
      lower(this.#ofUser, uid, turn);
    }
  }

  has(turn: number, uid: number): boolean {
    return turn >= (this.#ofRank.get(rankOf(turn)) ?? Infinity) ||
      turn >= (this.#ofUser.get(uid) ?? Infinity);
  }
}

function lower(least: Map<number, number>, key: number, turn: number) {
  least.set(key, Math.min(turn, least.get(key) ?? Infinity));
}

function rankOf(turn: number): number {
  return Math.floor(turn / SUBMISSIONS);
}
