/** A store may ask again what becomes of a job: on PostgreSQL it does, where the job has changed meanwhile. */
import assert from "node:assert/strict";
import { Pieces } from "../../src/job/pieces.ts";
import type { JobId } from "../../src/job/id.ts";
import type { Job } from "../../src/job/job.ts";
import { Queue, type Result } from "../../src/queue/queue.ts";
import type { Store } from "../../src/store/store.ts";
import { SqlitePlace } from "./sqlite_place.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const ALL = { uids: new Set([1]), of: "all" } as const;
const id = (text: string) => text as JobId;

/** Has a function be called twice, with what is equal each time. @throws If its answers are not, or it changed what it was given. */
function twice<Values extends unknown[], Answer>(
  ask: (...values: Values) => Answer,
): (...values: Values) => Answer {
  return (...values) => {
    const before = values.map((value) =>
      typeof value === "function" ? value : value instanceof Pieces ? copied(value) : structuredClone(value)
    ) as Values;
    const first = ask(...values);
    assert.deepEqual(values, before);
    const answer = ask(...before);
    assert.deepEqual(answer, first);
    return answer;
  };
}

function copied(content: Pieces): Pieces {
  return Pieces.from(content.all.map((piece) => piece.slice()));
}

/** The same store, which asks for each change twice. */
function askingTwice(store: Store): Store {
  const asking: Pick<Store, "update" | "updateFile" | "rename" | "claim" | "settle"> = {
    update: (number, expected, changes, durability) =>
      store.update(number, expected, twice(changes), durability),
    updateFile: (file, changes, durability) => store.updateFile(file, twice(changes), durability),
    rename: (number, expected, id, fate, changes) =>
      store.rename(number, expected, id, twice(fate), twice(changes)),
    claim: (runs, header, room, pools) => store.claim(runs, twice(header), room, pools),
    settle: (run, settle, left) => store.settle(run, twice(settle), left),
  };
  return new Proxy(store, {
    get(target, name) {
      if (name in asking) return asking[name as keyof typeof asking];
      const value = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

function value<T>(result: Result<T>): T {
  assert.ok(result.ok);
  return result.value;
}

Deno.test("what the queue makes of a job depends on nothing but the job, and may be asked again", async () => {
  await using place = await SqlitePlace.make();
  await using store = await place.open();
  const queue = new Queue(askingTwice(store), 0);
  const seen: string[] = [];
  const see = (job: Job | undefined) => {
    assert.ok(job);
    seen.push(`${job.id} ${job.state} ${job.attempts}`);
    return job;
  };
  const claim = async () => {
    const [claim] = await queue.claim(1);
    assert.ok(claim);
    see(claim.job);
    return claim;
  };
  const end = { droppedBytes: 0, tail: new Uint8Array(), survivors: [] };
  const failure = { kind: "exited", status: 1 } as const;

  const { number, file } = value(await queue.create(id("a"), { uid: 1, gid: 1, mode: 0o600 }));
  await queue.saveDraft(file, utf8("echo"), { uids: new Set([2]), of: "part" }, undefined);
  await queue.saveClosed(file, "as-saved", ALL, undefined);
  await queue.release(file);
  const pending = see(await queue.byNo(number));
  await queue.setTimes(pending, { modifiedAt: place.now - 5, accessedAt: 3 });
  await queue.setOwnership(pending, { mode: 0o640 });
  const first = await claim();
  await queue.appendLog(first.run, utf8("output"));
  see(await queue.ended(first.run, { ...end, ending: failure }));
  place.now += 60_000;
  const second = await claim();
  see(await queue.requeue(second.run));
  const third = await claim();
  see(value(await queue.move(third.job, "pending", id("b"), () => false)).job);
  await queue.requeue(third.run);
  await queue.release(file);
  const fourth = await claim();
  see(value(await queue.move(fourth.job, "failed", id("b"), () => false)).job);
  await queue.ended(fourth.run, { ...end, ending: failure });
  see(value(await queue.move(see(await queue.byNo(number)), "pending", id("b"), () => false)).job);
  await queue.release(file);
  see(value(await queue.renameLate(see(await queue.byNo(number)), id("c"), () => false)).job);
  const other = value(await queue.create(id("d"), { uid: 1, gid: 1, mode: 0o600 }));
  const moved = value(await queue.move(see(await queue.byNo(number)), "pending", id("d"), () => true));
  assert.deepEqual([moved.job.number, moved.job.file, moved.replaced?.number], [
    other.number,
    file,
    other.number,
  ]);
  see(value(await queue.move(moved.job, "failed", id("d"), () => false)).job);
  value(await queue.remove(see(await queue.byFile(file))));

  assert.deepEqual(seen, [
    ...["a pending 0", "a active 1", "a pending 1", "a active 2", "a pending 1", "a active 2", "b pending 0"],
    ...["b active 1", "b failed 1", "b failed 1", "b pending 0", "b pending 0", "c pending 0", "c pending 0"],
    ...["d failed 0", "d failed 0"],
  ]);
});
