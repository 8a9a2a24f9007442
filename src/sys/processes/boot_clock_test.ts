import assert from "node:assert/strict";
import { bootTicks } from "./boot_clock.ts";

Deno.test("a process starts, by /proc/PID/stat, between two looks at the clock", async () => {
  for (let i = 0; i < 20; i++) {
    const before = bootTicks();
    await using child = new Deno.Command("sleep", { args: ["60"] }).spawn();
    const after = bootTicks();
    const stat = Deno.readTextFileSync(`/proc/${child.pid}/stat`);
    const startedAt = Number(stat.slice(stat.lastIndexOf(")")).split(" ")[20]);
    assert.ok(before <= startedAt && startedAt <= after, `${before} <= ${startedAt} <= ${after}`);
    child.kill("SIGKILL");
  }
});
