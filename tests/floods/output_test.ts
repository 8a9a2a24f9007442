/**
 * Jobs that print without end: their log ends, memory does not grow with what they print, and a listing
 * still answers. worker/output_test.ts has how it is read.
 */
import assert from "node:assert/strict";
import { startFiled, until } from "../harness.ts";
import { firstHoldingsOf, holdingsOf, leaks, whileLooking } from "./watch.ts";

const KEPT_BYTES = 1_000_000;
const TAIL_BYTES = 65_536;

const OUTPUTS = {
  "100 MB without a newline": ["head -c 100000000 /dev/zero | tr '\\0' x", 100_000_000],
  "20 MB of any bytes": ["head -c 20000000 /dev/urandom", 20_000_000],
} as const;

for (const [what, [command, bytes]] of Object.entries(OUTPUTS)) {
  Deno.test(`of ${what} the log has the beginning, the end, and how much is between`, async () => {
    await using filed = await startFiled({ config: { max_log_bytes: KEPT_BYTES } });
    const before = await firstHoldingsOf(filed);
    await whileLooking(filed, async () => {
      await filed.submit("x", command);
      await filed.event("attempt ended", { job: "x", state: "complete" });
    });
    const log = await Deno.readFile(`${filed.mount}/complete/x`);
    const header = `>>> ${command}\n`.length;
    const note = `\n[filed: ${bytes - KEPT_BYTES - TAIL_BYTES} bytes dropped]\n`;
    const noteAt = header + KEPT_BYTES;
    assert.ok(
      [note, note.slice(1)].some((text) =>
        log.length === noteAt + text.length + TAIL_BYTES &&
        new TextDecoder().decode(log.subarray(noteAt, noteAt + text.length)) === text
      ),
      `${log.length} bytes`,
    );
    assert.deepEqual(leaks(before, await holdingsOf(filed)), []);
  });
}

Deno.test("jobs that print for ever fill no memory, hold nothing up, and end when they are removed", async () => {
  await using filed = await startFiled({ config: { max_log_bytes: KEPT_BYTES } });
  const before = await firstHoldingsOf(filed);
  await filed.configure({ max_job_count: 20 });
  const ids = ["a", "b", "c", "d"];
  await whileLooking(filed, async () => {
    for (const id of ids) await filed.submit(id, "exec yes");
    for (const id of ids) {
      const full = KEPT_BYTES + ">>> exec yes\n".length;
      await until("a full log", async () => (await Deno.stat(`${filed.mount}/active/${id}`)).size === full);
    }
    await filed.finish("meanwhile", "echo other");
    for (const id of ids) await Deno.remove(`${filed.mount}/active/${id}`);
    for (const id of ids) await filed.event("attempt ended", { job: id, state: "taken away" });
  });
  assert.deepEqual(leaks(before, await holdingsOf(filed)), []);
});
