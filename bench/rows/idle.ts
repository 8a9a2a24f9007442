/**
 * Measures how often the threads of a daemon with an empty queue wake up in 60 seconds.
 *
 * Against nothing: a daemon that waits for the kernel has no reason to. Each time that a thread goes to sleep again is
 * counted, which is a wake-up before. The daemon was started long ago: the runtime tidies up for a minute or so.
 */
import { pause, type Rig } from "../rig.ts";
import { measured, type Row } from "../row.ts";

export async function* idle(rig: Rig): AsyncGenerator<Row> {
  const filed = rig.resting;
  const seconds = rig.size(60, 10);
  const before = await sleeps(filed.pid);
  await pause(seconds * 1_000);
  const wakeUps = await sleeps(filed.pid) - before;
  yield measured(`wake-ups of an idle daemon in ${seconds} s`, "", [wakeUps], { atMost: 0 });
}

async function sleeps(pid: number): Promise<number> {
  let sum = 0;
  for await (const { name } of Deno.readDir(`/proc/${pid}/task`)) {
    const status = await Deno.readTextFile(`/proc/${pid}/task/${name}/status`);
    sum += Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1]);
  }
  return sum;
}
