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
