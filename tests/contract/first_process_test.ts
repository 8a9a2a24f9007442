/** filed as the first process of a container: it adopts what loses its parent. */
import assert from "node:assert/strict";
import { Filed, makeFifo, ok, onlyChildOf, Place, rootTest, run, within } from "../harness.ts";

const JOBS = 30;
const CONTAINER = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"];

rootTest("as PID 1, filed leaves no zombies, and knows how each of its jobs ended", async () => {
  await using place = await Place.make();
  const gate = await makeFifo(place, "gate");
  await using filed = await Filed.start(place, { prefix: CONTAINER });
  const first = await onlyChildOf(filed.pid);
  await using _stop = { // unshare(1) itself heeds no SIGTERM.
    async [Symbol.asyncDispose]() {
      Deno.kill(first, "SIGTERM");
      await filed.ended();
    },
  };
  const inside = (script: string) => {
    const enter = ["nsenter", "-t", String(first), "-m", "-p", "--", "sh", "-c", script];
    return ok(run(enter, { M: filed.mount }));
  };
  await inside(`echo '{"max_attempts": 1}' > $M/config.json`);
  // Two orphans of each job, of which one ends once all jobs have.
  const orphans = `(setsid true &); (setsid cat ${gate} > /dev/null 2>&1 &)`;
  await inside(`for i in $(seq ${JOBS}); do echo '${orphans}; exit 7' > $M/pending/j$i; done`);
  const ends = await filed.events("attempt ended", { state: "failed" }, JOBS);
  assert.deepEqual([...new Set(ends.map(({ properties }) => properties.status))], [7]);
  await inside("pkill -x cat");
  await within("the end of all zombies", async () => {
    // Only its parent hears of the end of a zombie: there is no event to wait for.
    while (await inside("grep -lE '^State:.*zombie' /proc/[0-9]*/status | wc -l") !== "0\n");
  });
});
