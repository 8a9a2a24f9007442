import assert from "node:assert/strict";
import type { Filed } from "../harness.ts";
import { residentBytes, statusField } from "../proc.ts";

/** Whether to flood at full size: it takes minutes. */
const isFull = Deno.env.get("FILED_FLOODS") === "full";

/** How many of something: few in every run of the tests, all on demand (FILED_FLOODS=full). */
export function many(few: number, all: number): number {
  return isFull ? all : few;
}

/** The longest that a listing may take meanwhile, on a busy machine. */
const RESPONSIVE_MS = 5_000;
/** How much more memory a daemon may keep than before: its engine takes some 230 MB before it stops growing. */
const GROWTH_BYTES = 300 * 1_024 * 1_024;

/** Of the rest: the runtime keeps threads for a while, and a listing of ours may be open. A leak is in the thousands. */
const ALLOWANCE = { descriptors: 2, threads: 32, children: 0 };

/** What a daemon has of the kernel's. */
export interface Holdings {
  descriptors: number;
  threads: number;
  children: number;
  residentBytes: number;
}

/** The same once a first job has run, with all that the daemon opens for jobs. */
export async function firstHoldingsOf(filed: Filed): Promise<Holdings> {
  await filed.configure({ max_job_count: 1 });
  await filed.finish("warm-up", "true");
  await Deno.remove(`${filed.mount}/complete/warm-up`);
  return await holdingsOf(filed);
}

export async function holdingsOf({ pid }: Filed): Promise<Holdings> {
  let descriptors = 0;
  for await (const { name } of Deno.readDir(`/proc/${pid}/fd`)) {
    const path = await Deno.readLink(`/proc/${pid}/fd/${name}`).catch(() => ""); // It is closed by now.
    if (path !== "") descriptors++;
  }
  return {
    descriptors,
    threads: await statusField(`/proc/${pid}/status`, "Threads"),
    children: await childrenOf(pid),
    residentBytes: await residentBytes(pid),
  };
}

async function childrenOf(pid: number): Promise<number> {
  let children = 0;
  for await (const { name } of Deno.readDir(`/proc/${pid}/task`)) {
    const text = await Deno.readTextFile(`/proc/${pid}/task/${name}/children`).catch(() => ""); // It has ended.
    children += text.split(" ").length - 1;
  }
  return children;
}

/** What is left that was not there before, in words; nothing if all is well. */
export function leaks(before: Holdings, after: Holdings): string[] {
  const counts = (["descriptors", "threads", "children"] as const).flatMap((what) =>
    after[what] > before[what] + ALLOWANCE[what]
      ? [`${what}: ${before[what]} before, ${after[what]} after`]
      : []
  );
  const growth = after.residentBytes - before.residentBytes;
  return growth > GROWTH_BYTES ? [...counts, `memory: ${growth} bytes more`] : counts;
}

/** Lists and looks again and again while something else happens. @throws If one of them takes too long. */
export async function whileLooking(filed: Filed, act: () => Promise<unknown>): Promise<void> {
  let isOver = false;
  let longestMs = 0;
  const look = async () => {
    while (!isOver) {
      const start = performance.now();
      await Promise.all([Deno.stat(`${filed.mount}/config.json`), filed.list("active")]);
      longestMs = Math.max(longestMs, performance.now() - start);
    }
  };
  const looking = look();
  try {
    await act();
  } finally {
    isOver = true;
    await looking;
  }
  assert.ok(longestMs < RESPONSIVE_MS, `a listing took ${longestMs} ms`);
}
