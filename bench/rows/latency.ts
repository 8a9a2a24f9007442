/**
 * Measures how soon a job starts while nothing else does: from the close() that submits it to its first instruction,
 * which writes to a FIFO. Before each there is a pause, so that the daemon sleeps.
 *
 * Against posix_spawn(3) of the same shell with the same command, from a C program that is there already.
 *
 * The limit: a spawn, and before it a wake-up of the daemon, the claim in the state file, and a message to the thread
 * that starts jobs.
 */
import { quantile } from "../pairs.ts";
import { type Rig, run } from "../rig.ts";
import { compare, type Row } from "../row.ts";

export async function* latency(rig: Rig): AsyncGenerator<Row> {
  await using filed = await rig.start();
  const fifo = rig.path("fifo");
  await run(["mkfifo", fifo]);
  const times = await rig.client("latency", filed.mount, fifo, rig.size(400, 100));
  const sorted = (isOurs: boolean) =>
    times.filter((_, i) => i % 2 === 0 === isOurs).map((ms) => ms * 1_000).sort((a, b) => a - b);
  const [ours, theirs] = [sorted(true), sorted(false)];
  for (const [name, share, atMost] of [["median", 0.5, 2], ["p99", 0.99, 5]] as const) {
    const pairs = { filed: [quantile(ours, share)], reference: [quantile(theirs, share)] };
    yield compare(`close() to the first instruction, ${name}`, "us", "posix_spawn", pairs, { atMost });
  }
}
