/**
 * The buffer of a run's output; tests/worker/output_test.ts has how it is read, tests/floods/output_test.ts
 * all of it.
 */
import assert from "node:assert/strict";
import { Output } from "./output.ts";

const TAIL_BYTES = 65_536;

/** Bytes that tell where they were: 0, 1, 2 ... 250, 0 and so on. */
function numbered(from: number, length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, index) => (from + index) % 251);
}

function pushAll(output: Output, total: number, chunkBytes: number) {
  for (let at = 0; at < total; at += chunkBytes) output.push(numbered(at, Math.min(chunkBytes, total - at)));
}

const CASES = [
  // name, limit, total, chunk, kept, dropped, tail
  ["less than the limit", 100, 99, 10, 99, 0, 0],
  ["exactly the limit", 100, 100, 10, 100, 0, 0],
  ["one byte more", 100, 101, 10, 100, 0, 1],
  ["a chunk across the limit", 105, 200, 10, 105, 0, 95],
  ["a limit of 0", 0, 50, 10, 0, 0, 50],
  ["exactly a tail more", 100, 100 + TAIL_BYTES, 1_000, 100, 0, TAIL_BYTES],
  ["a tail and one byte more", 100, 101 + TAIL_BYTES, 1_000, 100, 1, TAIL_BYTES],
  ["many tails more", 100, 1_000_003, 997, 100, 1_000_003 - 100 - TAIL_BYTES, TAIL_BYTES],
  ["chunks larger than a tail", 100, 500_000, 200_000, 100, 500_000 - 100 - TAIL_BYTES, TAIL_BYTES],
] as const;

for (const [name, limit, total, chunkBytes, kept, dropped, tailBytes] of CASES) {
  Deno.test(`Output keeps the beginning and the end of ${name}`, () => {
    const output = new Output(limit);
    pushAll(output, total, chunkBytes);
    assert.deepEqual(output.take(0), numbered(0, kept));
    const { droppedBytes, tail } = output.past();
    assert.equal(droppedBytes, dropped);
    assert.deepEqual(tail, numbered(total - tailBytes, tailBytes));
  });
}

Deno.test("Output is full once the limit is reached", () => {
  const output = new Output(3);
  output.push(numbered(0, 2));
  assert.equal(output.isFull, false);
  output.push(numbered(2, 1));
  assert.equal(output.isFull, true);
});

Deno.test("Output lets the first bytes go at once", () => {
  const output = new Output(100);
  assert.equal(output.waitMs(5), undefined);
  output.push(numbered(0, 1));
  assert.equal(output.waitMs(5), 0);
});

Deno.test("Output lets later bytes wait until 20 ms after the last post", () => {
  const output = new Output(100);
  output.push(numbered(0, 1));
  output.take(1_000);
  output.push(numbered(1, 1));
  assert.equal(output.waitMs(1_005), 15);
  assert.equal(output.waitMs(1_030), 0);
});

Deno.test("Output lets 64 KiB go at once", () => {
  const output = new Output(1_000_000);
  output.push(numbered(0, 1));
  output.take(1_000);
  output.push(numbered(0, 65_535));
  assert.equal(output.waitMs(1_000), 20);
  output.push(numbered(0, 1));
  assert.equal(output.waitMs(1_000), 0);
});

Deno.test("Output copies what is pushed, as the reader's buffer is used again", () => {
  const output = new Output(100);
  const chunk = numbered(0, 4);
  output.push(chunk);
  chunk.fill(9);
  assert.deepEqual(output.take(0), numbered(0, 4));
});
