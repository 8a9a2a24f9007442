import { Expiring } from "./expiring.ts";
import type { Making } from "./node.ts";

/** How long a job that its maker closes unfinished waits for its last name, owner and mode. */
export const FINISH_WAIT_MS = 1_000;
/** How long a maker goes by the name that it gave its job in pending/, and looks for it there. */
export const MAKER_MS = 2_000;

const PERMISSIONS = 0o7777;
const UNFINISHED_MODE = 0o600;

/**
 * Whether the maker of a file is not done when it closes it: with this mode, unmasked, and without O_TRUNC,
 * mkstemp(3) makes files for a rename, and install(1) and rsync --inplace those to which they then give owner
 * and mode by name.
 */
export function isLeftUnfinished({ mode, contents }: Making): boolean {
  return (mode & PERMISSIONS) === UNFINISHED_MODE && contents === "keep";
}

/**
 * Programs that are not done when they close. The last close submits a job, and it may have left pending/ a
 * moment later; but those that made it go on:
 *
 * 1. Some made it so that we can tell (`isLeftUnfinished`, or its name: `replacedBy`). The job waits then, for `FINISH_WAIT_MS` or
 *    until it has another name: see `OpenJob.isUnfinished`.
 * 2. Some change mode, owner or times by its name, or rename it, and we can't tell before. The kernel is
 *    told of a new name that it may resolve it for `MAKER_MS` without asking. So what they do reaches the
 *    job's command, wherever the job is.
 * 3. Some of those then look whether it has arrived (rclone, 7-Zip: once they have given it its times).
 *    For `MAKER_MS` more, who made it, and nobody else, is shown the command that it was.
 */
export class Makers {
  /** Who made the jobs whose name in pending/ the kernel may still resolve by itself, by number. */
  readonly #made: Expiring<number, number>;
  /** Who looks for a job in pending/, and with which time, by number. */
  readonly #sought: Expiring<number, { uid: number; mtimeMs: number }>;

  constructor(now: () => number) {
    this.#made = new Expiring(MAKER_MS, now);
    this.#sought = new Expiring(MAKER_MS, now);
  }

  /** That user has made the job, and the kernel is told its name for `MAKER_MS`. */
  made(number: number, uid: number) {
    this.#made.set(number, uid);
  }

  /**
   * For how long the kernel may go on to resolve the name without asking, ms. All share what it knows of
   * names.
   */
  nameValidMs(number: number): number {
    return this.#made.leftMs(number);
  }

  /** Whether that user made the job, just so. */
  isMaker(uid: number, number: number): boolean {
    return this.#made.get(number) === uid;
  }

  /**
   * Its maker has just given the job its times by name, and looks for it.
   * @param mtimeMs What is to be seen then.
   */
  seek(number: number, uid: number, mtimeMs: number) {
    this.#sought.set(number, { uid, mtimeMs });
  }

  /** The time with which that user is to see the job in pending/, which it has left. Epoch ms. */
  soughtMtime(number: number, uid: number): number | undefined {
    const sought = this.#sought.get(number);
    return sought?.uid === uid ? sought.mtimeMs : undefined;
  }

  /** Nobody is to see the job there any more. */
  endSearch(number: number) {
    this.#sought.delete(number);
  }

  /**
   * The kernel is to ask for the name before it uses it again.
   * @returns Whether it may have used it by itself.
   */
  takeBackName(number: number): boolean {
    return this.#made.delete(number);
  }
}
