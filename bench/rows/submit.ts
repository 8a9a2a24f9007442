/**
 * Measures what a durable submission takes: create, write and close a file, from one client and from 20 at once. The
 * queue is paused, so that nothing runs.
 *
 * Against bindfs, a pass-through file system in C on libfuse, over a directory of the disk that holds the state, with
 * an fsync before the close, since filed's close promises as much.
 *
 * The limit: both pay for the kernel's round trips to a FUSE server, and for one commit of the disk, which 20 clients
 * can share. A file system in C spends next to nothing on its own.
 */
import type { Rig } from "../rig.ts";
import { compare, type Row } from "../row.ts";

const AT_ONCE = 20;

export async function* submit(rig: Rig): AsyncGenerator<Row> {
  await using filed = await rig.start({ config: { max_job_count: 0 } });
  await using bindfs = await rig.bindfs();
  const perFile = (count: number, clients: number) => {
    const create = async (...args: (string | number)[]) =>
      await rig.clientMs("create", ...args) / count * 1_000;
    return rig.alternate(
      (round) => create(`${filed.mount}/pending`, `${clients}x${round}`, count, clients),
      (round) => create(bindfs.mount, `${clients}x${round}`, count, clients, "fsync"),
    );
  };
  yield compare("submit, 1 client", "us", "bindfs", await perFile(rig.size(300, 100), 1), { atMost: 0.6 });
  const { filed: ours, reference } = await perFile(rig.size(2_000, 600), AT_ONCE);
  const perSecond = (us: number) => 1e6 / us;
  const rates = { filed: ours.map(perSecond), reference: reference.map(perSecond) };
  yield compare(`submit, ${AT_ONCE} clients`, "/s", "bindfs", rates, { atLeast: 2 });
}
