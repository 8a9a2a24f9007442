/**
 * Jobs that wait for others, under kill -9 at random moments: what is submitted runs, and nothing starts before its
 * parents are complete. Of what a job waits for in vain nothing ever starts.
 */
import assert from "node:assert/strict";
import { exists, Filed, ok, Place, until } from "../harness.ts";
import { Random } from "./random.ts";

const JOBS = 80;
const KILLS = 8;
const STATES = ["pending", "active", "complete", "failed"] as const;
const CONFIG = { max_attempts: 100, backoff_base: 0, max_job_count: 8 };

interface Job {
  id: string;
  parents: string[];
}

Deno.test(`no job starts before its parents are complete, though filed is killed ${KILLS} times`, async () => {
  const seed = Date.now() % 1_000_000;
  const random = new Random(seed);
  await using place = await Place.make();
  const journal = `${place.path}/journal`;
  await Deno.writeTextFile(journal, "");
  const jobs = Array.from({ length: JOBS }, (_, index): Job => ({
    id: `job-${index}`,
    parents: Array.from({ length: Math.min(index, random.below(4)) }, () => `job-${random.below(index)}`),
  }));
  const removed = new Set<string>();
  let next = 0;
  for (let life = 0; life <= KILLS; life++) {
    await using filed = await Filed.start(place, { config: CONFIG });
    const last = life === KILLS ? JOBS : Math.min(JOBS, next + random.between(1, 2 * JOBS / KILLS));
    const dying = life < KILLS ? killed(filed, random.below(250)) : undefined;
    try {
      while (next < last) {
        await submit(filed, jobs[next] as Job, journal, random);
        next++;
        if (random.chance(0.05)) await remove(filed, jobs[random.below(next)] as Job, removed);
      }
      if (!dying) await submitKept(filed, removed);
      if (!dying) await ended(filed);
    } catch (error) {
      if (!dying) throw error; // It was killed meanwhile.
    }
    await dying;
    if (!dying) await inspect(filed, jobs, journal, removed, `SEED=${seed}`);
  }
});

async function killed(filed: Filed, ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
  await filed.stop("SIGKILL");
}

/** Writes a job that is not there yet. One that a crash found written and not closed is written anew. */
async function submit(filed: Filed, { id, parents }: Job, journal: string, random: Random): Promise<void> {
  const header = parents.length > 0 ? `#filed after=${parents.join(",")}\n` : "";
  const fate = random.chance(0.3) ? "[ $FILED_ATTEMPT -gt 1 ] || exit 1\n" : "";
  const command = `echo start ${id} >> ${journal}\n${fate}echo end ${id} >> ${journal}\n`;
  try {
    await Deno.writeTextFile(`${filed.mount}/pending/${id}`, header + command);
  } catch (error) {
    const isRunning = error instanceof Deno.errors.AlreadyExists || /os error 116/.test(String(error));
    const isOrphan = error instanceof Deno.errors.NotFound && await exists(`${filed.mount}/config.json`);
    if (!isRunning && !isOrphan) throw error; // Else it has started, or what it waits for was removed.
  }
}

/** @param removed Those that are, or may be: a kill can come between. */
async function remove(filed: Filed, { id }: Job, removed: Set<string>): Promise<void> {
  const mayBe = removed.has(id);
  removed.add(id);
  try {
    await Deno.remove(`${filed.mount}/pending/${id}`);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    if (!mayBe) removed.delete(id);
  }
}

/**
 * What a crash found written and not closed waits for a word; the runtime says nothing of a close that fails. An empty
 * file is of one that was refused, when the crash came before it was gone.
 */
async function submitKept(filed: Filed, removed: Set<string>): Promise<void> {
  for (const id of await filed.list("pending")) {
    const path = `${filed.mount}/pending/${id}`;
    try {
      if ((await Deno.stat(path)).size === 0) throw new Deno.errors.NotFound(id);
      await Deno.utime(path, new Date(), new Date());
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      await remove(filed, { id, parents: [] }, removed); // What it waits for is gone, or it runs by now.
    }
  }
}

/** Waits until nothing runs or waits any more. */
async function ended(filed: Filed): Promise<void> {
  try {
    await until("all jobs to end", async () => {
      // Twice: one that fails goes back to pending/, once.
      for (const state of ["pending", "active", "pending", "active"]) {
        if ((await filed.list(state)).length > 0) return false;
      }
      return true;
    });
  } catch (error) {
    const left = await ok(
      filed.sh("cd $M && ls -l --full-time pending active && head -n 1 pending/* active/*"),
    );
    throw new Error(left, { cause: error });
  }
}

async function inspect(filed: Filed, jobs: Job[], journal: string, removed: Set<string>, seed: string) {
  const stateOf = new Map<string, string>();
  for (const state of STATES) for (const id of await filed.list(state)) stateOf.set(id, state);
  const lines = (await Deno.readTextFile(journal)).trim().split("\n");
  for (const { id, parents } of jobs) {
    const start = lines.indexOf(`start ${id}`);
    const isDone = parents.map((parent) => {
      const end = lines.indexOf(`end ${parent}`);
      return end >= 0 && end < start;
    });
    if (start >= 0) assert.ok(isDone.every((is) => is), `${id} started before ${parents}; ${seed}`);
    const state = stateOf.get(id);
    if (state === "failed") {
      assert.match(
        await Deno.readTextFile(`${filed.mount}/failed/${id}`),
        /not run: after=job-\d+, which (was removed|did not run)\n$/,
      );
      assert.equal(start, -1, `${id} has run; ${seed}`);
    } else if (state === undefined) {
      // It was removed, or refused: what it waits for was not there.
      const isLost = removed.has(id) || parents.some((parent) => stateOf.get(parent) === undefined);
      assert.ok(isLost, `${id} is gone; ${seed}`);
    } else assert.equal(state, "complete", `${id}; ${seed}`);
  }
}
