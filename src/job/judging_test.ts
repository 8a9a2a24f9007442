import assert from "node:assert/strict";
import fc from "fast-check";
import type { Bytes } from "./pieces.ts";
import { Pieces } from "./pieces.ts";
import { Judging } from "./judging.ts";
import { judge } from "./submission.ts";

const NOW = 1_000_000;
const utf8 = (text: string) => new TextEncoder().encode(text);
const TEXTS = [
  "#!/bin/sh\n",
  "#filed nice=3\n",
  "#filed stdin=END\n",
  "#filed stdin",
  "=END\n",
  "#filed nise=3\n",
  "# a comment\n",
  "\n",
  "END",
  "END\n",
  "echo a\n",
  "echo a\r\n",
  "x",
  "\0",
  "\0x",
  "\x7fELF",
  "#".repeat(40_000),
  "x".repeat(40_000),
];
const step = fc.record({
  text: fc.constantFrom(...TEXTS).map(utf8),
  where: fc.constantFrom("end", "end", "end", "inside", "past", "cut"),
  at: fc.nat(200),
});

Deno.test("what is found of each write is what judging all of it finds", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 10 }), (steps) => {
      const judging = new Judging();
      let content = Pieces.EMPTY;
      for (const { text, where, at } of steps) {
        if (where === "cut") {
          content = content.resized(Math.min(at, content.length));
          judging.changed(content.length);
          continue;
        }
        const offset = where === "end"
          ? content.length
          : Math.min(at, content.length) + (where === "past" ? 9 : 0);
        const after = content.written(offset, text);
        judging.changed(Math.min(offset, content.length));
        const found = judging.judge(after, text, NOW);
        const expected = judge(after, "part", NOW, text);
        assert.equal(found.kind, expected.kind);
        if (found.kind === "refused") judging.changed(Math.min(offset, content.length)); // It is taken back.
        else {
          assert.deepEqual(found.header?.asks, expected.kind === "sound" ? expected.header?.asks : undefined);
          content = after;
        }
      }
    }),
    { numRuns: 3_000 },
  );
});

/** Counts what is looked at of it. */
class Counted implements Bytes {
  looked = 0;
  constructor(private readonly bytes: Pieces) {}
  get length() {
    return this.bytes.length;
  }
  at(index: number) {
    this.looked++;
    return this.bytes.at(index);
  }
  indexOf(byte: number, from = 0) {
    const found = this.bytes.indexOf(byte, from);
    this.looked += (found < 0 ? this.length : found) - from;
    return found;
  }
  includes(byte: number) {
    return this.indexOf(byte) >= 0;
  }
  subarray(from = 0, to = this.length) {
    this.looked += Math.min(to, this.length) - from;
    return this.bytes.subarray(from, to);
  }
}

const BLOCK = 4_096;
const LONG: [string, string][] = [
  ["lines of text", "echo a\n"],
  ["one line", "x"],
  ["comments", "# a\n"],
  ["one comment", "#"],
  ["a command whose data is sought", "#filed stdin=END\n"],
  ["a program", "\x7fELF\x02\x01"],
];
for (const [what, start] of LONG) {
  Deno.test(`a write to the end of ${what} costs no more where that is long`, () => {
    const judging = new Judging();
    let content = Pieces.EMPTY;
    const counts: number[] = [];
    const body = utf8((/^[\x7f]|stdin/.test(start) ? "x\n" : start).repeat(BLOCK)).subarray(0, BLOCK);
    for (let write = 0; write < 200; write++) {
      const data = write === 0 ? utf8(start.padEnd(BLOCK, "\n")) : body;
      const offset = content.length;
      content = content.written(offset, data);
      judging.changed(offset);
      const counted = new Counted(content);
      assert.equal(judging.judge(counted, data, NOW).kind, "sound");
      counts.push(counted.looked);
    }
    const last = Math.max(...counts.slice(-50));
    assert.ok(last <= 2 * BLOCK, `${last} bytes are looked at`);
  });
}
