import { ErrnoError } from "../../sys/errno.ts";
import { INSIDE } from "./confinement.ts";
import type { Removals } from "./removals.ts";
import { placesIn, SEAL, TempPlace } from "./temp_root.ts";

/** The number of a cell, and its user's. */
const CELL = /^\d+\.(\d+)$/;

/** Removes what dead daemons have left in a directory such as /tmp, as far as nobody keeps it from that. */
export async function removeOrphans(parent: string, removals: Removals): Promise<void> {
  await Promise.all(placesIn(parent).map((name) => removeOrphan(parent, name, removals)));
}

async function removeOrphan(parent: string, name: string, removals: Removals) {
  try {
    using place = TempPlace.take(parent, name);
    if (place && await empty(place, removals)) place.remove();
  } catch (error) {
    // Where no descriptor is left for it, the next daemon tries again.
    if (!(error instanceof ErrnoError)) throw error;
  }
}

/** @returns Whether nothing is left but the seal. */
async function empty(place: TempPlace, removals: Removals): Promise<boolean> {
  const { directory, path } = place;
  const names = directory.list().filter((name) => name !== SEAL);
  const areGone = await Promise.all(names.map(async (name) => {
    const [, owner] = CELL.exec(name) ?? [];
    if (owner === undefined) { // of a version that had no folder of its own around a job's
      return await removals.remove({ open: () => directory.openChild("."), path, name, owner });
    }
    const isGone = await removals.remove({
      open: () => directory.openChild(name),
      path: `${path}/${name}`,
      name: INSIDE,
      owner: Number(owner),
    });
    return isGone && directory.removeDirectory(name);
  }));
  return areGone.every(Boolean);
}
