import assert from "node:assert/strict";
import { isDraft, parseJobId, replacedBy } from "./id.ts";

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

const DRAFTS = [
  ...[".x", ".x.Ab12Cd", "x~", "#x#", "#.x#", "#x#y#"],
  ...[
    "x.tmp",
    "x.TMP",
    "x.temp",
    "x.tmp-1623f4a",
    "x.tmp.4711",
    "x.sh.tmp",
    "x.part",
    "x.sh.partial",
    "x.5f3a.partial",
  ],
  ...["x.filepart", "x.crdownload", "x.opdownload", "x.incomplete", "x.aria2", "x.aria2__temp"],
  ...["x.swp", "x.swo", "x.swx", "x.swpx", "x___jb_tmp___", "x___jb_old___"],
];
for (const id of DRAFTS) Deno.test(`${id} is the name of a draft`, () => assert.ok(isDraft(id)));

const IDS = [
  ...["x", "x.y", "~x", "x.1", "backup.2026", "x.1310408140", "#x", "x#", "#", "##", "# #x", "x.tmp.4711.sh"],
  ...[
    "tmp",
    "part",
    "apart",
    "x.tmpl",
    "x.party",
    "x-part",
    "tmp.x",
    "swp",
    "xswp",
    "x.download",
    "x.bak",
    "x.old",
  ],
];
for (const id of IDS) Deno.test(`${id} is the name of a job`, () => assert.ok(!isDraft(id)));

const REPLACED = [["x.1310408140", "x"], ["x.sh.123456", "x.sh"], ["x.1", undefined], [
  ".123456",
  undefined,
]] as const;
for (const [id, replaced] of REPLACED) {
  Deno.test(`${id} may be about to replace ${replaced ?? "no other"}`, () =>
    assert.equal(replacedBy(id), replaced));
}
