/**
 * Measures a lookup and its attributes: stat(2) of one job, again and again.
 *
 * Against bindfs over the disk, its timeouts 0, so that each call asks the server too, as it must where jobs come and
 * go by themselves.
 *
 * The limit: one round trip to the server, two if it answers a lookup with attributes that are stale at once; and what
 * the server does to find the job.
 */
import type { Rig } from "../rig.ts";
import { compare, type Row } from "../row.ts";

export async function* stat(rig: Rig): AsyncGenerator<Row> {
  await using filed = await rig.start({ config: { max_job_count: 0 } });
  await using bindfs = await rig.bindfs(["-o", "attr_timeout=0,entry_timeout=0"]);
  await Deno.writeTextFile(`${filed.mount}/pending/job`, "true");
  await Deno.writeTextFile(`${bindfs.mount}/job`, "true");
  const count = rig.size(5_000, 2_000);
  const pairs = await rig.alternate(
    async () => await rig.clientMs("stat", `${filed.mount}/pending/job`, count) / count * 1_000,
    async () => await rig.clientMs("stat", `${bindfs.mount}/job`, count) / count * 1_000,
  );
  yield compare("stat of a job", "us", "bindfs, no timeouts", pairs, { atMost: 0.4 });
}
