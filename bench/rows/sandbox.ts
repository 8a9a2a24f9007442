/**
 * Measures jobs per second, `true`, where jobs are confined: 20 at once, submitted by 20 clients, and one after another.
 *
 * Against the same filed without --sandbox.
 *
 * The limit: what the kernel takes to make a confinement for each job, and to ask it at each file that is opened.
 */
import { type Daemon, type Rig } from "../rig.ts";
import { compare, type Row } from "../row.ts";

export async function* sandbox(rig: Rig): AsyncGenerator<Row> {
  await using confined = await rig.start({ args: ["--sandbox"] });
  await using plain = await rig.start();
  for (const [what, clients] of [["jobs through the queue", 20], ["jobs one after another", 1]] as const) {
    const count = rig.size(250, 100);
    const rate = async ({ mount }: Daemon, round: number) => {
      const name = `${clients}-round${round}`;
      return count / await rig.clientMs("finish", mount, name, count, clients) * 1_000;
    };
    // A few in a hundred are to be seen: short rounds, of one moment, and many of them.
    const pairs = await rig.alternate(
      (round) => rate(confined, round),
      (round) => rate(plain, round),
      rig.size(25, 5),
    );
    yield compare(`${what}, confined`, "/s", "not confined", pairs, { atLeast: 0.95 });
  }
}
