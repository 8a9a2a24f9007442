import assert from "node:assert/strict";
import { escapeInvisible } from "./invisible.ts";

const CASES: [what: string, text: string, shown: string][] = [
  ["plain text", "line 2: größer, 大, \\u0041", "line 2: größer, 大, \\u0041"],
  ["control characters", "a\n\x1b[31m\x00\x7f\x9b", "a\\u000a\\u001b[31m\\u0000\\u007f\\u009b"],
  ["what ends a line elsewhere", "a\u2028b\u2029", "a\\u2028b\\u2029"],
  ["what turns text around", "\u202egpj.exe\u2066", "\\u202egpj.exe\\u2066"],
  ["what has no width", "a\u200d\ufeffb\u00ad", "a\\u200d\\ufeffb\\u00ad"],
  ["what takes two units", "\u{e0041}", "\\udb40\\udc41"],
];
for (const [what, text, shown] of CASES) {
  Deno.test(`escapeInvisible() of ${what}`, () => assert.equal(escapeInvisible(text), shown));
}
