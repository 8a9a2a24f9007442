/** What a log says of processes that nothing ends, where somebody took the job from their run. */
import assert from "node:assert/strict";
import type { JobId } from "../../src/job/id.ts";
import { type Claim, Queue } from "../../src/queue/queue.ts";
import { SqlitePlace } from "./sqlite_place.ts";

const CAT = [{ pid: 7, name: "cat" }];
const LINE = "[filed: processes that could not be ended: 7 (cat)]\n";
/** After output without an end of the line. */
const KILLED = "\n\n\n[System Error]: signal: killed\n";
const FAILED = { ending: { kind: "exited", status: 1 }, droppedBytes: 0, tail: new Uint8Array() } as const;
const utf8 = (text: string) => new TextEncoder().encode(text);

/** A queue with a job that runs, and has said `a` without an end of the line. */
async function start(queue: Queue): Promise<Claim> {
  const created = await queue.create("x" as JobId, { uid: 0, gid: 0, mode: 0o600 });
  assert.ok(created.ok);
  await queue.saveClosed(created.value.file, utf8("x"), { uids: new Set(), of: "all" }, undefined);
  await queue.release(created.value.file);
  const [claim] = await queue.claim(1);
  assert.ok(claim);
  await queue.appendLog(claim.run, utf8("a"));
  return claim;
}

async function log(queue: Queue, { job }: Claim, ordinal = 1): Promise<string> {
  return new TextDecoder().decode(await queue.readLog(job.number, ordinal, 0, 1_000));
}

Deno.test("what is left of a run is named on a line of its own, before how it ended", async () => {
  await using place = await SqlitePlace.make();
  await using store = await place.open();
  const queue = new Queue(store, 0);
  const claim = await start(queue);
  const job = await queue.ended(claim.run, { ...FAILED, survivors: CAT });
  assert.equal(job?.state, "pending");
  assert.equal(await log(queue, claim), `>>> x\na\n${LINE}\n\n[System Error]: exit status 1\n`);
  place.now += 3_600_000;
  assert.deepEqual(await queue.claim(1), []);
  await queue.forget(claim.run);
  assert.equal((await queue.claim(1)).length, 1);
});

for (const how of ["aborted", "restarted"] as const) {
  for (const end of ["ended", "was stopped"] as const) {
    Deno.test(`what is left of a run that ${end} is named in the log of a job that was ${how}`, async () => {
      await using place = await SqlitePlace.make();
      await using store = await place.open();
      const queue = new Queue(store, 0);
      const claim = await start(queue);
      const to = how === "aborted" ? "failed" : "pending";
      const moved = await queue.move(claim.job, to, "x" as JobId, () => false);
      assert.ok(moved.ok);
      assert.equal(await log(queue, claim), `>>> x\na${KILLED}`);
      const job = end === "ended"
        ? await queue.ended(claim.run, { ...FAILED, survivors: CAT })
        : await queue.requeue(claim.run, CAT);
      assert.equal(job, undefined);
      assert.equal(await log(queue, claim), `>>> x\na${KILLED}${LINE}`);
      const found = await queue.byNo(claim.job.number);
      if (found?.state === "failed") assert.equal(found.log.bytes, (await log(queue, claim)).length);
    });
  }
}
