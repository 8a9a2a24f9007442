/**
 * A state file as a power cut could leave it. On disk is all that was acknowledged; of what came later the disk has any
 * part, the last of it torn. So: the file as it is at one moment, with the log as it is at a later one, cut somewhere
 * between the two ends.
 */
import { until } from "../harness.ts";
import type { Random } from "./random.ts";

export interface PowerCut {
  path: string;
  /** Epoch ms: what was acknowledged by then is in the copy, and nothing that was asked for after the second. */
  from: number;
  to: number;
}

/** https://sqlite.org/fileformat.html#the_write_ahead_log: sizes, and where the salts are. */
const WAL = {
  headerBytes: 32,
  frameHeaderBytes: 24,
  pageSize: 8,
  salts: 16,
  frameSalts: 8,
  saltBytes: 8,
} as const;

/**
 * @param pid The daemon, which is stopped while its files are copied.
 * @param goOn Resolves when it is time for the second look.
 */
export async function cutPower(
  pid: number,
  state: string,
  copy: string,
  random: Random,
  goOn: () => Promise<void>,
): Promise<PowerCut> {
  const first = await whileStopped(pid, async () => {
    await Deno.copyFile(state, copy);
    return await Deno.readFile(`${state}-wal`);
  });
  await goOn();
  const second = await whileStopped(pid, () => Deno.readFile(`${state}-wal`));
  const isContinued = first.value.length > 0 && saltsOf(first.value) === saltsOf(second.value);
  // After a checkpoint the log begins anew, and the older file does not go with it.
  const [log, to] = isContinued ? [second.value, second.at] : [first.value, first.at];
  const least = endOf(first.value);
  // The least is what a promise breaks at soonest.
  const end = isContinued && random.chance(0.5) ? random.between(least, endOf(second.value)) : least;
  await Deno.writeFile(`${copy}-wal`, log.subarray(0, end));
  return { path: copy, from: first.at, to };
}

/** @returns What `act` returns, and when all of the process stood still: by then it had answered all it ever did. */
async function whileStopped<T>(pid: number, act: () => Promise<T>): Promise<{ value: T; at: number }> {
  Deno.kill(pid, "SIGSTOP");
  try {
    await until("the daemon to stand still", () => isStopped(pid));
    const at = performance.timeOrigin + performance.now();
    return { value: await act(), at };
  } finally {
    Deno.kill(pid, "SIGCONT");
  }
}

async function isStopped(pid: number): Promise<boolean> {
  for await (const { name } of Deno.readDir(`/proc/${pid}/task`)) {
    // One that has just ended a spawn may be gone by now.
    const stat = await Deno.readTextFile(`/proc/${pid}/task/${name}/stat`).catch(() => "");
    if (!/\) T /.test(stat)) return false;
  }
  return true;
}

function saltsOf(log: Uint8Array): string {
  return log.subarray(WAL.salts, WAL.salts + WAL.saltBytes).toString();
}

/** Where the frames end that belong to the log's beginning; what follows is of an earlier time. */
function endOf(log: Uint8Array): number {
  if (log.length < WAL.headerBytes) return log.length;
  const pageBytes = new DataView(log.buffer, log.byteOffset).getUint32(WAL.pageSize); // big-endian
  const frameBytes = WAL.frameHeaderBytes + pageBytes;
  const salts = saltsOf(log);
  let end: number = WAL.headerBytes;
  const saltsAt = (frame: number) =>
    log.subarray(frame + WAL.frameSalts, frame + WAL.frameSalts + WAL.saltBytes).toString();
  while (end + frameBytes <= log.length && saltsAt(end) === salts) end += frameBytes;
  return end;
}
