/** What dependencies cost who has none. What a store promises of them: dependencies.ts. */
import assert from "node:assert/strict";
import { StatementSync } from "node:sqlite";
import type { Store } from "../../src/store/store.ts";
import { submit, testDependencies } from "./dependencies.ts";
import { SqlitePlace } from "./sqlite_place.ts";

testDependencies("SqliteStore", () => SqlitePlace.make());

type Method = "run" | "get" | "all";
const METHODS: readonly Method[] = ["run", "get", "all"];

/** The statements that are made meanwhile. */
async function statementsOf(act: () => Promise<void>): Promise<string[]> {
  const made: string[] = [];
  const prototype = StatementSync.prototype as unknown as Record<Method, (...values: never[]) => unknown>;
  const before = METHODS.map((name) => [name, prototype[name]] as const);
  for (const [name, method] of before) {
    prototype[name] = function (this: StatementSync, ...values) {
      made.push(this.sourceSQL);
      return method.apply(this, values);
    };
  }
  try {
    await act();
  } finally {
    for (const [name, method] of before) prototype[name] = method;
  }
  return made;
}

/** A job's life, with a retry and a new name. */
async function live(store: Store): Promise<void> {
  const number = await submit(store, "plain");
  for (const state of ["failed", "complete"] as const) {
    const run = crypto.randomUUID();
    assert.equal((await store.claim([run], (command) => command.subarray())).length, 1);
    const over = { ending: { kind: "exited", status: 0 }, log: "more", bytes: new Uint8Array() } as const;
    await store.settle(run, () => ({ state, over }));
    if (state === "complete") break;
    const retry = { state: "pending", turn: "next", held: false } as const;
    await store.rename(number, { state }, "again", () => "stays", () => retry);
  }
  await store.remove(number, { state: "complete" }, "durable");
  await store.remove(number, { state: "complete" }, "durable");
}

Deno.test("a job that nobody waits for costs no statement more where others wait for each other", async () => {
  await using place = await SqlitePlace.make();
  await using store = await place.open();
  await live(store); // What is asked for once only.
  const alone = await statementsOf(() => live(store));
  assert.ok(alone.length > 5);
  assert.deepEqual(alone.filter((sql) => /\bedges\b/.test(sql)), []);
  await submit(store, "waits", { kind: "after", id: "later", parent: null, isMet: false });
  await submit(store, "too", {
    kind: "after",
    id: "waits",
    parent: (await store.byId("waits"))?.number ?? 0,
    isMet: false,
  });
  await store.tellDependants(1_000, false);
  assert.equal(store.hasDue, false);
  assert.deepEqual(await statementsOf(() => live(store)), alone);
});
