import type { Directory, EntryName } from "../../sys/directory.ts";
import { ErrnoError } from "../../sys/errno.ts";
import { cString } from "../../sys/libc.ts";
import { delay } from "../waiting.ts";

/** After this much work, other things get a turn. */
const TURN_MS = 2;
/** What runs still may put something there while it is being removed. */
const PASSES = 5;
const PASS_MS = 500;
/** As often in a pass a folder is listed that does not get empty. */
const LISTINGS = 1_000;

let movedCount = 0;

/**
 * Removes a directory with all that a job has made of it: of any depth, with any names, closed by its modes or flags, and while
 * something writes to it still. No symbolic link is followed. Other things go on meanwhile.
 * @param place Where it is; what is deep in it is moved there first, so that no more than two descriptors are needed.
 * @returns Whether it is gone.
 */
export async function removeTree(place: Directory, name: EntryName): Promise<boolean> {
  let rest = [name];
  for (let pass = 1; pass <= PASSES; pass++) {
    rest = await removeAll(place, rest);
    if (rest.length === 0) return true;
    if (pass < PASSES) await delay(PASS_MS);
  }
  return false;
}

/** @returns Those that could not be removed. */
async function removeAll(place: Directory, names: readonly EntryName[]): Promise<EntryName[]> {
  const left: EntryName[] = [];
  const rest = [...names];
  const turns = new Turns();
  for (let name = rest.pop(); name !== undefined; name = rest.pop()) {
    await turns.next();
    if (place.removeDirectory(name)) continue;
    for await (const moved of emptied(place, name, turns)) rest.push(moved);
    if (!place.removeDirectory(name) && exists(place, name)) left.push(name);
  }
  return left;
}

/** Empties a directory, and gives what it moves out of it: its own directories. */
async function* emptied(place: Directory, name: EntryName, turns: Turns): AsyncGenerator<EntryName> {
  using directory = openLoosened(place, name);
  if (!directory) return;
  for (let listing = 0; listing < LISTINGS; listing++) {
    const entries = directory.list();
    let count = 0;
    for (const entry of entries) {
      await turns.next();
      const moved = cString(`moved-${++movedCount}`);
      const take = async () =>
        entry.isDirectory ? directory.move(entry.name, place, moved) : await directory.removeFile(entry.name);
      if (!await take()) {
        directory.loosen(entry.name);
        if (!await take()) continue;
      }
      count++;
      if (entry.isDirectory) yield moved;
    }
    if (count === 0) return;
  }
}

/** Lets other things go on, now and then. */
class Turns {
  #endsAt = performance.now() + TURN_MS;

  async next(): Promise<void> {
    if (performance.now() < this.#endsAt) return;
    await delay(0);
    this.#endsAt = performance.now() + TURN_MS;
  }
}

/** @returns `undefined` if it can't be opened, or is gone. */
function openLoosened(place: Directory, name: EntryName): Directory | undefined {
  place.loosen(name);
  try {
    return place.openChild(name);
  } catch (error) {
    if (error instanceof ErrnoError) return undefined;
    throw error;
  }
}

function exists(place: Directory, name: EntryName): boolean {
  try {
    place.openChild(name)[Symbol.dispose]();
    return true;
  } catch (error) {
    if (error instanceof ErrnoError) return !error.is("ENOENT");
    throw error;
  }
}
