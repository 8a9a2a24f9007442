/** Headers of any bytes: read in pieces as in one go. What each line says: src/job/header_test.ts. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { judge } from "../../src/job/submission.ts";

const NOW = 1_000_000;
const ENCODER = new TextEncoder();

const LINES = [
  "#!/bin/sh",
  "#filed nice=3",
  "#filed  timeout_sec=1h30m\tpriority=-4",
  "#filed stdin=END",
  "#filed cwd='/a b'",
  "#filed cwd='/a",
  "#filed nise=3",
  "# comment",
  "//filed final=2,64-78",
  "--filed warn_sec=10",
  "",
  " \t",
  "END",
  "echo a",
  "echo a\r",
  "\u0000",
  "\ufeff",
];
const line = fc.oneof(
  { weight: 9, arbitrary: fc.constantFrom(...LINES).map((text) => ENCODER.encode(text)) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 12 }) },
);
/** Lines, with a newline behind each or not behind the last. */
const content = fc.tuple(fc.array(line, { maxLength: 8 }), fc.boolean()).map(([lines, isEnded]) => {
  const bytes = lines.flatMap((line, index) => [...line, ...index < lines.length - 1 || isEnded ? [10] : []]);
  return Uint8Array.from(bytes);
});

Deno.test("what is refused of a part is refused of the whole, and what is asked for does not change", () => {
  fc.assert(
    fc.property(content, fc.nat(), (bytes, cut) => {
      const part = judge(bytes.subarray(0, cut % (bytes.length + 1)), "part", NOW);
      const whole = judge(bytes, "whole", NOW);
      if (part.kind === "refused") return assert.equal(whole.kind, "refused");
      if (whole.kind === "refused" || !part.header) return;
      for (const [key, value] of Object.entries(part.header.asks)) {
        assert.deepEqual(whole.header?.asks[key as keyof typeof whole.header.asks], value);
      }
    }),
    { numRuns: 20_000 },
  );
});

Deno.test("a command and its data are the content without the line between them", () => {
  fc.assert(
    fc.property(content, (bytes) => {
      const submission = judge(bytes, "whole", NOW);
      const stdin = submission.kind === "sound" ? submission.header?.asks.stdin : undefined;
      if (!stdin) return;
      const { commandBytes, dataAt } = stdin;
      assert.ok(commandBytes <= dataAt && dataAt <= bytes.length);
      assert.equal(new TextDecoder().decode(bytes.subarray(commandBytes, dataAt)).replace(/\n$/, ""), "END");
    }),
    { numRuns: 20_000 },
  );
});
