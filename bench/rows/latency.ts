/**
 * Measures how soon a job starts while nothing else does: to its first instruction, which writes to a FIFO,
 * from before the close() that submits it, and from when that has returned, which leaves the disk out. Before
 * each there is a pause, so that the daemon sleeps.
 *
 * Against posix_spawn(3) of the same shell with the same command, from a C program that is there already.
 *
 * The limit: a spawn, and before it a wake-up of the daemon, the claim in the state file, and a message to
 * the thread that starts jobs.
 */
import { quantile } from "../pairs.ts";
import { type Rig, run } from "../rig.ts";
import { compare, type Row } from "../row.ts";

const SHARES = [["median", 0.5, 2], ["p99", 0.99, 5]] as const;

export async function* latency(rig: Rig): AsyncGenerator<Row> {
  await using filed = await rig.start();
  const fifo = rig.path("fifo");
  await run(["mkfifo", fifo]);
  const times = await rig.latencies(filed.mount, fifo, rig.size(400, 100));
  for (const [from, ours] of [["close()", times.closing], ["after close()", times.closed]] as const) {
    for (const [name, share, atMost] of SHARES) {
      const pairs = { filed: [quantile(ours, share)], reference: [quantile(times.spawned, share)] };
      yield compare(`${from} to the first instruction, ${name}`, "us", "posix_spawn", pairs, { atMost });
    }
  }
}
