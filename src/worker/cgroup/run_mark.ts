import type { RunToken } from "../../job/attempt.ts";
import { ErrnoError } from "../../sys/errno.ts";
import { getAttribute, setAttribute } from "../../sys/files/xattr.ts";
import { unlessRefused } from "../unless_refused.ts";

/** Which run has a group: what only the owner of the group can write. */
const ATTRIBUTE = "user.filed.run";
/** The length of a token is 36. */
const MAX_BYTES = 64;

/**
 * Writes on a group which run has it from now on. It is there before the run has a process, and so tells the
 * next daemon whose the processes in it are: also where this one ends before it has stored that, and whatever
 * they have made of their environments.
 *
 * A kernel that starts processes in a group has this attribute too (Linux 5.7); on others nothing is written.
 * @param run "": no run has its processes there.
 * @returns Whether the group is there.
 */
export function setRunOf(group: string, run: RunToken): boolean {
  try {
    setAttribute(group, ATTRIBUTE, run);
    return true;
  } catch (error) {
    if (error instanceof ErrnoError) return !error.is("ENOENT", "ENODEV");
    throw error;
  }
}

/** The run that has a group, or had it last; `undefined` if nothing says so. */
export function runOf(group: string): RunToken | undefined {
  return unlessRefused(() => getAttribute(group, ATTRIBUTE, MAX_BYTES));
}
