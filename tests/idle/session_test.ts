/** A session's thread goes on while requests come, and rests when none do; tests/fuse/session_test.ts has the rest. */
import assert from "node:assert/strict";
import { serve } from "../fuse/harness.ts";

Deno.test("timers run while requests never stop", async () => {
  await using served = await serve();
  const busy = served.sh("i=0; while [ $i -lt 3000 ]; do : > f; i=$((i+1)); done");
  let longestMs = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    longestMs = Math.max(longestMs, performance.now() - last);
    last = performance.now();
  }, 5);
  await busy;
  clearInterval(timer);
  assert.ok(longestMs < 500, `${longestMs} ms`);
});

Deno.test("an idle session does not run", async () => {
  await using served = await serve();
  await served.sh("echo x > a");
  const ticks = async () => {
    const fields = (await Deno.readTextFile("/proc/self/stat")).split(") ")[1]?.split(" ") ?? [];
    return Number(fields[11]) + Number(fields[12]);
  };
  const before = await ticks();
  await new Promise((resolve) => setTimeout(resolve, 1000)); // the thing measured is a second of nothing
  assert.ok(await ticks() - before <= 5, "more than 50 ms of CPU in an idle second");
});
