import type { RunToken } from "../../job/attempt.ts";
import { ErrnoError } from "../../sys/errno.ts";
import { getAttribute, setAttribute } from "../../sys/files/xattr.ts";

/** Which run has a group: what only the owner of the group can write. */
const ATTRIBUTE = "user.filed.run";
/** The length of a token is 36. */
const MAX_BYTES = 64;

/**
 * Writes on a group which run has it from now on. It is there before the run has a process, and so tells the
 * next daemon whose the processes in it are: also where this one ends before it has stored that, and whatever
 * they have made of their environments.
 *
 * A kernel that starts processes in a group has this attribute too (Linux 5.7).
 */
export function setRunOf(group: string, run: RunToken): void {
  unlessRefused(() => setAttribute(group, ATTRIBUTE, run));
}

/** The last run that a group was given to; `undefined` if nothing says so. */
export function runOf(group: string): RunToken | undefined {
  return unlessRefused(() => getAttribute(group, ATTRIBUTE, MAX_BYTES));
}

function unlessRefused<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch (error) {
    if (error instanceof ErrnoError) return undefined;
    throw error;
  }
}
