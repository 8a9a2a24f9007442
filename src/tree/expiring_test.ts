import assert from "node:assert/strict";
import { Expiring } from "./expiring.ts";

/** When what happens, and what is left of a value with a life of 10 ms that was set at 100. */
const CASES: [string, now: number, leftMs: number][] = [
  ["lives from when it was set", 100, 10],
  ["lives to its last ms", 109, 1],
  ["is gone then", 110, 0],
  ["stays if the clock is set back a little, and no longer than before", 95, 10],
  ["is gone if the clock is set back by its life", 90, 0],
];
for (const [name, at, leftMs] of CASES) {
  Deno.test(`a value that expires ${name}`, () => {
    let now = 100;
    const values = new Expiring<string, number>(10, () => now);
    assert.equal(values.set("x", 7), 7);
    now = at;
    assert.deepEqual([values.leftMs("x"), values.get("x")], [leftMs, leftMs > 0 ? 7 : undefined]);
  });
}

Deno.test("a value that is set again lives as long again, and one that is deleted is told of once", () => {
  let now = 0;
  const values = new Expiring<string, number>(10, () => now);
  values.set("x", 1);
  now = 9;
  values.set("x", 2);
  now = 18;
  assert.equal(values.get("x"), 2);
  assert.deepEqual([values.delete("x"), values.delete("x"), values.get("x")], [true, false, undefined]);
});

Deno.test("what is past is dropped as others are set, and the oldest where there are too many", () => {
  let now = 0;
  const values = new Expiring<string, number>(10, () => now, 2);
  values.set("past", 1);
  now = 10;
  values.set("x", 2);
  assert.equal(values.delete("past"), false);
  values.set("y", 3);
  values.set("x", 4); // The oldest is y now.
  values.set("z", 5);
  assert.deepEqual([values.get("x"), values.get("y"), values.get("z")], [4, undefined, 5]);
});

Deno.test("to set a value costs the same, however many there are", () => {
  class Counted extends Map<number, unknown> {
    static visits = 0;
    override *[Symbol.iterator](): MapIterator<[number, unknown]> {
      for (const entry of super.entries()) {
        Counted.visits++;
        yield entry;
      }
    }
  }
  const plain = globalThis.Map;
  globalThis.Map = Counted as unknown as typeof Map;
  try {
    const values = new Expiring<number, number>(1_000, () => 0);
    for (let key = 0; key < 10_000; key++) values.set(key, key);
  } finally {
    globalThis.Map = plain;
  }
  assert.ok(Counted.visits < 10_000, `${Counted.visits} looks at 10,000 values`);
});
