import assert from "node:assert/strict";
import type { Attributes, Fh, NodeId } from "./attributes.ts";
import * as encode from "./encode.ts";

const ATTRIBUTES: Attributes = {
  ino: 0x0102n,
  sizeBytes: 513,
  mode: 0o100644,
  nlink: 1,
  uid: 1000,
  gid: 1001,
  atimeMs: -500,
  mtimeMs: 2000,
  ctimeMs: 3000.001,
  birthMs: 1000,
  blockSizeBytes: 4096,
};

// deno-fmt-ignore
const ATTR = [
  2, 1, 0, 0, 0, 0, 0, 0, // ino
  1, 2, 0, 0, 0, 0, 0, 0, // size 513
  2, 0, 0, 0, 0, 0, 0, 0, // blocks of 512 bytes
  255, 255, 255, 255, 255, 255, 255, 255, // atime -1
  2, 0, 0, 0, 0, 0, 0, 0, // mtime
  3, 0, 0, 0, 0, 0, 0, 0, // ctime
  0x00, 0x65, 0xcd, 0x1d, // atimensec 500,000,000
  0, 0, 0, 0, // mtimensec
  0xe8, 3, 0, 0, // ctimensec 1000
  0xa4, 0x81, 0, 0, // mode 0o100644
  1, 0, 0, 0, // nlink
  0xe8, 3, 0, 0, // uid
  0xe9, 3, 0, 0, // gid
  0, 0, 0, 0, // rdev
  0, 16, 0, 0, // blksize 4096
  0, 0, 0, 0, // flags
];
// deno-fmt-ignore
const ENTRY = [
  7, 0, 0, 0, 0, 0, 0, 0, // nodeid
  0, 0, 0, 0, 0, 0, 0, 0, // generation
  1, 0, 0, 0, 0, 0, 0, 0, // entry_valid 1 s
  0, 0, 0, 0, 0, 0, 0, 0, // attr_valid
  0, 0, 0, 0, // entry_valid_nsec
  0x80, 0xb2, 0xe6, 0x0e, // attr_valid_nsec 250,000,000
  ...ATTR, // attr
];
// deno-fmt-ignore
const OPEN = [
  9, 0, 0, 0, 0, 0, 0, 0, // fh
  1, 0, 0, 0, // open_flags DIRECT_IO
  0, 0, 0, 0, // padding
];
// deno-fmt-ignore
const STATX = [
  0, 0, 0, 0, 0, 0, 0, 0, // attr_valid
  0x80, 0xb2, 0xe6, 0x0e, // attr_valid_nsec
  0, 0, 0, 0, // flags
  ...new Uint8Array(16), // spare
  0xff, 0x0f, 0, 0, // mask: basic and btime
  0, 16, 0, 0, // blksize
  0, 0, 0, 0, 0, 0, 0, 0, // attributes
  1, 0, 0, 0, // nlink
  0xe8, 3, 0, 0, // uid
  0xe9, 3, 0, 0, // gid
  0xa4, 0x81, // mode
  0, 0, // spare0
  2, 1, 0, 0, 0, 0, 0, 0, // ino
  1, 2, 0, 0, 0, 0, 0, 0, // size
  2, 0, 0, 0, 0, 0, 0, 0, // blocks
  0, 0, 0, 0, 0, 0, 0, 0, // attributes_mask
  255, 255, 255, 255, 255, 255, 255, 255, 0x00, 0x65, 0xcd, 0x1d, 0, 0, 0, 0, // atime
  1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // btime
  3, 0, 0, 0, 0, 0, 0, 0, 0xe8, 3, 0, 0, 0, 0, 0, 0, // ctime
  2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // mtime
  ...new Uint8Array(128), // rdev, dev, spare2
];
// deno-fmt-ignore
const STATFS = [
  100, 0, 0, 0, 0, 0, 0, 0, // blocks
  90, 0, 0, 0, 0, 0, 0, 0, // bfree
  80, 0, 0, 0, 0, 0, 0, 0, // bavail
  70, 0, 0, 0, 0, 0, 0, 0, // files
  60, 0, 0, 0, 0, 0, 0, 0, // ffree
  0, 16, 0, 0, // bsize
  255, 0, 0, 0, // namelen
  0, 2, 0, 0, // frsize
  ...new Uint8Array(28), // padding, spare
];

const reply = { attributes: ATTRIBUTES, attributesValidMs: 250 };
const entry = { ...reply, nodeid: 7n as NodeId, entryValidMs: 1000 };
const opened = { fh: 9n as Fh, cache: "direct" } as const;
const statfs = {
  ...{ blocks: 100n, blocksFree: 90n, blocksAvailable: 80n, files: 70n, filesFree: 60n },
  ...{ blockSizeBytes: 4096, fragmentSizeBytes: 512, nameMax: 255 },
};

const CASES: readonly (readonly [string, (body: DataView) => number, number[]])[] = [
  ["encodeEntryOut()", (body) => encode.encodeEntryOut(body, entry), ENTRY],
  ["encodeAttrOut()", (body) => encode.encodeAttrOut(body, reply), [...STATX.slice(0, 16), ...ATTR]],
  ["encodeStatxOut()", (body) => encode.encodeStatxOut(body, reply), STATX],
  ["encodeOpenOut()", (body) => encode.encodeOpenOut(body, opened), OPEN],
  ["encodeCreateOut()", (body) => encode.encodeCreateOut(body, { entry, opened }), [...ENTRY, ...OPEN]],
  ["encodeWriteOut()", (body) => encode.encodeWriteOut(body, 258), [2, 1, 0, 0, 0, 0, 0, 0]],
  ["encodeKstatfs()", (body) => encode.encodeKstatfs(body, statfs), STATFS],
];
for (const [name, run, expected] of CASES) {
  Deno.test(`${name} writes these bytes and no others`, () => {
    const bytes = new Uint8Array(512).fill(0xee); // what an earlier reply left
    const sizeBytes = run(new DataView(bytes.buffer));
    assert.deepEqual([...bytes.subarray(0, sizeBytes)], expected);
    assert.ok(bytes.subarray(sizeBytes).every((byte) => byte === 0xee));
  });
}

Deno.test("encodeStatxOut() leaves out an unknown birth", () => {
  const { birthMs: _, ...unborn } = ATTRIBUTES;
  const body = new DataView(new ArrayBuffer(512));
  encode.encodeStatxOut(body, { ...reply, attributes: unborn });
  assert.equal(body.getUint32(32, true), 0x7ff);
});

Deno.test("encodeBytes() of more than was asked for is a bug", () => {
  const run = () => encode.encodeBytes(new DataView(new ArrayBuffer(64)), new Uint8Array(5), 4);
  assert.throws(run, RangeError);
});

// deno-fmt-ignore
const DIRENT = [
  2, 1, 0, 0, 0, 0, 0, 0, // ino
  5, 0, 0, 0, 0, 0, 0, 0, // off
  3, 0, 0, 0, // namelen
  8, 0, 0, 0, // type DT_REG
  0x61, 0x62, 0x63, 0, 0, 0, 0, 0, // name and padding
];

Deno.test("DirentPacker pads each record to 8 bytes", () => {
  const packer = new encode.DirentPacker(100);
  const abc = { ino: 0x0102n, cookie: 5, type: "file", name: new TextEncoder().encode("abc") } as const;
  assert.deepEqual([packer.add(abc), packer.add(abc)], [true, true]);
  assert.deepEqual([...packer.bytes], [...DIRENT, ...DIRENT]);
});

Deno.test("DirentPacker refuses the record that would not fit, padding included", () => {
  const packer = new encode.DirentPacker(31);
  assert.equal(packer.add({ ino: 1n, cookie: 1, type: "file", name: new Uint8Array([0x61]) }), false);
  assert.equal(packer.bytes.length, 0);
});

Deno.test("DirentPlusPacker puts the entry before each record, zeros for one without", () => {
  const packer = new encode.DirentPlusPacker(2 * 160);
  const record = { ino: 0x0102n, cookie: 5, type: "file", name: new TextEncoder().encode("abc") } as const;
  assert.equal(packer.capacity, 2);
  assert.deepEqual([packer.add(record, entry), packer.add(record, undefined)], [true, true]);
  assert.deepEqual([packer.capacity, packer.add(record, entry)], [0, false]);
  assert.deepEqual([...packer.bytes], [...ENTRY, ...DIRENT, ...new Uint8Array(128), ...DIRENT]);
});
