/**
 * Measures how soon a job starts, from its close() to its first instruction, where very many jobs that others
 * still have open for writing are before it in the queue.
 *
 * Against the same with an empty queue, in another daemon, by turns.
 *
 * The limit: none. What is held is no part of the search for what can start.
 */
import { quantile } from "../pairs.ts";
import { type Daemon, type Rig, run } from "../rig.ts";
import { compare, type Row } from "../row.ts";

/** Root may have as many files open as it likes, others 4,096 of filed's. */
const HELD = Deno.uid() === 0 ? 15_000 : 4_000;
const STARTS = 50;

export async function* held(rig: Rig): AsyncGenerator<Row> {
  await using behind = await rig.start();
  await using empty = await rig.start();
  const count = rig.size(HELD, 2_000);
  await using _held = await hold(rig, behind, count);
  const fifo = rig.path("fifo");
  await run(["mkfifo", fifo]);
  const medianUs = async ({ mount }: Daemon) =>
    quantile((await rig.latencies(mount, fifo, STARTS)).closing, 0.5);
  const pairs = await rig.alternate(() => medianUs(behind), () => medianUs(empty));
  yield compare(`a start behind ${count.toLocaleString("en")} held jobs`, "us", "none held", pairs, {
    atMost: 1.2,
  });
}

/** Keeps jobs of a daemon open, until it is disposed of. */
async function hold(rig: Rig, { mount }: Daemon, count: number): Promise<AsyncDisposable> {
  const client = new Deno.Command(`${rig.folder}/client`, {
    args: ["hold", mount, "held", String(count)],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const reader = client.stdout.getReader();
  const { done } = await reader.read();
  if (done) throw new Error("the client could not hold so many jobs");
  return {
    async [Symbol.asyncDispose]() {
      await client.stdin.close();
      await reader.cancel();
      await client.status;
    },
  };
}
