import { ErrnoError } from "../../sys/errno.ts";
import { ANSWER_MS, atMost } from "../../sys/waiting/deadline.ts";
import { foldersIn, LockedFolder } from "../locked_folder.ts";
import type { Reactor } from "../reactor.ts";
import { Helper } from "../sandbox/helper.ts";
import { realPathWithin } from "../sandbox/look_up.ts";
import type { Removals } from "../sandbox/removals.ts";
import { PREFIX, reachOf } from "./place.ts";

/** Whether there is one that looks like ours. */
const LOOK = `for found in "$1"/${PREFIX}*; do [ -d "$found" ] && exit 0; done; exit 1`;
/** The name of an attempt's folder: a number, and its user's. */
const FOLDER = /^\d+\.(\d+)$/;

/**
 * Removes what dead daemons have left in a directory. A helper looks first: the directory may not answer, and
 * at most starts there is nothing.
 */
export async function removeLeftovers(
  directory: string,
  removals: Removals,
  reactor: Reactor,
): Promise<void> {
  try {
    const helper = new Helper([LOOK, directory], undefined, reactor);
    if (!await atMost(ANSWER_MS, helper.succeeded)) return helper.kill();
    if (!await helper.succeeded) return;
    const real = await realPathWithin(ANSWER_MS, directory, reactor);
    if (typeof reachOf(real) !== "string") return; // We have had none there.
    await Promise.all(foldersIn(real, PREFIX).map((name) => removeLeftover(real, name, removals)));
  } catch (error) {
    // Where no process or descriptor is left for it, the next daemon tries again.
    if (!(error instanceof ErrnoError)) throw error;
  }
}

async function removeLeftover(parent: string, name: string, removals: Removals) {
  using folder = LockedFolder.take(parent, name);
  if (!folder) return;
  const { directory, path } = folder;
  const areGone = await Promise.all(
    directory.list().map((name) => {
      const [, owner] = FOLDER.exec(name) ?? [];
      return removals.remove({
        open: () => directory.openChild("."),
        path,
        name,
        owner: owner === undefined ? undefined : Number(owner),
      });
    }),
  );
  if (areGone.every(Boolean)) folder.remove();
}
