/**
 * Measures the time from exec to a mount that answers, with 1,000,000 jobs in the state file; and the memory of the
 * daemon, at rest and after a listing of all of them.
 *
 * Against the start with an empty state file. The memory stands for itself.
 *
 * The limit: the runtime's own start, and its own memory. Nothing in a start may depend on how many jobs there are.
 */
import { type Daemon, type Rig, run } from "../rig.ts";
import { compare, measured, type Row } from "../row.ts";

const FULL = 1_000_000;
const QUICK = 100_000;

export async function* start(rig: Rig): AsyncGenerator<Row> {
  const count = rig.size(FULL, QUICK);
  const of = `${count.toLocaleString("en")} jobs`;
  const [large, empty] = [await rig.states.copy("complete", count), rig.path("state.db")];
  const startMs = async (state: string) => {
    await using filed = await rig.start({ state });
    return filed.startMs;
  };
  const pairs = await rig.alternate(() => startMs(large), () => startMs(empty), rig.size(9, 3));
  yield compare(`start with ${of}`, "ms", "with none", pairs, { atMost: 1.2 });

  yield measured("memory at rest", "MB", [await residentMb(rig.resting)], { atMost: 60 });
  await using listed = await rig.start({ state: large });
  await run(["sh", "-c", 'ls "$1" >/dev/null', "sh", `${listed.mount}/complete`]);
  yield measured(`memory after a listing of ${of}`, "MB", [await residentMb(listed)], { atMost: 120 });
}

/** All that is resident, the runtime's file included. */
async function residentMb({ pid }: Daemon): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) * 1_024 / 1e6;
}
