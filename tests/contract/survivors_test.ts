/**
 * What nothing ends is said, and nothing of its id starts beside it: here a process in a request that nobody
 * answers.
 */
import assert from "node:assert/strict";
import { type Hanging, serveHanging } from "../fuse/hanging.ts";
import { Filed, ok, Place, rootTest } from "../harness.ts";
import { stopInTime } from "./expect.ts";

/** A job that says what it does the second time; the first time a process of it can't be ended. */
const job = (hanging: Hanging, place: Place) =>
  `[ -e ${place.path}/mark ] && exec echo again; touch ${place.path}/mark; exec dd if=/dev/zero of=${hanging.path}/page count=1`;
const NAMED = /\[filed: processes that could not be ended: \d+ \(dd\)\]\n/;

interface Case {
  config?: Record<string, number>;
  act(filed: Filed): Promise<unknown>;
  /** Where the log is that says so; none if the job is removed. */
  log: string | undefined;
  /** What makes the job run again. */
  again(filed: Filed, command: string): Promise<unknown>;
}

const nothing = () => Promise.resolve();
const CASES: Record<string, Case> = {
  "rm": {
    act: (filed) => ok(filed.sh("rm $M/active/job")),
    log: undefined,
    again: (filed, command) => filed.submit("job", command),
  },
  "mv to failed/": {
    act: (filed) => ok(filed.sh("mv $M/active/job $M/failed/")),
    log: "failed",
    again: (filed) => ok(filed.sh("mv $M/failed/job $M/pending/")),
  },
  "mv to pending/": {
    act: (filed) => ok(filed.sh("mv $M/active/job $M/pending/")),
    log: undefined, // In pending/ a job shows its command.
    again: nothing,
  },
  "a timeout": {
    config: { timeout_sec: 1, max_attempts: 1 },
    act: nothing,
    log: "failed",
    again: (filed) => ok(filed.sh("mv $M/failed/job $M/pending/")),
  },
};

for (const [what, { config = {}, act, log, again }] of Object.entries(CASES)) {
  rootTest(`after ${what}, what nothing ends is named, and the job starts once it is gone`, async () => {
    await using place = await Place.make();
    await using hanging = await serveHanging();
    await using filed = await Filed.start(place, { config });
    const command = job(hanging, place);
    await filed.submit("job", command);
    await hanging.fs.asked;
    await act(filed);
    const { level, properties } = await filed.event("processes could not be ended", { job: "job" });
    assert.match(String(properties.processes), /^\d+ \(dd\)$/);
    assert.equal(level, "WARN");
    if (log !== undefined) assert.match(await Deno.readTextFile(`${filed.mount}/${log}/job`), NAMED);
    await again(filed, command);
    await filed.finish("other", ":"); // There is a slot, and the job came before.
    const starts = filed.log.filter(({ message, properties }) =>
      message === "attempt started" && properties.job === "job"
    );
    assert.equal(starts.length, 1);
    hanging.fs.end();
    await filed.event("processes that could not be ended are gone", { job: "job" });
    assert.match(await complete(filed), /\nagain\n$/);
  });
}

rootTest(
  "after a crash and a stop, what nothing ends is named, and the job starts once it is gone",
  async () => {
    await using place = await Place.make();
    await using hanging = await serveHanging();
    {
      await using first = await Filed.start(place);
      await first.submit("job", job(hanging, place));
      await hanging.fs.asked;
      first.signal("SIGKILL");
      await first.ended();
    }
    {
      await using second = await Filed.start(place, { config: { backoff_base: 0 } });
      await second.event("processes could not be ended", { job: "job" });
      await second.finish("other", ":");
      assert.deepEqual(await second.list("active"), []);
    }
    await using third = await Filed.start(place);
    await third.event("processes could not be ended", { job: "job" });
    await third.finish("third", ":");
    assert.deepEqual(await third.list("active"), []);
    hanging.fs.end();
    await third.event("processes that could not be ended are gone", { job: "job" });
    assert.match(await complete(third), /\nagain\n$/);
  },
);

rootTest("a stop ends in time though nothing ends a job, which costs no attempt", async () => {
  await using place = await Place.make();
  await using hanging = await serveHanging();
  {
    await using first = await Filed.start(place);
    await first.submit("job", job(hanging, place));
    await hanging.fs.asked;
    assert.equal((await stopInTime(first)).code, 0);
  }
  await using next = await Filed.start(place);
  await next.event("processes could not be ended", { job: "job" });
  hanging.fs.end();
  await complete(next);
  await next.event("attempt ended", { job: "job", attempt: 1, state: "complete" });
});

/** Waits for the job's last attempt. @returns Its log. */
async function complete(filed: Filed): Promise<string> {
  await filed.event("attempt ended", { job: "job", state: "complete" });
  return await Deno.readTextFile(`${filed.mount}/complete/job`);
}
