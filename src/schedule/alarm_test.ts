import assert from "node:assert/strict";
import { Alarm } from "./alarm.ts";

/** Resolves with the time at which the alarm rings. */
function ring(alarm: Alarm): Promise<number> {
  return new Promise((resolve) => alarm.onTime = () => resolve(Date.now()));
}

Deno.test("an alarm rings at its time, not before", async () => {
  await using alarm = new Alarm();
  const at = Date.now() + 30;
  const rung = ring(alarm);
  alarm.set(at);
  assert.ok(await rung >= at);
});

Deno.test("an alarm for a time that is past rings at once", async () => {
  await using alarm = new Alarm();
  for (const at of [0, -5, 1_000_000_000_000]) {
    const rung = ring(alarm);
    alarm.set(at);
    await rung;
  }
});

Deno.test("only the time set last counts", async () => {
  await using alarm = new Alarm();
  const times: string[] = [];
  alarm.set(Date.now() + 10);
  alarm.set(undefined);
  await using other = new Alarm();
  const rung = ring(other);
  alarm.onTime = () => void times.push("unset");
  other.set(Date.now() + 40);
  await rung;
  assert.deepEqual(times, []);
  const again = ring(alarm);
  alarm.set(Date.now() + 1_000_000);
  alarm.set(Date.now() + 5);
  await again;
});

Deno.test("a time centuries away is one", async () => {
  await using alarm = new Alarm();
  alarm.set(8.64e15); // the last that Date can hold
});
