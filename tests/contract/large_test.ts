/** A hundred thousand jobs: that all of it works, in bounded memory. */
import assert from "node:assert/strict";
import { Filed, ok, Place, run } from "../harness.ts";
import { peakBytes } from "../proc.ts";
import { SqliteStore } from "../../src/store/sqlite/store.ts";

const JOBS = 100_000;
const AT_ONCE = 10_000;
/** One job in so many is older than a week. */
const OLD = 5;
/** More would only slow down what they pass by. */
const MOST_PASSING = 100;
const MOST_BYTES = 350 * 1_048_576;
/** Twenty thousand removals, beside all else that runs. */
const FIND_LIMIT_MS = 300_000;
const WEEK_MS = 7 * 24 * 3_600_000;

/** The id of a seeded job. */
const idOf = (index: number) => `${index % OLD === 0 ? "old" : "new"}-${index}`;

/** Makes a state file as so many jobs that have ended would leave it. */
async function seed(path: string, count: number): Promise<void> {
  await using store = SqliteStore.open(path);
  const now = Date.now();
  const command = new TextEncoder().encode("true");
  const log = new TextEncoder().encode(">>> true\n");
  const owner = { uid: Deno.uid() ?? 0, gid: Deno.gid() ?? 0, mode: 0o644 };
  for (let start = 0; start < count; start += AT_ONCE) {
    const indices = Array.from({ length: Math.min(AT_ONCE, count - start) }, (_, index) => start + index);
    const jobs = await Promise.all(indices.map((index) => store.create({ ...owner, id: idOf(index) })));
    await Promise.all(jobs.map((job, index) => {
      assert.ok(job);
      const loggedAt = index % OLD === 0 ? now - 2 * WEEK_MS : now;
      const over = { ending: { kind: "exited", status: 0 }, log: "new", bytes: log } as const;
      const content = { is: "closed", bytes: command } as const;
      const ended = { state: "complete", content, turn: "next", attempts: 1, loggedAt, over } as const;
      return store.update(job.number, { state: "pending" }, () => ended, "relaxed");
    }));
  }
}

async function assertBounded(filed: Filed): Promise<void> {
  const bytes = await peakBytes(filed.pid);
  assert.ok(bytes < MOST_BYTES, `${bytes / 1_048_576} MiB`);
}

let passings = 0;

/** Has jobs come and go while work is done. @returns How many did, and what the work gave. */
async function busily<T>(filed: Filed, work: Promise<T>): Promise<{ passed: number; result: T }> {
  let isOver = false;
  let passed = 0;
  const coming = (async () => {
    while (!isOver && passed < MOST_PASSING) {
      await filed.finish(`passing-${passings++}`, "true").then(() => passed++);
    }
  })();
  const [worked, came] = await Promise.allSettled([work.finally(() => isOver = true), coming]);
  for (const outcome of [worked, came]) if (outcome.status === "rejected") throw outcome.reason;
  return { passed, result: await work };
}

Deno.test("100,000 jobs are listed, each once, while jobs come and go, and find -mtime +7 -delete removes the old ones", async () => {
  await using place = await Place.make();
  await seed(`${place.path}/filed.db`, JOBS);
  await using filed = await Filed.start(place);
  const directory = `${filed.mount}/complete`;
  const listed = await busily(filed, ok(run(["ls", "-U", directory])));
  const names = listed.result.split("\n").filter((name) => /^(old|new)-/.test(name));
  assert.deepEqual([names.length, new Set(names).size], [JOBS, JOBS]);

  const { passed } = await busily(
    filed,
    ok(run(["find", directory, "-name", "[on]*", "-mtime", "+7", "-delete"], {}, FIND_LIMIT_MS)),
  );
  const left = await filed.list("complete");
  assert.deepEqual(left.filter((name) => name.startsWith("old")), []);
  assert.equal(left.length, JOBS - JOBS / OLD + listed.passed + passed);
  await assertBounded(filed);
});

Deno.test("rm -r of a directory removes every job that was there, while jobs come and go", async () => {
  await using place = await Place.make();
  await seed(`${place.path}/filed.db`, JOBS / 10);
  await using filed = await Filed.start(place, { config: { max_attempts: 1 } });
  let isOver = false;
  const coming = (async () => {
    for (let job = 0; !isOver && job < MOST_PASSING; job++) {
      await filed.submit(`passing-${job}`, "false");
      await filed.event("attempt ended", { job: `passing-${job}` });
    }
  })();
  const removing = run(["rm", "-r", `${filed.mount}/complete`]).finally(() => isOver = true);
  await Promise.allSettled([removing, coming]);
  await Promise.all([removing, coming]);
  assert.deepEqual(await filed.list("complete"), []);
  await assertBounded(filed);
});
