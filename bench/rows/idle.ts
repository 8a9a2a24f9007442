/**
 * Measures how often the threads of a daemon with an empty queue wake up in 60 seconds.
 *
 * Against nothing: a daemon that waits for the kernel has no reason to. Each time that a thread goes to sleep again is
 * counted, which is a wake-up before, and the end of one. The daemon was started long ago: the runtime tidies up for a minute or so.
 */
import { wakeUps } from "../../tests/proc.ts";
import { pause, type Rig } from "../rig.ts";
import { measured, type Row } from "../row.ts";

/** The runtime ends a thread of its pool that had nothing to do for 10 s, and others' mounts have given it some until now. */
const REST_MS = 15_000;

export async function* idle(rig: Rig): AsyncGenerator<Row> {
  const filed = rig.resting;
  const seconds = rig.size(60, 10);
  await pause(REST_MS);
  const count = await wakeUps(filed.pid, () => pause(seconds * 1_000));
  yield measured(`wake-ups of an idle daemon in ${seconds} s`, "", [count], { atMost: 0 });
}
