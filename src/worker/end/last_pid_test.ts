import assert from "node:assert/strict";
import { lastPidIn, readLastPid } from "./last_pid.ts";

Deno.test("lastPidIn() takes the last field of /proc/loadavg", () => {
  assert.equal(lastPidIn("0.20 0.18 0.12 1/80 11206\n"), 11_206);
});

Deno.test("readLastPid() is below the number of what is started later, and not of what was before", async () => {
  const start = () => new Deno.Command("true").spawn();
  for (;;) {
    await using first = start();
    const last = readLastPid();
    await using second = start();
    if (second.pid < first.pid) continue; // The numbers have begun anew.
    assert.ok(first.pid <= last && last < second.pid, `${first.pid} <= ${last} < ${second.pid}`);
    return;
  }
});
