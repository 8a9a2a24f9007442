/**
 * Measures a submission from a loop of the shell: `printf true > pending/x`, on disk once it returns. The
 * queue is paused. The first 1,000 of a new daemon, whose code is cold, are a row of their own.
 *
 * Against `nq true` and `tsp -n true` in the same loop, behind a job that holds theirs back; neither is on
 * disk. Beside them the floor: filed's promises in C, see floor.c.
 *
 * The limit: they start a program for each, filed starts none; it waits for the disk instead.
 */
import { spreadOf } from "../pairs.ts";
import { findPeers, type HeldQueue, openFiled, openFloor } from "../peers.ts";
import type { Rig } from "../rig.ts";
import { besideFloor, compare, format, measured, type Row } from "../row.ts";

const COLD = 1_000;

export async function* shell(rig: Rig): AsyncGenerator<Row> {
  const peers = await findPeers();
  await using filed = await openFiled(rig);
  await using floor = await openFloor(rig);
  const coldMs = await fill(filed, COLD);
  const count = rig.size(200, 50);
  const { rounds } = await rig.alternateAll(
    {
      filed: () => fill(filed, count),
      floor: () => floor ? fill(floor, count) : Promise.resolve(NaN),
      ...Object.fromEntries(peers.map(({ name, open }) => [name, async () => {
        await using queue = await open(rig);
        return await fill(queue, count);
      }])),
    },
    rig.size(5, 2),
  );
  const { filed: ours, floor: least, ...others } = rounds as Record<string, number[]> & typeof rounds;
  const median = (values: readonly number[]) => spreadOf(values).median;
  const what = "submit from a shell loop";
  const [fastest] = Object.entries(others).toSorted(([, a], [, b]) => median(a) - median(b));
  if (fastest) {
    const pairs = { filed: ours, reference: fastest[1] };
    const row = compare(what, "ms", fastest[0], pairs, { atMost: 1, later: 0.5 });
    const reference = Object.entries(others).map(([name, values]) => `${name}: ${format(median(values))} ms`);
    yield besideFloor({ ...row, reference: reference.join(", ") }, "ms", ours, least);
  }
  yield measured(`${what}, a new daemon's first ${COLD.toLocaleString("en")}`, "ms", [coldMs]);
}

/** @returns How long each took, ms. */
async function fill(queue: HeldQueue, count: number): Promise<number> {
  const ms = await queue.fill(count);
  await queue.drain();
  return ms / count;
}
