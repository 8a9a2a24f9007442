/**
 * Measures jobs per second, `true`, 20 at once, submitted by 20 clients, where jobs are confined.
 *
 * Against the same filed without --sandbox.
 *
 * The limit: what the kernel takes to make a confinement for each job, and to ask it at each file that is opened.
 */
import { type Daemon, type Rig } from "../rig.ts";
import { compare, type Row } from "../row.ts";

const AT_ONCE = 20;

export async function* sandbox(rig: Rig): AsyncGenerator<Row> {
  await using confined = await rig.start({ args: ["--sandbox"] });
  await using plain = await rig.start();
  const count = rig.size(600, 200);
  const rate = async ({ mount }: Daemon, round: number) =>
    count / await rig.clientMs("finish", mount, `round${round}`, count, AT_ONCE) * 1_000;
  const pairs = await rig.alternate((round) => rate(confined, round), (round) => rate(plain, round));
  yield compare("jobs through the queue, confined", "/s", "not confined", pairs, { atLeast: 0.95 });
}
