/**
 * Measures jobs per second, `true`, from the first submission to the end of the last, where 1,000 or 4,000 of
 * them are queued first, by a loop of the shell, and then let go, 20 at once; and what of the processors
 * filed takes for each from when they are let go. The first 1,000 of a new daemon, whose code is cold, are a
 * row of their own.
 *
 * Against the fastest of the other queues that are installed: nq, which runs one job at a time (1,000 only:
 * it takes minutes for 4,000), task-spooler with 20 slots (which holds 900 jobs, and gets the others once it
 * is let go), and the original filed. None of them is durable. In brackets: the rate from when they are let
 * go.
 *
 * The limit is that of `xargs`, see throughput.ts; what sets queues apart is how their cost grows with what
 * waits.
 */
import { spreadOf } from "../pairs.ts";
import { findPeers, type HeldQueue, openFiled } from "../peers.ts";
import type { Rig } from "../rig.ts";
import { compare, format, measured, type Row } from "../row.ts";

const CASES = [[1_000, 1.5], [4_000, 1.3]] as const;
const QUICK_CASES = [[300, 1.5]] as const;
/** Of filed's threads, for each job that is drained, us. */
const CPU_US = 450;

export async function* queued(rig: Rig): AsyncGenerator<Row> {
  const peers = await findPeers();
  await using filed = await openFiled(rig);
  const [coldCount] = rig.isQuick ? QUICK_CASES[0] : CASES[0];
  const cold = await ratesOf(filed, coldCount);
  const cpuUs: number[] = [];
  for (const [count, atLeast] of rig.isQuick ? QUICK_CASES : CASES) {
    const rounds = rig.isQuick || count > 1_000 ? 1 : 2;
    const able = peers.filter(({ most }) => count <= most);
    const ours: Rates[] = [];
    const theirs = new Map(able.map(({ name }) => [name, [] as Rates[]]));
    for (let round = 0; round < rounds; round++) {
      const found = await ratesOf(filed, count, () => filed.daemon.cpuMs());
      ours.push(found);
      cpuUs.push(found.cpuMs / count * 1_000);
      for (const { name, open } of able) {
        await using queue = await open(rig);
        theirs.get(name)?.push(await ratesOf(queue, count));
      }
    }
    const others = [...theirs];
    const best = others.toSorted(([, a], [, b]) => median(b, "overall") - median(a, "overall"))[0];
    if (!best) continue;
    const pairs = {
      filed: ours.map(({ overall }) => overall),
      reference: best[1].map(({ overall }) => overall),
    };
    yield {
      ...compare(`jobs from a queue of ${count}`, "/s", best[0], pairs, { atLeast }),
      filed: print(ours),
      reference: others.map(([name, values]) => `${name}: ${print(values)}`).join(", "),
    };
  }
  const what = `jobs from a queue, a new daemon's first ${coldCount.toLocaleString("en")}`;
  yield { ...measured(what, "/s", [cold.overall]), filed: print([cold]) };
  yield measured("CPU of filed for each drained job", "us", cpuUs, { atMost: CPU_US });
}

interface Rates {
  overall: number;
  /** From when they are let go. */
  running: number;
  /** What the queue took of the processors from then on. */
  cpuMs: number;
}

async function ratesOf(
  queue: HeldQueue,
  count: number,
  cpuMs: () => Promise<number> = () => Promise.resolve(NaN),
): Promise<Rates> {
  const fillMs = await queue.fill(count);
  const before = await cpuMs();
  const drainMs = await queue.drain();
  return {
    overall: count / (fillMs + drainMs) * 1_000,
    running: count / drainMs * 1_000,
    cpuMs: await cpuMs() - before,
  };
}

function median(rates: readonly Rates[], which: keyof Rates): number {
  return spreadOf(rates.map((one) => one[which])).median;
}

function print(rates: readonly Rates[]): string {
  return `${format(median(rates, "overall"))} /s (${format(median(rates, "running"))})`;
}
