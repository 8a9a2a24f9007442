/**
 * A state file that somebody removes, or replaces, while filed runs: no acknowledged job is lost at the stop.
 */
import assert from "node:assert/strict";
import { Filed, ok, Place, run, sh } from "../harness.ts";
import { refusal } from "./state_file.ts";

const REMOVALS: Record<string, string> = {
  "removed": "rm filed.db",
  "removed with what is beside it": "rm filed.db*",
  "moved away": "mv filed.db away.db",
  "removed with its directory": "rm -r ../kept",
};

/** A daemon whose state file is in `kept/`, with a job that has ended and one that waits. */
async function startWithJobs(place: Place): Promise<Filed> {
  await Deno.mkdir(`${place.path}/kept`, { mode: 0o700 });
  const filed = await Filed.start(place, { args: ["--state", `${place.path}/kept/filed.db`] });
  await filed.finish("ended", "echo done");
  await filed.configure({ max_job_count: 0 });
  await filed.submit("waiting", "echo it ran");
  return filed;
}

for (const [what, script] of Object.entries(REMOVALS)) {
  Deno.test(`a state file that is ${what} is written back at the stop, with what came after that`, async () => {
    await using place = await Place.make();
    await using filed = await startWithJobs(place);
    await ok(sh(`cd ${place.path}/kept && ${script}`));
    await filed.submit("later", "echo it ran too");
    assert.equal((await filed.stop()).code, 0);
    const state = `${place.path}/kept/filed.db`;
    await filed.event("the state file was removed while filed ran, and is written back", { state });
    assert.equal((await Deno.stat(state)).mode! & 0o777, 0o600);
    await using next = await Filed.start(place, { args: ["--state", state] });
    assert.deepEqual(await next.list("pending"), ["later", "waiting"]);
    await next.configure({ max_job_count: 1 });
    assert.match(await next.finished("later"), /^it ran too$/m);
    assert.match(await Deno.readTextFile(`${next.mount}/complete/ended`), /^done$/m);
  });
}

Deno.test("a state file that was replaced stays, and the jobs of the run are in a file beside it", async () => {
  await using place = await Place.make();
  await using filed = await startWithJobs(place);
  const state = `${place.path}/kept/filed.db`;
  await ok(sh(`cd ${place.path}/kept && echo another > other && mv other filed.db &&
    rm filed.db-wal filed.db-shm && echo its log > filed.db-wal && echo its index > filed.db-shm`));
  await filed.stop();
  const { properties } = await filed.event(
    "the state file was replaced while filed ran: the jobs of this run are in a file beside it",
  );
  assert.equal(await Deno.readTextFile(state), "another\n");
  assert.equal(await Deno.readTextFile(`${state}-wal`), "its log\n");
  assert.equal(await Deno.readTextFile(`${state}-shm`), "its index\n");
  await using next = await Filed.start(place, { args: ["--state", String(properties.state)] });
  assert.deepEqual(await next.list("pending"), ["waiting"]);
});

Deno.test("while filed runs, it says once that its state file is gone", async () => {
  await using place = await Place.make();
  await using filed = await startWithJobs(place);
  await Deno.remove(`${place.path}/kept/filed.db`);
  const removed =
    "the state file was removed or replaced: a crash would lose all jobs; stop filed, and it writes them back";
  const line = await filed.event(removed);
  assert.equal(line.level, "ERROR");
  await filed.stop();
  assert.equal(filed.log.filter(({ message }) => message === removed).length, 1);
});

Deno.test("no other filed starts in the place of a state file that was replaced, beside the old one's log", async () => {
  await using place = await Place.make();
  await using filed = await startWithJobs(place);
  const state = `${place.path}/kept/filed.db`;
  await ok(run(["mv", state, `${state}.old`]));
  const { status, stderr } = await refusal(place, state);
  assert.equal(status, 1);
  assert.match(
    stderr,
    new RegExp(`another filed uses ${state}-wal \\(pid ${filed.pid}\\), as its state file was repl`),
  );
});
