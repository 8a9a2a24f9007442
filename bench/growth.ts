/**
 * How cost grows with the jobs in the state file: what one operation takes at 1,000 to 1,000,000 of them.
 *
 * Measured: a submission, a job from the queue to complete/ (where all of them wait), a listing (for each name), a
 * removal, and a start. The sizes are measured by turns, so that what else the machine does meets all of them.
 *
 * Target: at the most jobs at most twice what it takes at the fewest.
 */
import { spreadOf } from "./pairs.ts";
import { plot } from "./plot.ts";
import { type Rig, timeMs } from "./rig.ts";
import { alignedTable, format } from "./row.ts";

const SIZES = [1_000, 10_000, 100_000, 1_000_000];
const AT_MOST = 2;
/** Operations in one measurement; the smallest state has as many jobs. */
const COUNT = 200;

const OPERATIONS = {
  submit: "submit",
  run: "claim and run",
  list: "list, per name",
  remove: "remove",
  start: "start",
} as const;
type Operation = keyof typeof OPERATIONS;

export interface Growth {
  table: string;
  svg: string;
}

/** Microseconds for one operation, by how many jobs there are. */
type Costs = Record<Operation, number[]>;

export async function growth(rig: Rig): Promise<Growth> {
  const sizes = rig.isQuick ? SIZES.slice(0, 3) : SIZES;
  const costs = new Map(sizes.map((size) => [size, noCosts()]));
  for (let round = 0; round < rig.size(3, 1); round++) {
    for (const [size, found] of costs) await measure(rig, size, found);
  }
  const median = (size: number, operation: Operation) => spreadOf(costs.get(size)?.[operation] ?? []).median;
  const operations = Object.keys(OPERATIONS) as Operation[];
  const [fewest = 0, most = 0] = [sizes.at(0), sizes.at(-1)];
  const head = ["us", ...sizes.map((size) => size.toLocaleString("en")), "last / first", "target", ""];
  const table = alignedTable(
    head,
    operations.map((operation) => {
      const ratio = median(most, operation) / median(fewest, operation);
      const figures = sizes.map((size) => format(median(size, operation)));
      const verdict = ratio <= AT_MOST ? "met" : "missed";
      return [OPERATIONS[operation], ...figures, `${format(ratio)} x`, `at most ${AT_MOST} x`, verdict];
    }),
  );
  const lines = operations.map((operation) => ({
    name: OPERATIONS[operation],
    points: sizes.map((size) => [size, median(size, operation)] as const),
  }));
  const svg = plot("What one operation takes", "jobs in the state file", "microseconds", lines);
  return { table, svg };
}

function noCosts(): Costs {
  return { submit: [], run: [], list: [], remove: [], start: [] };
}

async function measure(rig: Rig, size: number, costs: Costs): Promise<void> {
  await using ended = await rig.startOn("complete", size);
  const complete = `${ended.mount}/complete`;
  costs.start.push(ended.startMs * 1_000);
  const perOne = async (...args: (string | number)[]) => await rig.clientMs(...args) / COUNT * 1_000;
  costs.submit.push(await perOne("create", `${ended.mount}/pending`, "new", COUNT, 1));
  costs.list.push(await timeMs(["sh", "-c", 'ls "$1" >/dev/null', "sh", complete]) / size * 1_000);
  costs.remove.push(await perOne("remove", complete, "job", COUNT));
  await using waiting = await rig.startOn("pending", size);
  costs.run.push(await rig.clientMs("drain", waiting.mount, "job", COUNT) / COUNT * 1_000);
}
