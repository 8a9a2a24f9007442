import assert from "node:assert/strict";
import { decodeInitIn, encodeInitOut, negotiate } from "./init.ts";

const ALL = 0x1064_1029 | 1 << 6 | 1 << 13 | 1 << 14; // every flag we want
const OPTIONS = { pageSizeBytes: 4096, listing: "with-attributes" } as const;
const offer = (minor: number, flags: number, major = 7) => ({
  major,
  minor,
  maxReadaheadBytes: 131072,
  flags,
});

const AGREED = [
  ["5.4 with everything", offer(31, -1), 4096, { minor: 31, flags: ALL, maxPages: 32 }],
  ["5.15", offer(34, 0x3bff_fffb), 4096, { minor: 34, flags: ALL, maxPages: 32 }],
  ["6.1", offer(38, -1), 4096, { minor: 38, flags: ALL, maxPages: 32 }],
  ["6.18, newer than us", offer(45, 0x73ff_fffb), 4096, { minor: 38, flags: ALL, maxPages: 32 }],
  ["pages of 16 KiB", offer(45, -1), 16_384, { minor: 38, flags: ALL, maxPages: 8 }],
  ["pages of 64 KiB", offer(45, -1), 65_536, { minor: 38, flags: ALL, maxPages: 2 }],
  ["nothing offered", offer(45, 0), 4096, { minor: 38, flags: 0, maxPages: 0 }],
  ["BIG_WRITES only", offer(45, 1 << 5), 4096, { minor: 38, flags: 1 << 5, maxPages: 0 }],
  ["only what we don't want", offer(45, 1 << 16 | 1 << 20), 4096, {
    minor: 38,
    flags: 0,
    maxPages: 0,
  }],
] as const;
for (const [name, offered, pageSizeBytes, expected] of AGREED) {
  Deno.test(`negotiate() with ${name}`, () => {
    const terms = { ...expected, maxReadaheadBytes: 131072 };
    assert.deepEqual(negotiate(offered, { ...OPTIONS, pageSizeBytes }), terms);
  });
}

Deno.test("negotiate() asks for no READDIRPLUS where the file system has none", () => {
  const agreed = negotiate(offer(45, 1 << 13 | 1 << 14 | 1 << 5), { ...OPTIONS, listing: "plain" });
  assert.equal(typeof agreed === "object" && agreed.flags, 1 << 5);
});

const OTHERS = [
  ["a newer major", offer(0, -1, 8), "ask-again"],
  ["an older major", offer(45, -1, 6), "too-old"],
  ["an older minor", offer(30, -1), "too-old"],
] as const;
for (const [name, offered, answer] of OTHERS) {
  Deno.test(`negotiate() with ${name}`, () => assert.equal(negotiate(offered, OPTIONS), answer));
}

// deno-fmt-ignore
const BODY_16 = [
  7, 0, 0, 0, // major
  34, 0, 0, 0, // minor
  0, 0, 2, 0, // max_readahead 131072
  0x29, 0x10, 0x64, 0x10, // flags
];

for (const [name, more] of [["16 bytes", 0], ["64 bytes", 48]] as const) {
  Deno.test(`decodeInitIn() of ${name}`, () => {
    const body = new Uint8Array([...BODY_16, ...new Uint8Array(more)]);
    assert.deepEqual(decodeInitIn(new DataView(body.buffer)), offer(34, 0x1064_1029));
  });
}

Deno.test("encodeInitOut() writes 64 bytes", () => {
  const body = new Uint8Array(80).fill(0xee);
  const terms = {
    minor: 38,
    maxReadaheadBytes: 131072,
    flags: 0x1064_1029,
    maxPages: 32,
  };
  assert.equal(encodeInitOut(new DataView(body.buffer), terms), 64);
  // deno-fmt-ignore
  const expected = [
    7, 0, 0, 0, // major
    38, 0, 0, 0, // minor
    0, 0, 2, 0, // max_readahead
    0x29, 0x10, 0x64, 0x10, // flags
    64, 0, // max_background
    48, 0, // congestion_threshold
    0, 0, 2, 0, // max_write 131072
    0xe8, 3, 0, 0, // time_gran 1000
    32, 0, // max_pages
    0, 0, // map_alignment
    0, 0, 0, 0, // flags2
    ...new Uint8Array(28), // unused
  ];
  assert.deepEqual([...body.subarray(0, 64)], expected);
  assert.equal(body[64], 0xee);
});
