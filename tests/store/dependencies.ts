import assert from "node:assert/strict";
import type { Dependency, DependencyKind } from "../../src/job/dependencies.ts";
import type { JobNo } from "../../src/job/id.ts";
import { CircleError, type JobChanges, type Store } from "../../src/store/store.ts";
import type { StorePlace } from "./suite.ts";

const PENDING = { state: "pending" } as const;
const KEEP = () => "stays" as const;
const ALL = 1_000;
const utf8 = (text: string) => new TextEncoder().encode(text);

const on = (id: string, parent: JobNo | null, kind: DependencyKind = "after"): Dependency => ({
  ...{ kind, id, parent },
  isMet: false,
});

/** A job as after its close, that waits for these. */
export async function submit(store: Store, id: string, ...dependencies: Dependency[]): Promise<JobNo> {
  const job = await store.create({ id, uid: 1, gid: 1, mode: 0o600 });
  assert.ok(job);
  await waitFor(store, job.number, ...dependencies);
  return job.number;
}

async function waitFor(store: Store, number: JobNo, ...dependencies: Dependency[]): Promise<void> {
  const changes: JobChanges = {
    content: { is: "closed", bytes: utf8("true") },
    turn: "first",
    held: false,
    ...dependencies.length > 0 ? { dependencies, asks: { after: dependencies.map(({ id }) => id) } } : {},
  };
  assert.ok(await store.update(number, PENDING, () => changes, "durable"));
}

/** The ids of those that may start, which are started and end so. */
async function run(store: Store, state: "complete" | "failed" = "complete"): Promise<string[]> {
  const runs = Array.from({ length: 100 }, () => crypto.randomUUID());
  const claims = await store.claim(runs, (command) => command.subarray());
  for (const { run } of claims) await end(store, run, state);
  return claims.map(({ job }) => job.id);
}

async function end(store: Store, run: string, state: "complete" | "failed"): Promise<void> {
  const ending = { kind: "exited", status: state === "complete" ? 0 : 1 } as const;
  const over = { ending, log: "more", bytes: utf8("") } as const;
  assert.ok(await store.settle(run, () => ({ state, over })));
}

async function move(store: Store, number: JobNo, id: string, changes: JobChanges): Promise<void> {
  const job = await store.byNo(number);
  assert.ok(job);
  const moved = await store.rename(number, { state: job.state }, id, KEEP, () => changes);
  assert.equal(moved.kind, "renamed");
}

const RETRY: JobChanges = { state: "pending", turn: "next", attempts: 0, held: false };

/** Tells all. @returns Those that wait for what will never be, the first time that they are told. */
async function tell(store: Store, failDependants = false): Promise<string[]> {
  const doomed: string[] = [];
  while (store.hasDue) {
    for (const { number, to, fate, kind } of await store.tellDependants(ALL, failDependants)) {
      const id = (await store.byNo(number))?.id ?? "";
      doomed.push(`${id} ${to}: ${kind} ${fate}`);
      const ending = { kind: "not-run", reason: fate, isForParent: true } as const;
      await move(store, number, id, { state: to, over: { ending, log: "new", bytes: utf8("") } });
    }
  }
  return doomed;
}

/** What every store promises of jobs that wait for others. */
export function testDependencies(name: string, makePlace: () => Promise<StorePlace>) {
  const test = (behaviour: string, act: (store: Store, place: StorePlace) => Promise<void>) =>
    Deno.test(`${name}: ${behaviour}`, async () => {
      await using place = await makePlace();
      await using store = await place.open();
      await act(store, place);
    });

  test("a job that waits for another is claimed once that is complete, and its dependants are told", async (store) => {
    const a = await submit(store, "a");
    const b = await submit(store, "b", on("a", a));
    assert.equal((await store.byNo(b) as { blocked: number }).blocked, 1);
    assert.deepEqual(await run(store), ["a"]);
    assert.deepEqual(await run(store), []);
    assert.deepEqual(await tell(store), []);
    assert.deepEqual(await run(store), ["b"]);
    assert.equal(store.hasDue, false);
  });

  test("a job that waits for one that is complete waits for nothing", async (store) => {
    const a = await submit(store, "a");
    await run(store);
    await submit(store, "b", on("a", a));
    assert.equal(store.hasDue, false);
    assert.deepEqual(await run(store), ["b"]);
  });

  test("dependants are told in steps, and become ready in the order of the queue", async (store) => {
    const a = await submit(store, "a");
    const ids = Array.from({ length: 25 }, (_, index) => `b${index}`);
    for (const id of ids) await submit(store, id, on("a", a));
    await run(store);
    let steps = 0;
    while (store.hasDue) {
      await store.tellDependants(10, false);
      steps++;
    }
    assert.ok(steps >= 3, `${steps} steps`);
    assert.deepEqual(await run(store), ids);
  });

  test("a job that waits for another in many ways hears of all of them in one step", async (store) => {
    const a = await submit(store, "a");
    const b = await submit(
      store,
      "b",
      ...Array.from({ length: 20 }, () => on("a", a)),
      on("a", a, "after_any"),
    );
    await submit(store, "c", on("b", b), on("a", a));
    await run(store);
    while (store.hasDue) await store.tellDependants(3, false);
    assert.deepEqual(await run(store), ["b"]);
  });

  test("what becomes of a parent is told after a crash, too", async (store, place) => {
    const a = await submit(store, "a");
    await submit(store, "b", on("a", a));
    await submit(store, "c", on("later", null));
    await run(store);
    await using after = await place.openAfterCrash();
    assert.deepEqual(await tell(after), []);
    assert.deepEqual(await run(after), ["b"]);
    await submit(after, "later");
    assert.deepEqual(await run(after), ["later"]);
    await tell(after);
    assert.deepEqual(await run(after), ["c"]);
  });

  test("a failed parent holds its dependants, and is told of again if they are to fail", async (store) => {
    const a = await submit(store, "a");
    const b = await submit(store, "b", on("a", a));
    await submit(store, "c", on("b", b));
    await submit(store, "any", on("a", a, "after_any"));
    await submit(store, "alarm", on("a", a, "after_failed"));
    await run(store, "failed");
    assert.deepEqual(await tell(store), []);
    assert.deepEqual(await run(store), ["any", "alarm"]);
    store.reviewDependants();
    assert.deepEqual(await tell(store, true), ["b failed: after failed", "c failed: after not-run"]);
  });

  test("dependants of a job that is removed wait for what will never be, unless it was complete", async (store) => {
    const [a, b] = [await submit(store, "a"), await submit(store, "b")];
    await submit(store, "of-a", on("a", a));
    await submit(store, "of-b", on("b", b));
    await submit(store, "not-of-b", on("b", b, "after_failed"));
    await store.remove(a, PENDING, "durable");
    await run(store);
    await store.remove(b, { state: "complete" }, "durable"); // Before its dependants have heard of it.
    assert.deepEqual(await tell(store), [
      "of-a failed: after removed",
      "not-of-b complete: after_failed complete",
    ]);
    assert.deepEqual(await run(store), ["of-b"]);
  });

  test("a parent that is tried again before its dependants have heard of its end has done its part", async (store) => {
    const a = await submit(store, "a");
    await submit(store, "b", on("a", a));
    await run(store);
    await move(store, a, "a", RETRY);
    assert.deepEqual(await tell(store), []);
    assert.deepEqual(await run(store), ["b", "a"]);
  });

  test("those that are told that they wait in vain are told again, until they wait no more", async (store) => {
    const a = await submit(store, "a");
    const b = await submit(store, "b", on("a", a));
    await store.remove(a, PENDING, "durable");
    for (let times = 0; times < 3; times++) {
      const doomed = await store.tellDependants(ALL, false);
      assert.deepEqual(doomed.map(({ number }) => number), [b]);
    }
    await move(store, b, "b", { state: "failed" });
    assert.deepEqual(await store.tellDependants(ALL, false), []);
    assert.equal(store.hasDue, false);
  });

  test("who waits for an id waits for the job that gets it, by its submission or by another id", async (store) => {
    await submit(store, "of-a", on("a", null));
    await submit(store, "of-b", on("b", null));
    await store.create({ id: "a", uid: 1, gid: 1, mode: 0o600 });
    const draft = await submit(store, ".b");
    assert.deepEqual(await run(store), [".b"]);
    const a = (await store.byId("a"))?.number ?? 0;
    await waitFor(store, a);
    await move(store, draft, "b", {});
    await tell(store);
    assert.deepEqual(await run(store), ["of-b", "a"]);
    await tell(store);
    assert.deepEqual(await run(store), ["of-a"]);
  });

  test("no job comes to wait for itself", async (store) => {
    const a = await submit(store, "a");
    const b = await submit(store, "b", on("a", a));
    const c = await submit(store, "c", on("b", b), on("d", null));
    for (const dependency of [on("a", a), on("a", null), on("b", b), on("c", c, "after_any")]) {
      await assert.rejects(waitFor(store, a, dependency), CircleError);
      assert.equal(await store.circleOf({ number: a, id: "a" }, [dependency]), "circle");
    }
    const renamed = await store.rename(b, PENDING, "d", KEEP, () => ({}));
    assert.equal(renamed.kind, "renamed"); // c waits for it all the same, and it does not for c.
    const other = await submit(store, "e", on("c", c), on("f", null));
    await submit(store, "g", on("f", null));
    assert.equal((await store.rename(other, PENDING, "f", KEEP, () => ({}))).kind, "circle");
    assert.equal(await store.circleOf({ number: a, id: "a" }, [on("nobody", null)]), "none");
    assert.deepEqual((await store.dependencies(a)).length, 0);
  });

  test("a job that is tried again waits for what is there of what it waited for", async (store) => {
    const [a, b] = [await submit(store, "a"), await submit(store, "b")];
    const c = await submit(store, "c", on("a", a), on("b", b));
    await run(store);
    await tell(store);
    await run(store);
    await move(store, a, "a", RETRY);
    await store.remove(b, { state: "complete" }, "durable");
    await move(store, c, "c", { ...RETRY, dependencies: "again" });
    assert.deepEqual(await run(store), ["a"]);
    await tell(store);
    assert.deepEqual(await run(store), ["c"]);
  });

  test("a job that leaves pending/ waits no more, and nothing stays of one that is removed", async (store) => {
    const a = await submit(store, "a");
    const b = await submit(store, "b", on("a", a));
    const c = await submit(store, "c", on("a", a));
    await move(store, b, "b", { state: "failed" });
    assert.deepEqual((await store.dependencies(b)).map(({ isMet }) => isMet), [true]);
    await store.remove(c, PENDING, "durable");
    assert.deepEqual(await store.dependencies(c), []);
    await run(store);
    assert.deepEqual(await tell(store), []);
    assert.deepEqual(await run(store), []);
  });

  test("ids are listed from one on, in the order of their bytes", async (store) => {
    for (const id of ["b", "é", "a", "B", "ba"]) await submit(store, id);
    const idsFrom = async (from: string, limit: number) =>
      (await store.idsFrom(from, limit)).map(({ id }) => id);
    assert.deepEqual(await idsFrom("", 10), ["B", "a", "b", "ba", "é"]);
    assert.deepEqual(await idsFrom("b", 2), ["b", "ba"]);
  });
}
