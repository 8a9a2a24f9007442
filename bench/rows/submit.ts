/**
 * Measures what a durable submission takes: create, write and close a file, from one client and from 20 at
 * once. The queue is paused, so that nothing runs. The first 1,000 of a new daemon, whose code is cold, are a
 * row of their own.
 *
 * Against bindfs, a pass-through file system in C on libfuse, over a directory of the disk that holds the
 * state, with an fsync before the close, since filed's close promises as much; and with two, as filed has the
 * job on disk once the first write returns, and again once close does. Beside it the floor: the same promises
 * in C, see floor.c.
 *
 * The limit: all pay for the kernel's round trips to a FUSE server, and for the commits of the disk, which 20
 * clients can share. A file system in C spends next to nothing on its own.
 */
import type { Rig } from "../rig.ts";
import { besideFloor, compare, type Row } from "../row.ts";

const AT_ONCE = 20;
const COLD = 1_000;

export async function* submit(rig: Rig): AsyncGenerator<Row> {
  await using filed = await rig.start({ config: { max_job_count: 0 } });
  await using bindfs = await rig.bindfs();
  await using floor = await rig.floor();
  const create = (directory: string, name: string, { count, clients, syncs = 0, first = count }: Files) => {
    return async (round: number) => {
      const files = round < 0 ? first : count;
      const ms = await rig.clientMs("create", directory, `${name}${clients}x${round}`, files, clients, syncs);
      return ms / files * 1_000;
    };
  };
  const toFloor = (files: Files) =>
    floor ? create(`${floor.mount}/pending`, "job", files) : () => Promise.resolve(NaN);

  const few = { count: rig.size(300, 100), clients: 1 };
  const { first, rounds: alone } = await rig.alternateAll({
    filed: create(`${filed.mount}/pending`, "job", { ...few, first: COLD }),
    bindfs: create(bindfs.mount, "once", { ...few, syncs: 1 }),
    bindfs2: create(bindfs.mount, "twice", { ...few, syncs: 2 }),
    floor: toFloor(few),
  });
  const what = "submit, 1 client";
  const twice = { filed: alone.filed, reference: alone.bindfs2 };
  const row = compare(what, "us", "bindfs, 2 fsyncs", twice, { atMost: 0.7 });
  yield besideFloor(row, "us", alone.filed, alone.floor);
  const once = { filed: alone.filed, reference: alone.bindfs };
  yield compare(what, "us", "bindfs, 1 fsync", once, { atMost: 1.2 });
  const firsts = { filed: [first.filed], reference: [first.bindfs2] };
  yield compare(
    `${what}, a new daemon's first ${COLD.toLocaleString("en")}`,
    "us",
    "bindfs, 2 fsyncs",
    firsts,
  );

  const many = { count: rig.size(1_000, 300), clients: AT_ONCE };
  const { rounds: crowd } = await rig.alternateAll({
    filed: create(`${filed.mount}/pending`, "job", many),
    bindfs: create(bindfs.mount, "once", { ...many, syncs: 1 }),
    floor: toFloor(many),
  });
  const rates = (us: readonly number[]) => us.map((us) => 1e6 / us);
  const pairs = { filed: rates(crowd.filed), reference: rates(crowd.bindfs) };
  const target = { atLeast: 1.3, later: 2 };
  const crowded = compare(`submit, ${AT_ONCE} clients`, "/s", "bindfs, 1 fsync", pairs, target);
  yield besideFloor(crowded, "/s", pairs.filed, rates(crowd.floor));
}

interface Files {
  /** In a round. */
  count: number;
  /** In the round that does not count. */
  first?: number;
  clients: number;
  /** How often each is synced, beside what the server does by itself. */
  syncs?: number;
}
