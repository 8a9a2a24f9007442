import assert from "node:assert/strict";
import { readTimeMs, writeTimeMs, writeValidMs } from "./wire.ts";

const TIMES = [
  ["the epoch", 0, 0n, 0],
  ["a millisecond before it", -1, -1n, 999_000_000],
  ["1960", -315_619_200_000, -315_619_200n, 0],
  ["a microsecond", 1_700_000_000_123.456, 1_700_000_000n, 123_456_000],
  ["just below a second", 1_700_000_000_999.9996, 1_700_000_001n, 0],
] as const;
for (const [name, ms, seconds, nanoseconds] of TIMES) {
  Deno.test(`writeTimeMs() of ${name}`, () => {
    const body = new DataView(new ArrayBuffer(12));
    writeTimeMs(body, 0, 8, ms);
    assert.deepEqual([body.getBigInt64(0, true), body.getUint32(8, true)], [seconds, nanoseconds]);
  });
}

const READ = [
  ["1960 and a half second", -315_619_200n, 500_000_000, -315_619_199_500],
  ["nanoseconds, cut", 1_700_000_000n, 123_456_999, 1_700_000_000_123.456],
] as const;
for (const [name, seconds, nanoseconds, ms] of READ) {
  Deno.test(`readTimeMs() of ${name}`, () => {
    const body = new DataView(new ArrayBuffer(12));
    body.setBigInt64(0, seconds, true);
    body.setUint32(8, nanoseconds, true);
    assert.equal(readTimeMs(body, 0, 8), ms);
  });
}

Deno.test("writeValidMs() of Infinity is long and finite", () => {
  const body = new DataView(new ArrayBuffer(12));
  writeValidMs(body, 0, 8, Infinity);
  assert.equal(body.getBigInt64(0, true), 2n ** 31n);
});
