/**
 * Measures a submission from a loop of the shell: `printf true > pending/x`, on disk once it returns. The queue is
 * paused.
 *
 * Against `nq true` and `tsp -n true` in the same loop, behind a job that holds theirs back; neither is on disk.
 *
 * The limit: they start a program for each, filed starts none; it waits for the disk instead.
 */
import { type Pairs, spreadOf } from "../pairs.ts";
import { findPeers, openFiled } from "../peers.ts";
import type { Rig } from "../rig.ts";
import { compare, format, type Row } from "../row.ts";

export async function* shell(rig: Rig): AsyncGenerator<Row> {
  const count = rig.size(200, 50);
  const all: [string, Pairs][] = [];
  for (const peer of await findPeers()) {
    const pairs = await rig.alternate(
      async () => await fill(await openFiled(rig)),
      async () => await fill(await peer.open(rig)),
      rig.size(5, 2),
    );
    all.push([peer.name, pairs]);
  }
  async function fill(opened: Awaited<ReturnType<typeof openFiled>>): Promise<number> {
    await using queue = opened;
    const ms = await queue.fill(count);
    await queue.drain();
    return ms / count;
  }
  const median = ([, { reference }]: [string, Pairs]) => spreadOf(reference).median;
  const fastest = all.toSorted((a, b) => median(a) - median(b))[0];
  if (!fastest) return;
  yield {
    ...compare("submit from a shell loop", "ms", fastest[0], fastest[1], { atMost: 0.5 }),
    reference: all.map((one) => `${one[0]}: ${format(median(one))} ms`).join(", "),
  };
}
