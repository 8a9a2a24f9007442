import assert from "node:assert/strict";
import fc from "fast-check";
import { PIECE_BYTES, Pieces } from "./pieces.ts";

/** Around the ends of pieces, where it is easy to be wrong by one. */
const position = fc.tuple(fc.nat(3), fc.integer({ min: -2, max: 2 })).map(([pieces, off]) =>
  Math.max(0, pieces * PIECE_BYTES + off)
);
const step = fc.oneof(
  fc.record({ what: fc.constant("write" as const), at: position, length: position, byte: fc.nat(255) }),
  fc.record({ what: fc.constant("resize" as const), at: position, length: position, byte: fc.nat(255) }),
);

Deno.test("whatever is written and cut, it is as in an array, and the versions before stay what they were", () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 6 }),
      position,
      position,
      fc.nat(255),
      (steps, from, length, byte) => {
        let pieces = Pieces.EMPTY;
        let array: Uint8Array = new Uint8Array();
        const versions: [Pieces, Uint8Array][] = [];
        for (const step of steps) {
          versions.push([pieces, array]);
          if (step.what === "write") {
            const data = new Uint8Array(step.length).fill(step.byte);
            if (data.length === 0) continue;
            const after = new Uint8Array(Math.max(array.length, step.at + data.length));
            after.set(array);
            after.set(data, step.at);
            array = after;
            pieces = pieces.written(step.at, data);
          } else {
            const after = new Uint8Array(step.at);
            after.set(array.subarray(0, step.at));
            array = after;
            pieces = pieces.resized(step.at);
          }
        }
        versions.push([pieces, array]);
        for (const [version, bytes] of versions) {
          assert.equal(version.length, bytes.length);
          assert.ok(
            version.all.every((piece, index) =>
              piece.length === Math.min(PIECE_BYTES, version.length - index * PIECE_BYTES)
            ),
          );
          assert.ok(equal(version.subarray(), bytes));
          assert.ok(equal(version.subarray(from, from + length), bytes.subarray(from, from + length)));
          assert.equal(version.at(from), bytes[from]);
          assert.equal(version.indexOf(byte, from), bytes.indexOf(byte, from));
          assert.equal(version.includes(byte), bytes.includes(byte));
        }
      },
    ),
    { numRuns: 300 },
  );
});

Deno.test("a write makes no piece anew but those that it touches", () => {
  const before = Pieces.of(new Uint8Array(4 * PIECE_BYTES).fill(1));
  const after = before.written(2 * PIECE_BYTES - 1, Uint8Array.of(2, 2));
  const isShared = before.all.map((piece, index) => piece === after.all[index]);
  assert.deepEqual(isShared, [true, false, false, true]);
  assert.deepEqual(after.resized(PIECE_BYTES).all, [before.all[0]]);
});

Deno.test("an array and what is made of its pieces are the same", () => {
  const array = Uint8Array.from({ length: 2 * PIECE_BYTES + 3 }, (_, index) => index % 251);
  const pieces = Pieces.of(array);
  assert.equal(Pieces.of(pieces), pieces);
  assert.ok(equal(Pieces.from(pieces.all).subarray(), array));
});

function equal(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}
