/**
 * Measures jobs per second, `true`, from the first submission to the end of the last, where 1,000 or 4,000 of them are
 * queued first, by a loop of the shell, and then let go, 20 at once.
 *
 * Against the fastest of the other queues that are installed: nq, which runs one job at a time (1,000 only: it takes
 * minutes for 4,000), task-spooler with 20 slots (which holds 900 jobs, and gets the others once it is let go), and the
 * original filed. None of them is durable. In brackets: the rate from when they are let go.
 *
 * The limit is that of `xargs`, see throughput.ts; what sets queues apart is how their cost grows with what waits.
 */
import { spreadOf } from "../pairs.ts";
import { findPeers, type HeldQueue, openFiled } from "../peers.ts";
import type { Rig } from "../rig.ts";
import { compare, format, type Row } from "../row.ts";

const CASES = [[1_000, 1.5], [4_000, 4]] as const;
const QUICK_CASES = [[300, 1.5]] as const;

export async function* queued(rig: Rig): AsyncGenerator<Row> {
  const peers = await findPeers();
  for (const [count, atLeast] of rig.isQuick ? QUICK_CASES : CASES) {
    const rounds = rig.isQuick || count > 1_000 ? 1 : 2;
    const queues = [{ name: "filed", open: openFiled }, ...peers.filter(({ most }) => count <= most)];
    const rates = new Map(queues.map(({ name }) => [name, [] as Rates[]]));
    for (let round = 0; round < rounds; round++) {
      for (const { name, open } of queues) rates.get(name)?.push(await ratesOf(await open(rig), count));
    }
    const [[, ours] = ["", []], ...others] = [...rates];
    const best = others.toSorted(([, a], [, b]) => median(b, "overall") - median(a, "overall"))[0];
    if (!best) return;
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
}

interface Rates {
  overall: number;
  /** From when they are let go. */
  running: number;
}

async function ratesOf(opened: HeldQueue, count: number): Promise<Rates> {
  await using queue = opened;
  const fillMs = await queue.fill(count);
  const drainMs = await queue.drain();
  return { overall: count / (fillMs + drainMs) * 1_000, running: count / drainMs * 1_000 };
}

function median(rates: readonly Rates[], which: keyof Rates): number {
  return spreadOf(rates.map((one) => one[which])).median;
}

function print(rates: readonly Rates[]): string {
  return `${format(median(rates, "overall"))} /s (${format(median(rates, "running"))})`;
}
