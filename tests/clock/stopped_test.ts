/** The whole daemon is stopped for a while (SIGSTOP), as when a machine sleeps: it goes on where it was. */
import assert from "node:assert/strict";
import { type Filed, ok, sh, startFiled } from "../harness.ts";

/** Stops the daemon for that long. The time itself is what is tested: nothing tells that it is over. */
async function sleepDaemon(filed: Filed, ms: number, meanwhile: () => void = () => {}): Promise<void> {
  filed.signal("SIGSTOP");
  meanwhile();
  await new Promise((resolve) => setTimeout(resolve, ms));
  filed.signal("SIGCONT");
}

const startsOf = (filed: Filed, job: string) =>
  filed.log.filter(({ message, properties }) => message === "attempt started" && properties.job === job)
    .length;

Deno.test("a retry that came due while the daemon was stopped starts once", async () => {
  await using filed = await startFiled({ config: { backoff_base: 1, backoff_mult: 1, max_attempts: 2 } });
  await filed.submit("x", "false");
  await filed.event("attempt ended", { job: "x", attempt: 1 });
  await sleepDaemon(filed, 1_500);
  await filed.event("attempt ended", { job: "x", attempt: 2 });
  await filed.finish("later", "true");
  assert.equal(startsOf(filed, "x"), 2);
});

Deno.test("a job that ended in time while the daemon was stopped has not timed out", async () => {
  await using filed = await startFiled({ config: { timeout_sec: 1, max_attempts: 1 } });
  await filed.submit("x", "sleep 0.3; echo in time");
  await filed.event("attempt started", { job: "x" });
  await sleepDaemon(filed, 2_000);
  assert.equal(await filed.finished("x"), ">>> sleep 0.3; echo in time\nin time\n");
});

Deno.test("a job that runs too long while the daemon is stopped times out, once", async () => {
  await using filed = await startFiled({ config: { timeout_sec: 1, max_attempts: 1 } });
  await filed.submit("x", "exec sleep 1000");
  await filed.event("attempt started", { job: "x" });
  await sleepDaemon(filed, 1_500);
  assert.match(await filed.finished("x"), /\[System Error\]: timed out after 1 s\n$/);
  assert.equal(startsOf(filed, "x"), 1);
});

Deno.test("what is submitted while the daemon is stopped waits, and runs once", async () => {
  await using filed = await startFiled();
  const writers: Promise<string>[] = [];
  await sleepDaemon(filed, 300, () => {
    for (const id of ["a", "b"]) {
      writers.push(ok(sh(`echo "echo ${id}" > $M/pending/${id}`, { M: filed.mount })));
    }
  });
  await Promise.all(writers);
  for (const id of ["a", "b"]) assert.equal(await filed.finished(id), `>>> echo ${id}\n${id}\n`);
  await filed.finish("later", "true");
  for (const id of ["a", "b"]) assert.equal(startsOf(filed, id), 1);
});
