/**
 * Measures jobs per second, from the first submission to the last job in complete/: `true`, submitted by 20
 * clients and run 20 at once. The first 1,000 of a new daemon, whose code is cold, are a row of their own.
 *
 * Against xargs, which starts as many shells as often, 20 at once, and keeps nothing. Beside it the floor:
 * filed's promises in C, see floor.c.
 *
 * The limit: how fast this machine makes processes. All that a queue adds is overhead.
 */
import { type Rig, timeMs } from "../rig.ts";
import { besideFloor, compare, type Row } from "../row.ts";

const AT_ONCE = 20;

export async function* throughput(rig: Rig): AsyncGenerator<Row> {
  await using filed = await rig.start({ config: { max_job_count: AT_ONCE } });
  await using floor = await rig.floor();
  const count = rig.size(1_000, 300);
  const xargs = ["sh", "-c", `seq ${count} | xargs -P ${AT_ONCE} -I{} sh -c true`];
  const finish = (mount: string) => async (round: number) =>
    count / await rig.clientMs("finish", mount, `round${round}`, count, AT_ONCE) * 1_000;
  const { first, rounds } = await rig.alternateAll<"filed" | "xargs" | "floor">({
    filed: finish(filed.mount),
    xargs: async () => count / await timeMs(xargs) * 1_000,
    floor: floor ? finish(floor.mount) : () => Promise.resolve(NaN),
  });
  const what = "jobs through the queue";
  const pairs = { filed: rounds.filed, reference: rounds.xargs };
  const row = compare(what, "/s", "xargs -P 20", pairs, { atLeast: 0.8 });
  yield besideFloor(row, "/s", rounds.filed, rounds.floor);
  const cold = { filed: [first.filed], reference: [first.xargs] };
  yield compare(`${what}, a new daemon's first ${count.toLocaleString("en")}`, "/s", "xargs -P 20", cold);
}
