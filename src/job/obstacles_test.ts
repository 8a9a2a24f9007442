import assert from "node:assert/strict";
import type { Pending } from "./job.ts";
import { mayReserve, type Obstacle, obstacles, type Surroundings } from "./obstacles.ts";
import { HeldUp } from "./turn.ts";

const NOW = 1_000_000;
const FREE: Pending = {
  state: "pending",
  number: 1,
  file: 1,
  id: "a",
  commandBytes: 1,
  attempts: 0,
  ordinal: 0,
  turn: 10,
  visibleAt: null,
  deadlineAt: null,
  asks: {},
  isEmpty: false,
  blocked: 0,
  held: false,
  uid: 5,
  gid: 5,
  mode: 0o600,
  foreignWriter: null,
  createdAt: NOW,
  writtenAt: NOW,
  changedAt: NOW,
  accessedAt: null,
};
const QUIET: Surroundings = {
  heldUp: HeldUp.NOTHING,
  hasLeftover: () => false,
  room: () => 1,
  lock: () => undefined,
  pools: () => [],
  now: NOW,
};
const HELD: Obstacle = { kind: "lock", name: "deploy", because: "held", by: 7 };
const FULL: Obstacle = { kind: "pool", pool: "gpu", wants: 1, size: 2, because: "full" };

const CASES: [name: string, job: Partial<Pending>, around: Partial<Surroundings>, expected: Obstacle[]][] = [
  ["a job that nothing keeps", {}, {}, []],
  ["one that was never submitted", { turn: null }, {}, [{ kind: "not-submitted" }]],
  ["an empty one", { isEmpty: true }, {}, [{ kind: "empty" }]],
  ["one that somebody has open", { held: true }, {}, [{ kind: "held" }]],
  ["one that is held, and so holds up the line", { held: true }, {
    heldUp: new HeldUp([{ turn: 10, uid: 1 }]),
  }, [{
    kind: "held",
  }]],
  ["one behind the line", {}, { heldUp: new HeldUp([{ turn: 9, uid: 1 }]) }, [{ kind: "in-line" }]],
  ["one whose turn is that of the line", {}, { heldUp: new HeldUp([{ turn: 10, uid: 1 }]) }, [{
    kind: "in-line",
  }]],
  ["one before the line", {}, { heldUp: new HeldUp([{ turn: 11, uid: 1 }]) }, []],
  [
    "one without a turn where there is a line",
    { turn: null },
    { heldUp: new HeldUp([{ turn: 0, uid: 1 }]) },
    [{
      kind: "not-submitted",
    }],
  ],
  ["one that waits", { visibleAt: NOW + 1 }, {}, [{ kind: "time", at: NOW + 1 }]],
  ["one that is due", { visibleAt: NOW }, {}, []],
  ["one whose time is past", { visibleAt: NOW - 1 }, {}, []],
  ["one that may start until later", { deadlineAt: NOW + 1 }, {}, []],
  ["one that is too late", { deadlineAt: NOW }, {}, [{ kind: "deadline", at: NOW }]],
  ["one that waits for two others", { blocked: 2 }, {}, [{ kind: "dependency", open: 2 }]],
  ["one of whose run something is left", {}, { hasLeftover: () => true }, [{ kind: "leftover" }]],
  ["one where something of another is left", {}, { hasLeftover: ({ id }) => id === "b" }, []],
  ["one whose user has no room", {}, { room: () => 0 }, [{ kind: "share" }]],
  ["one whose user has more than there is room for", {}, { room: () => -2 }, [{ kind: "share" }]],
  ["one where another user has no room", {}, { room: (uid) => uid === 6 ? 0 : 1 }, []],
  ["one whose lock is held", { asks: { lock: { name: "deploy" } } }, { lock: () => HELD }, [HELD]],
  ["one whose lock is free", { asks: { lock: { name: "deploy" } } }, {}, []],
  ["one whose pool is full", { asks: { use: [["gpu", 1]] } }, { pools: () => [FULL] }, [FULL]],
  ["one that wants no pool and no lock", {}, { lock: () => HELD, pools: () => [FULL] }, []],
  ["one that all keeps", {
    ...{ turn: null, isEmpty: true, held: true, visibleAt: NOW + 5, deadlineAt: NOW - 1, blocked: 1 },
  }, {
    heldUp: new HeldUp([{ turn: 0, uid: 1 }]),
    hasLeftover: () => true,
    room: () => 0,
  }, [
    { kind: "not-submitted" },
    { kind: "empty" },
    { kind: "held" },
    { kind: "time", at: NOW + 5 },
    { kind: "deadline", at: NOW - 1 },
    { kind: "dependency", open: 1 },
    { kind: "leftover" },
    { kind: "share" },
  ]],
];
for (const [name, job, around, expected] of CASES) {
  Deno.test(`obstacles() of ${name}`, () => {
    assert.deepEqual(obstacles({ ...FREE, ...job }, { ...QUIET, ...around }), expected);
  });
}

Deno.test("only full pools let a job reserve", () => {
  const full = { kind: "pool", pool: "gpu", wants: 1, size: 2, because: "full" } as const;
  assert.equal(mayReserve([full]), true);
  assert.equal(mayReserve([{ kind: "leftover" }, full]), false);
  assert.equal(mayReserve([full, { ...full, because: "paused" }]), false);
});
