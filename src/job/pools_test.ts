import assert from "node:assert/strict";
import {
  faultOfPools,
  faultOfUse,
  formatUse,
  FreeSlots,
  parseUse,
  type Pools,
  poolVariables,
  type Use,
} from "./pools.ts";
import { mayReserve } from "./obstacles.ts";

const USES: [text: string, use: Use | undefined][] = [
  ["gpu", [["gpu", 1]]],
  ["gpu:2", [["gpu", 2]]],
  ["gpu:2,api", [["api", 1], ["gpu", 2]]],
  ["_x9:1000", [["_x9", 1_000]]],
  ["__proto__,constructor", [["__proto__", 1], ["constructor", 1]]],
  ["", undefined],
  ["gpu,", undefined],
  ["gpu:", undefined],
  ["gpu:0", undefined],
  ["gpu:-1", undefined],
  ["gpu:1.5", undefined],
  ["gpu:1001", undefined],
  ["gpu:99999", undefined],
  ["gpu:1:1", undefined],
  ["gpu,gpu:2", undefined],
  ["9gpu", undefined],
  ["g-pu", undefined],
  ["gpu, api", undefined],
  ["x".repeat(65), undefined],
];
for (const [text, use] of USES) {
  Deno.test(`parseUse() of ${JSON.stringify(text)}`, () => assert.deepEqual(parseUse(text), use));
}

Deno.test("formatUse() is one text for all that want the same", () => {
  assert.equal(formatUse(parseUse("gpu:2,api") ?? []), "api:1,gpu:2");
  assert.equal(formatUse(parseUse("api:1,gpu:2") ?? []), "api:1,gpu:2");
  assert.equal(formatUse([]), "");
});

const POOLS_WRITTEN: [text: string, fault: RegExp | undefined][] = [
  ['{"gpu": 2, "api": 0}', undefined],
  ["{}", undefined],
  ['{"__proto__": 2}', undefined],
  ["[]", /^pools is \[\]; it takes an object/],
  ["null", /^pools is null; it takes an object/],
  ["4", /^pools is 4; it takes an object/],
  ['{"g-pu": 2}', /^pools: "g-pu" is no name/],
  ['{"": 2}', /^pools: "" is no name/],
  ['{"gpu": -1}', /^pools: gpu is -1; it takes a whole number from 0 to 1000$/],
  ['{"gpu": 1.5}', /gpu is 1.5/],
  ['{"gpu": "2"}', /gpu is "2"/],
  ['{"gpu": {"slots": 5, "total": true}}', /gpu is \{/],
  ['{"gpu": 1001}', /gpu is 1001/],
];
for (const [text, fault] of POOLS_WRITTEN) {
  Deno.test(`faultOfPools() of ${text}`, () => {
    const found = faultOfPools(JSON.parse(text));
    if (fault) assert.match(found ?? "none", fault);
    else assert.equal(found, undefined);
  });
}

Deno.test("faultOfPools() of too many", () => {
  const pools = Object.fromEntries(Array.from({ length: 101 }, (_, index) => [`p${index}`, 1]));
  assert.equal(faultOfPools(pools), "pools: there are 101; it takes up to 100");
});

const POOLS: Pools = { gpu: 2, api: 5, off: 0 };
const FAULTS: [use: string, pools: Pools, fault: string | undefined][] = [
  ["gpu:2,api", POOLS, undefined],
  ["off:3", POOLS, undefined],
  ["gpu:3", POOLS, "use=gpu:3: the pool has 2"],
  ["disk", POOLS, "use=disk: no such pool; the pools are gpu, api, off"],
  ["toString", POOLS, "use=toString: no such pool; the pools are gpu, api, off"],
  ["gpu", {}, "use=gpu: no such pool; config.json declares none"],
];
for (const [use, pools, fault] of FAULTS) {
  Deno.test(`faultOfUse() of ${use} with ${JSON.stringify(pools)}`, () => {
    assert.equal(faultOfUse(parseUse(use) ?? [], pools), fault);
  });
}

/** What a search makes of jobs in the order of the queue: `starts`, `reserves`, or `passes`. */
function search(used: Record<string, number>, ...uses: string[]): string[] {
  const free = new FreeSlots(POOLS, (pool) => used[pool] ?? 0);
  return uses.map((text) => {
    const use = parseUse(text) ?? [];
    const found = free.obstacles(use);
    if (found.length === 0) {
      free.take(use);
      return "starts";
    }
    if (!mayReserve(found)) return found.map(({ because }) => because).join(" ");
    free.reserve(use);
    return "reserves";
  });
}

const SEARCHES: [name: string, used: Record<string, number>, jobs: string[], expected: string[]][] = [
  ["free pools", {}, ["gpu", "gpu", "api:5"], ["starts", "starts", "starts"]],
  ["what those before have taken", {}, ["gpu:2", "gpu"], ["starts", "reserves"]],
  ["slots in use", { gpu: 1 }, ["gpu", "gpu"], ["starts", "reserves"]],
  ["one that wants more than is free", { gpu: 1 }, ["gpu:2", "gpu", "api"], [
    "reserves",
    "reserved",
    "starts",
  ]],
  ["one that wants two pools, all or none", { gpu: 2 }, ["gpu,api", "api", "gpu"], [
    "reserves",
    "reserved",
    "reserved",
  ]],
  ["one behind a reservation, which reserves nothing", { gpu: 2 }, ["gpu", "api,gpu", "api"], [
    "reserves",
    "reserved",
    "starts",
  ]],
  ["a pool that is paused, which nobody reserves", {}, ["off,api:5", "api:5"], ["paused", "starts"]],
  ["more than the pool has by now", {}, ["api:5,gpu:3", "gpu:2"], ["too-small", "starts"]],
  ["a pool that is not there any more", {}, ["disk,gpu:2", "gpu:2"], ["undeclared", "starts"]],
  ["a pool that was made smaller than what is in use", { gpu: 4 }, ["gpu", "api"], ["reserves", "starts"]],
];
for (const [name, used, jobs, expected] of SEARCHES) {
  Deno.test(`FreeSlots with ${name}`, () => assert.deepEqual(search(used, ...jobs), expected));
}

const CLOSED: [
  name: string,
  used: Record<string, number>,
  use: string,
  any: boolean,
  onePoolEach: boolean,
][] = [
  ["free", {}, "gpu", false, false],
  ["full for it, but not for another", { gpu: 1 }, "gpu:2", false, false],
  ["full", { gpu: 2 }, "gpu", false, true],
  ["more than full", { gpu: 3 }, "gpu", false, true],
  ["paused", {}, "off", true, true],
  ["too small", {}, "gpu:3,api", true, true],
  ["not there", {}, "disk,api", true, true],
];
for (const [name, used, use, any, onePoolEach] of CLOSED) {
  Deno.test(`FreeSlots.isClosed() where what is wanted is ${name}`, () => {
    const free = new FreeSlots(POOLS, (pool) => used[pool] ?? 0);
    assert.equal(free.isClosed(parseUse(use) ?? [], "any"), any);
    assert.equal(free.isClosed(parseUse(use) ?? [], "one-pool-each"), onePoolEach);
  });
}

Deno.test("FreeSlots.isClosed() where what is wanted is reserved", () => {
  const free = new FreeSlots(POOLS, () => 1);
  free.reserve([["gpu", 2]]);
  assert.equal(free.isClosed([["gpu", 1]], "any"), true);
  assert.equal(free.isClosed([["api", 1]], "any"), false);
});

Deno.test("poolVariables() names the slots", () => {
  assert.deepEqual(poolVariables([["gpu", [0, 1]], ["api", [4]]]), [["FILED_POOL_gpu", "0,1"], [
    "FILED_POOL_api",
    "4",
  ]]);
});
