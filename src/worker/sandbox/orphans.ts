import { ErrnoError } from "../../sys/errno.ts";
import { removeFolder } from "./confinement.ts";
import type { Removals } from "./removals.ts";
import { PROOF, rootsIn, TempRoot } from "./temp_root.ts";

/** The name of a confinement's folder: a number, and its user's. */
const FOLDER = /^\d+\.(\d+)$/;

/** Removes what dead daemons have left in a directory such as /tmp, as far as nobody keeps it from that. */
export async function removeOrphans(parent: string, removals: Removals): Promise<void> {
  await Promise.all(rootsIn(parent).map((name) => removeOrphan(parent, name, removals)));
}

async function removeOrphan(parent: string, name: string, removals: Removals) {
  try {
    using root = TempRoot.take(parent, name);
    if (root && await empty(root, removals)) root.remove();
  } catch (error) {
    // Where no descriptor is left for it, the next daemon tries again.
    if (!(error instanceof ErrnoError)) throw error;
  }
}

/** @returns Whether nothing is left but the proof. */
async function empty(root: TempRoot, removals: Removals): Promise<boolean> {
  const { directory, path } = root;
  const names = directory.list().filter((name) => name !== PROOF);
  const areGone = await Promise.all(names.map(async (name) => {
    const [, owner] = FOLDER.exec(name) ?? [];
    if (owner === undefined) { // Somebody has put it there, or moved a folder.
      return await removals.remove({ open: () => directory.openChild("."), path, name, owner });
    }
    return await removeFolder(root, name, Number(owner), removals);
  }));
  return areGone.every(Boolean);
}
