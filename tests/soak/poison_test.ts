/** What the ends of a daemon cost the job that runs. */
import assert from "node:assert/strict";
import { Filed, makeFifo, Place } from "../harness.ts";
import { read } from "../contract/expect.ts";

/** Ends the daemon that started it, by what /proc tells, once the test says so. */
function poison(fifo: string): string {
  return `read -r _ < ${fifo}; read -r _ _ _ daemon _ < /proc/$$/stat; kill -KILL $daemon; sleep 60`;
}

Deno.test("a job that brings the daemon down each time it runs ends in failed/ after max_attempts", async () => {
  await using place = await Place.make();
  const fifo = await makeFifo(place, "go");
  await using first = await Filed.start(place, { config: { max_attempts: 3, backoff_base: 0 } });
  await first.submit("poison", poison(fifo));
  let filed = first;
  for (let attempt = 1; attempt <= 3; attempt++) {
    assert.equal((await filed.event("attempt started", { job: "poison" })).properties.attempt, attempt);
    await Deno.writeTextFile(fifo, "\n");
    assert.equal((await filed.ended()).signal, "SIGKILL");
    filed = await Filed.start(place);
  }
  await using last = filed;
  assert.match(
    await read(last, "failed/poison"),
    /\n\[System Error\]: interrupted: filed stopped while the job ran\n$/,
  );
  assert.match(await last.finish("other", "echo well"), /\nwell\n$/);
});

Deno.test("ten stops during one job cost it no attempt", async () => {
  await using place = await Place.make();
  const fifo = await makeFifo(place, "up");
  const command = `[ -e last ] && exec echo attempt $FILED_ATTEMPT; echo up > ${fifo}; sleep 60`;
  for (let stop = 1; stop <= 10; stop++) {
    await using filed = await Filed.start(place, { config: { max_attempts: 1 } });
    if (stop === 1) await filed.submit("job", command);
    assert.equal(await Deno.readTextFile(fifo), "up\n");
    assert.equal((await filed.stop()).code, 0);
  }
  await Deno.writeTextFile(`${place.path}/last`, "");
  await using filed = await Filed.start(place);
  await filed.finished("job");
  assert.match(await read(filed, "complete/job"), /\nattempt 1\n$/);
});
