import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { Lane } from "./lane.ts";
import { HeldUp } from "../../job/turn.ts";
import { Line } from "./line.ts";
import { MIGRATIONS } from "./migrations.ts";
import { order, type Ready } from "./turns.ts";

interface Queued {
  uid: number;
  turn: number;
}

const NO_LIMIT = () => Infinity;
/** The last two are ids of one user. */
const accountOf = (uid: number) => Math.min(uid, USERS - 2);
const NOTHING_IS_CLOSED = { isClosed: () => false };

/** A queue in a database, whose owner tells the line what it does, and what a search of all would find in it. */
class Queue implements Disposable {
  readonly #database = new DatabaseSync(":memory:");
  readonly #put;
  readonly #delete;
  readonly jobs = new Map<number, Queued>();
  readonly held = new Set<number>();
  readonly busy = new Set<number>();
  readonly line: Line;

  constructor() {
    for (const migration of MIGRATIONS) this.#database.exec(migration);
    this.#put = this.#database.prepare(
      `INSERT OR REPLACE INTO jobs
         (number, id, state, lane, turn, empty, uid, gid, mode, created_at, written_at, changed_at)
       VALUES (?, ?, 'pending', ?, ?, 0, ?, 0, 0, 0, 0, 0)`,
    );
    this.#delete = this.#database.prepare("DELETE FROM jobs WHERE number = ?");
    this.line = new Line(this.#database, (number) => this.held.has(number), accountOf);
  }

  put(number: number, uid: number, turn: number) {
    this.#leave(number);
    this.jobs.set(number, { uid, turn });
    this.#put.run(number, `job ${number}`, this.#lane(uid), turn, uid);
    this.#join(number);
  }

  remove(number: number) {
    this.#leave(number);
    this.jobs.delete(number);
    this.#delete.run(number);
  }

  hold(number: number) {
    this.#leave(number);
    this.held.add(number);
  }

  letGo(number: number) {
    this.held.delete(number);
    this.#join(number);
  }

  find(limit: number, line: number, room: (uid: number) => number): number[] {
    const heldUp = line === Infinity ? HeldUp.NOTHING : new HeldUp([{ turn: line, uid: 0 }]);
    return this.line.find(limit, heldUp, room, NOTHING_IS_CLOSED, (ready) => this.#mayStart(ready));
  }

  expected(limit: number, line: number, room: (uid: number) => number): number[] {
    const taken = new Map<number, number>();
    const mayStart = ({ number, turn }: Ready) => {
      const uid = this.jobs.get(number)?.uid as number;
      const ofAccount = taken.get(accountOf(uid)) ?? 0;
      if (turn >= line || ofAccount >= room(uid) || this.held.has(number) || this.busy.has(number)) {
        return false;
      }
      taken.set(accountOf(uid), ofAccount + 1);
      return true;
    };
    const all = [...this.jobs].map(([number, { turn }]) => ({ number, turn })).sort(order);
    return all.filter(mayStart).slice(0, limit).map(({ number }) => number);
  }

  [Symbol.dispose]() {
    this.#database.close();
  }

  #lane(uid: number): number {
    return this.line.laneOf(uid, [], () => {});
  }

  #leave(number: number) {
    const job = this.jobs.get(number);
    if (job && !this.held.has(number)) this.line.remove(this.#lane(job.uid), { number, turn: job.turn });
  }

  #join(number: number) {
    const job = this.jobs.get(number);
    if (job && !this.held.has(number)) this.line.add(this.#lane(job.uid), { number, turn: job.turn });
  }

  #mayStart({ number, turn }: Ready): boolean {
    assert.equal(this.jobs.get(number)?.turn, turn, "what is looked at has that turn");
    assert.ok(!this.held.has(number), "what is held is not looked at");
    return !this.busy.has(number);
  }
}

const USERS = 4;
const steps = fc.array(
  fc.record({
    kind: fc.constantFrom(
      ...[
        "put",
        "put",
        "put",
        "put",
        "put",
        "put",
        "put again",
        "put to the turn of another",
        "remove",
      ] as const,
      ...["remove", "hold", "let go", "is busy", "is idle", "reset", "find", "find", "find"] as const,
    ),
    number: fc.nat(400),
    uid: fc.nat(USERS - 1),
  }),
  { minLength: 100, maxLength: 2_000, size: "max" },
);

Deno.test("Line finds what a search of all would, past who is held, busy or has no room, up to the line", () => {
  fc.assert(
    fc.property(steps, (steps) => {
      using queue = new Queue();
      const turnBefore = new Map<number, number>();
      let turns = 0;
      for (const { kind, number, uid } of steps) {
        const turn = queue.jobs.get(number)?.turn;
        if (turn !== undefined) turnBefore.set(number, turn);
        if (kind === "put") queue.put(number, uid, turns++);
        else if (kind === "put again") queue.put(number, uid, turnBefore.get(number) ?? turns++);
        else if (kind === "put to the turn of another") queue.put(number, uid, Math.trunc(turns / 2));
        else if (kind === "remove") queue.remove(number);
        else if (kind === "hold") queue.hold(number);
        else if (kind === "let go") queue.letGo(number);
        else if (kind === "is busy") queue.busy.add(number);
        else if (kind === "is idle") queue.busy.delete(number);
        else if (kind === "reset") queue.line.reset();
        else {
          const line = number % 5 === 0 ? turns / 2 : Infinity;
          const room = (other: number) => other === uid ? number % 3 : Infinity;
          const search = [number % 7 + 1, line, number % 2 ? room : NO_LIMIT] as const;
          assert.deepEqual(queue.find(...search), queue.expected(...search));
        }
      }
      assert.deepEqual(queue.find(1_000, Infinity, NO_LIMIT), queue.expected(1_000, Infinity, NO_LIMIT));
    }),
    { numRuns: 50 },
  );
});

Deno.test("Line gives a user one lane, and takes it back with what made it", () => {
  using queue = new Queue();
  const steps: (() => void)[] = [];
  const lane = queue.line.laneOf(7, [], (step) => steps.push(step));
  assert.equal(queue.line.laneOf(7, [], () => assert.fail("it is there")), lane);
  assert.notEqual(queue.line.laneOf(8, [], () => {}), lane);
  queue.line.add(lane, { number: 1, turn: 1 });
  for (const step of steps) step();
  assert.deepEqual(queue.line.find(1, HeldUp.NOTHING, NO_LIMIT, NOTHING_IS_CLOSED, () => true), []);
});

Deno.test("Line takes no more of all ids of a user than there is room for", () => {
  using queue = new Queue();
  for (let number = 1; number <= 10; number++) queue.put(number, number % 2 ? USERS - 2 : USERS - 1, number);
  assert.deepEqual(queue.find(10, Infinity, () => 3), [1, 2, 3]);
  assert.deepEqual(queue.find(10, Infinity, (uid) => uid === USERS - 1 ? 2 : 4), [1, 2, 3, 5]);
});

Deno.test("Line does not ask a lane whose user has no room, however many wait in it", () => {
  using queue = new Queue();
  for (let number = 1; number <= 1_000; number++) queue.put(number, 1, number);
  queue.put(1_001, 2, 1_001);
  const asked: number[] = [];
  const found = queue.line.find(
    5,
    HeldUp.NOTHING,
    (uid) => uid === 1 ? 0 : Infinity,
    NOTHING_IS_CLOSED,
    ({ number }) => {
      asked.push(number);
      return true;
    },
  );
  assert.deepEqual([found, asked], [[1_001], [1_001]]);
});

/** A lane, and what its database would know. */
class LaneQueue {
  readonly turnOf = new Map<number, number>();
  readonly held = new Set<number>();
  fetches = 0;
  fetched = 0;
  readonly lane: Lane;

  constructor() {
    this.lane = new Lane((after, limit) => {
      this.fetches++;
      const found = this.#sorted().filter((one) => order(one, after) > 0).slice(0, limit);
      this.fetched += found.length;
      return found;
    }, (number) => this.held.has(number));
  }

  put(number: number) {
    this.turnOf.set(number, number);
    this.lane.add({ number, turn: number });
  }

  hold(number: number) {
    this.held.add(number);
    this.lane.remove({ number, turn: number });
  }

  letGo(number: number) {
    this.held.delete(number);
    this.lane.add({ number, turn: number });
  }

  /** The first, which is in it no more. */
  take(): number | undefined {
    const first = this.lane.at(0);
    if (!first) return undefined;
    this.turnOf.delete(first.number);
    this.lane.remove(first);
    return first.number;
  }

  #sorted(): Ready[] {
    return [...this.turnOf].map(([number, turn]) => ({ number, turn })).sort(order);
  }
}

Deno.test("Lane fetches part of a long queue, and what comes meanwhile in its turn", () => {
  const queue = new LaneQueue();
  for (let number = 0; number < 1_000; number++) queue.put(number);
  assert.equal(queue.lane.at(0)?.number, 0);
  assert.equal(queue.fetched, 256);
  queue.put(1_000);
  for (let number = 0; number <= 1_000; number++) assert.equal(queue.take(), number);
  assert.equal(queue.take(), undefined);
  assert.deepEqual([queue.fetches, queue.lane.isEmpty], [4, true]);
});

Deno.test("Lane asks the database no more once it has all, nor where it is empty", () => {
  const queue = new LaneQueue();
  assert.equal(queue.take(), undefined);
  for (let number = 0; number < 1_000; number++) queue.put(number);
  for (let number = 0; number < 1_000; number++) assert.equal(queue.take(), number);
  assert.equal(queue.fetches, 1);
  assert.deepEqual([queue.take(), queue.fetches, queue.lane.isEmpty], [undefined, 1, true]);
});

Deno.test("Lane keeps a head of what is added without end", () => {
  const queue = new LaneQueue();
  assert.equal(queue.take(), undefined);
  for (let number = 0; number < 20_000; number++) queue.put(number);
  assert.equal(queue.lane.isEmpty, false);
  for (let number = 0; number < 20_000; number++) assert.equal(queue.lane.at(number)?.number, number);
  assert.ok(queue.fetches > 1, "not all were in memory");
  assert.equal(queue.lane.at(20_000), undefined);
});

Deno.test("Lane looks at no job that is held, however many there are, and fetches past them once", () => {
  const queue = new LaneQueue();
  for (let number = 0; number < 15_000; number++) queue.put(number);
  for (let number = 0; number < 15_000; number++) queue.hold(number);
  queue.put(15_000);
  assert.equal(queue.lane.at(0)?.number, 15_000);
  const { fetches } = queue;
  for (let number = 15_001; number < 15_100; number++) {
    queue.hold(number - 1);
    queue.put(number);
    assert.equal(queue.lane.at(0)?.number, number);
  }
  assert.equal(queue.fetches, fetches);
  queue.letGo(7_000);
  assert.equal(queue.lane.at(0)?.number, 7_000);
});
