/** What a log says of processes that nothing ends, where somebody still reads the log before it. */
import assert from "node:assert/strict";
import type { JobId } from "../../src/job/id.ts";
import { Queue } from "../../src/queue/queue.ts";
import { SqliteStore } from "../../src/store/sqlite/store.ts";
import { TempFile } from "./temp_file.ts";

Deno.test("what is left of a run is named on a line of its own, in a log that is not the job's first", async () => {
  using file = new TempFile();
  await using store = SqliteStore.open(file.path);
  let now = 0;
  const queue = new Queue(store, () => now);
  queue.keepLogsFor({ has: () => true, replaced() {} });
  const created = await queue.create("x" as JobId, { uid: 0, gid: 0, mode: 0o600 });
  assert.ok(created.ok);
  const { number } = created.value;
  await queue.close(number, new TextEncoder().encode("x"), { uids: new Set(), of: "all" }, undefined);
  await queue.release(number);
  const [first] = await queue.claim(1);
  assert.ok(first);
  const ending = { kind: "exited", status: 1 } as const;
  await queue.ended(first.run, { ending, droppedBytes: 0, tail: new Uint8Array(), survivors: [] });
  now += 60_000;
  const [second] = await queue.claim(1);
  assert.ok(second);
  assert.notEqual(second.job.logNumber, number);
  await queue.appendLog(second.run, new TextEncoder().encode("a")); // There, the first log has a line end.
  const job = await queue.requeue(second.run, [{ pid: 7, name: "cat" }]);
  assert.ok(job);
  const log = await queue.readLog(job.logNumber, 0, 1_000);
  assert.equal(
    new TextDecoder().decode(log),
    ">>> x\na\n[filed: processes that could not be ended: 7 (cat)]\n",
  );
});
