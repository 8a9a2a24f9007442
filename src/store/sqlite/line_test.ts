import assert from "node:assert/strict";
import fc from "fast-check";
import { order, type Ready } from "./places.ts";
import { ReadyJobs, type Verdict } from "./line.ts";

/** What a database and the jobs' owner would know. */
class Model {
  readonly placeOf = new Map<number, number>();
  readonly held = new Set<number>();
  readonly busy = new Set<number>();
  fetches = 0;
  judged = 0;
  readonly ready = new ReadyJobs((after, limit) => {
    this.fetches++;
    return this.sorted().filter((one) => order(one, after) > 0).slice(0, limit);
  }, (number) => this.held.has(number));

  put(number: number, place: number) {
    this.placeOf.set(number, place);
    if (this.held.has(number)) this.ready.remove({ number, place });
    else this.ready.add({ number, place });
  }

  hold(number: number) {
    this.held.add(number);
    const place = this.placeOf.get(number);
    if (place !== undefined) this.ready.remove({ number, place });
  }

  letGo(number: number) {
    this.held.delete(number);
    const place = this.placeOf.get(number);
    if (place !== undefined) this.ready.add({ number, place });
  }

  remove(number: number) {
    const place = this.placeOf.get(number);
    this.placeOf.delete(number);
    if (place !== undefined) this.ready.remove({ number, place });
  }

  sorted(): Ready[] {
    return [...this.placeOf].map(([number, place]) => ({ number, place })).sort(order);
  }

  find(limit: number, line = Infinity): number[] {
    return this.ready.find(limit, line, (one) => this.#judge(one));
  }

  expected(limit: number, line: number): number[] {
    return this.sorted().filter(({ number, place }) =>
      place < line && !this.held.has(number) && !this.busy.has(number)
    ).slice(0, limit).map(({ number }) => number);
  }

  #judge({ number, place }: Ready): Verdict {
    this.judged++;
    if (this.placeOf.get(number) !== place) return "gone";
    assert.ok(!this.held.has(number), "what is held is not looked at");
    return this.busy.has(number) ? "passed-over" : "may-start";
  }
}

const numbers = fc.nat(400);
const steps = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant("put"), number: numbers }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("to its place again"), number: numbers }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constantFrom("remove", "to the place of another"), number: numbers }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("take away"), number: numbers }) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constantFrom("hold", "let go", "is busy", "is idle"),
        number: numbers,
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("reset"), number: numbers }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("find"), number: numbers }) },
  ),
  { minLength: 100, maxLength: 2_000, size: "max" },
);

Deno.test("ReadyJobs finds what a search of all would", () => {
  fc.assert(
    fc.property(steps, (steps) => {
      const model = new Model();
      const placeBefore = new Map<number, number>();
      let places = 0;
      for (const { kind, number } of steps) {
        if (kind === "put") model.put(number, places++);
        else if (kind === "to the place of another") model.put(number, Math.trunc(places / 2));
        else if (kind === "remove") model.remove(number);
        else if (kind === "to its place again") {
          const place = placeBefore.get(number);
          if (place !== undefined && !model.placeOf.has(number)) model.put(number, place);
        } else if (kind === "take away") {
          const place = model.placeOf.get(number);
          if (place !== undefined) placeBefore.set(number, place);
          model.placeOf.delete(number);
        } else if (kind === "hold") model.hold(number);
        else if (kind === "let go") model.letGo(number);
        else if (kind === "is busy") model.busy.add(number);
        else if (kind === "is idle") model.busy.delete(number);
        else if (kind === "reset") model.ready.reset();
        else {
          const [limit, line] = [number % 7 + 1, number % 5 === 0 ? places / 2 : Infinity];
          assert.deepEqual(model.find(limit, line), model.expected(limit, line));
        }
      }
      assert.deepEqual(model.find(1_000), model.expected(1_000, Infinity));
    }),
    { numRuns: 200 },
  );
});

Deno.test("ReadyJobs fetches part of a long queue, and what comes meanwhile in its turn", () => {
  const model = new Model();
  for (let number = 0; number < 1_000; number++) model.put(number, number);
  assert.deepEqual(model.find(1), [0]);
  model.put(1_000, 1_000);
  for (let number = 0; number < 1_001; number++) {
    assert.deepEqual(model.find(1), [number]);
    model.placeOf.delete(number);
  }
  assert.deepEqual(model.find(1), []);
  assert.equal(model.fetches, 4);
});

Deno.test("ReadyJobs asks the database no more once it has all", () => {
  const model = new Model();
  assert.deepEqual(model.find(1), []);
  for (let number = 0; number < 1_000; number++) model.put(number, number);
  assert.equal(model.find(1_000).length, 1_000);
  assert.equal(model.fetches, 1);
});

Deno.test("ReadyJobs keeps a head of what is added without end", () => {
  const model = new Model();
  model.find(1);
  for (let number = 0; number < 20_000; number++) model.put(number, number);
  assert.ok(model.ready.mayFetch);
  assert.deepEqual(model.find(20_000), model.expected(20_000, Infinity));
});

Deno.test("ReadyJobs looks at no job that is held, however many there are, and fetches past them once", () => {
  const model = new Model();
  for (let number = 0; number < 15_000; number++) model.put(number, number);
  for (let number = 0; number < 15_000; number++) model.hold(number);
  model.put(15_000, 15_000);
  assert.deepEqual(model.find(1), [15_000]);
  const { fetches } = model;
  for (let number = 15_001; number < 15_100; number++) {
    model.hold(number - 1);
    model.put(number, number);
    assert.deepEqual(model.find(1), [number]);
  }
  assert.deepEqual([model.judged, model.fetches], [100, fetches]);
  model.letGo(7_000);
  assert.deepEqual(model.find(1), [7_000]);
});
