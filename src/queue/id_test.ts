import assert from "node:assert/strict";
import { isDraft, parseJobId } from "./id.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);

const NAMES = [
  ["a plain name", utf8("backup"), "backup"],
  ["one byte", utf8("1"), "1"],
  ["255 bytes", utf8("x".repeat(255)), "x".repeat(255)],
  ["255 bytes in fewer characters", utf8("é".repeat(127) + "x"), "é".repeat(127) + "x"],
  ["a leading dash and spaces", utf8("-rf a b"), "-rf a b"],
  ["quotes and dollars", utf8(`'"$(x)`), `'"$(x)`],
  ["a byte order mark", utf8("\ufeffx"), "\ufeffx"],
  ["256 bytes", utf8("x".repeat(256)), { fault: "too-long" }],
  ["4,095 bytes", utf8("x".repeat(4095)), { fault: "too-long" }],
  ["nothing", utf8(""), { fault: "malformed" }],
  ["a newline", utf8("a\nb"), { fault: "malformed" }],
  ["an escape", utf8("\u001b[2J"), { fault: "malformed" }],
  ["DEL", utf8("a\u007f"), { fault: "malformed" }],
  ["C1", utf8("a\u009b"), { fault: "malformed" }],
  ["Latin-1", Uint8Array.of(0x63, 0x61, 0x66, 0xe9), { fault: "malformed" }],
  ["half a character", Uint8Array.of(0xc3), { fault: "malformed" }],
  ["a surrogate", Uint8Array.of(0xed, 0xa0, 0x80), { fault: "malformed" }],
] as const;
for (const [name, bytes, expected] of NAMES) {
  Deno.test(`parseJobId() of ${name}`, () => assert.deepEqual(parseJobId(bytes), expected));
}

const DRAFTS = [["x", false], [".x", true], [".x.Ab12Cd", true], ["x~", true], ["x.y", false], [
  "~x",
  false,
]] as const;
for (const [id, expected] of DRAFTS) {
  Deno.test(`isDraft("${id}") is ${expected}`, () => assert.equal(isDraft(id), expected));
}
