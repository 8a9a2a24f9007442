/**
 * Measures jobs per second, from the first submission to the last job in complete/: `true`, submitted by 20 clients and
 * run 20 at once.
 *
 * Against xargs, which starts as many shells as often, 20 at once, and keeps nothing.
 *
 * The limit: how fast this machine makes processes. All that a queue adds is overhead.
 */
import { type Rig, timeMs } from "../rig.ts";
import { compare, type Row } from "../row.ts";

const AT_ONCE = 20;

export async function* throughput(rig: Rig): AsyncGenerator<Row> {
  await using filed = await rig.start({ config: { max_job_count: AT_ONCE } });
  const count = rig.size(1_000, 300);
  const xargs = ["sh", "-c", `seq ${count} | xargs -P ${AT_ONCE} -I{} sh -c true`];
  const pairs = await rig.alternate(
    async (round) =>
      count / await rig.clientMs("finish", filed.mount, `round${round}`, count, AT_ONCE) * 1_000,
    async () => count / await timeMs(xargs) * 1_000,
  );
  yield compare("jobs through the queue", "/s", "xargs -P 20", pairs, { atLeast: 0.8 });
}
