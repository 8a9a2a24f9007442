import assert from "node:assert/strict";

/** A number of /proc/PID/status, proc_pid_status(5): a count, or KiB. */
export async function statusField(path: string, field: string): Promise<number> {
  const text = await Deno.readTextFile(path);
  return Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(text)?.[1]);
}

/** The most memory that a process has had, bytes. */
export async function peakBytes(pid: number): Promise<number> {
  return await statusField(`/proc/${pid}/status`, "VmHWM") * 1_024;
}

/** The memory that a process has, bytes. */
export async function residentBytes(pid: number): Promise<number> {
  return await statusField(`/proc/${pid}/status`, "VmRSS") * 1_024;
}

const IDLE_MS = 3_000;
/** What the runtime's own threads may do in that time. */
const FEW_WAKES = 3;

/**
 * What a daemon and its engine still have to do once, on a busy machine for a while, is over at some time; a timer that goes on would
 * be seen each time.
 */
export async function assertAsleep(pid: number): Promise<void> {
  const pass = () => new Promise((resolve) => setTimeout(resolve, IDLE_MS)); // Time is what this is about.
  const wakes: number[] = [];
  do wakes.push(await wakeUps(pid, pass)); while (wakes.at(-1)! > FEW_WAKES && wakes.length < 5);
  assert.ok(wakes.at(-1)! <= FEW_WAKES, `${wakes} wakes, each time in ${IDLE_MS} ms`);
}

/** How often threads of a process wake up for as long as something takes. */
export async function wakeUps(pid: number, during: () => Promise<unknown>): Promise<number> {
  const before = await sleeps(pid);
  await during();
  const after = await sleeps(pid);
  const woken = [...after].map(([thread, count]) => count - (before.get(thread) ?? 0));
  const gone = [...before.keys()].filter((thread) => !after.has(thread)); // Each has woken up to end.
  return woken.reduce((sum, count) => sum + count, gone.length);
}

/** How often each thread of a process has gone to sleep and, so, was woken; by its number. */
async function sleeps(pid: number): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for await (const { name } of Deno.readDir(`/proc/${pid}/task`)) {
    counts.set(name, await statusField(`/proc/${pid}/task/${name}/status`, "voluntary_ctxt_switches"));
  }
  return counts;
}

/**
 * How long there was something to run and no processor for it, since the machine started; 0 where nobody
 * counts.
 * @see https://docs.kernel.org/accounting/psi.html
 */
export async function stalledMs(): Promise<number> {
  const text = await Deno.readTextFile("/proc/pressure/cpu").catch(() => "");
  return Number(/^some .*total=(\d+)/.exec(text)?.[1] ?? 0) / 1_000;
}

/** @returns What `act` took, less what the machine had no time for. */
export async function took(act: () => Promise<unknown>): Promise<number> {
  const [at, stalledBefore] = [performance.now(), await stalledMs()];
  await act();
  return performance.now() - at - (await stalledMs() - stalledBefore);
}
