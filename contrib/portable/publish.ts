/** Puts the folder that header.sh has just unpacked, which this runs in, to its place: publish.js PLACE. */
import { isComplete, remove } from "./folders.ts";

const [place] = Deno.args as [string];
const unpacked = import.meta.dirname as string;

try {
  await sync();
  await put();
} catch (error) {
  console.log((error as Error).message);
  Deno.exit(1);
}

/** A power cut must not leave a place with files that are empty. */
async function sync() {
  for await (const { name, isFile } of Deno.readDir(unpacked)) {
    if (!isFile) continue;
    using file = await Deno.open(`${unpacked}/${name}`);
    await file.syncData();
  }
}

/** Another start may have been first; what is there and not whole, or not ours, gives way. */
async function put() {
  for (;;) {
    try {
      return await Deno.rename(unpacked, place);
    } catch (error) {
      if (await isComplete(place, unpacked)) return await remove(unpacked);
      if (!await exists(place)) throw error;
    }
    const old = `${place.slice(0, place.lastIndexOf("/"))}/unpack-${crypto.randomUUID()}`;
    await Deno.rename(place, old);
    await remove(old).catch(() => {}); // Somebody else's, who may keep it.
  }
}

async function exists(path: string): Promise<boolean> {
  return await Deno.lstat(path).then(() => true, () => false);
}
