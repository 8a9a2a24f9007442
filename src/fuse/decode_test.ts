import assert from "node:assert/strict";
import { ErrnoError } from "../sys/errno.ts";
import * as decode from "./decode.ts";

const text = (name: string) => [...new TextEncoder().encode(name)];
const u32 = (n: number) => [n & 0xff, n >> 8 & 0xff, n >> 16 & 0xff, n >>> 24];
const body = (...bytes: number[]) => new DataView(new Uint8Array(bytes).buffer);
const errno = (name: "EINVAL" | "EFBIG") => (error: unknown) => error instanceof ErrnoError && error.is(name);

/** u64 fh = 0xfffefdfcfbfaf9f8: all bits matter. */
const FH = [0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff];
const FH_VALUE = 0xfffefdfcfbfaf9f8n;
const U64_MAX = [255, 255, 255, 255, 255, 255, 255, 255];
/** 2^53, the first size that a number may not hold exactly with all its neighbours. */
const TWO_TO_53 = [0, 0, 0, 0, 0, 0, 32, 0];

// deno-fmt-ignore
const SETATTR_ALL = [
  ...u32(0x97f), // valid: MODE UID GID SIZE ATIME MTIME FH, MTIME_NOW is 0x100, KILL_SUIDGID 0x800
  0, 0, 0, 0, // padding
  ...FH, // fh
  0, 1, 0, 0, 0, 0, 0, 0, // size 256
  ...U64_MAX, // lock_owner
  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, // atime -1
  0, 0, 0, 0, 0, 0, 0, 0, // mtime
  0, 0, 0, 0, 0, 0, 0, 0, // ctime
  ...u32(500_000_000), // atimensec
  ...u32(0), // mtimensec
  ...u32(0), // ctimensec
  ...u32(0o100644), // mode, with its type bits
  ...u32(0), // unused4
  ...u32(1000), // uid
  ...u32(1001), // gid
  ...u32(0), // unused5
];

// deno-fmt-ignore
const WRITE = [
  ...FH, // fh
  0, 0, 1, 0, 0, 0, 0, 0, // offset 65536
  ...u32(3), // size
  ...u32(4), // write_flags KILL_SUIDGID
  ...U64_MAX, // lock_owner
  ...u32(0o102001), // flags O_LARGEFILE O_APPEND O_WRONLY
  ...u32(0), // padding
  ...text("abc"), // data
];

Deno.test("decodeSetattrIn() returns each field that is valid", () => {
  assert.deepEqual(decode.decodeSetattrIn(body(...SETATTR_ALL)), {
    mode: 0o644,
    uid: 1000,
    gid: 1001,
    sizeBytes: 256,
    atime: -500,
    mtime: "now",
    fh: FH_VALUE,
    privileges: "kill",
  });
});

Deno.test("decodeSetattrIn() returns nothing but privileges if nothing is valid", () => {
  const nothing = [...u32(0), ...SETATTR_ALL.slice(4)];
  assert.deepEqual(decode.decodeSetattrIn(body(...nothing)), { privileges: "keep" });
});

Deno.test("decodeSetattrIn() of a size that is not exact is EFBIG", () => {
  const huge = [...SETATTR_ALL.slice(0, 16), ...TWO_TO_53, ...SETATTR_ALL.slice(24)];
  assert.throws(() => decode.decodeSetattrIn(body(...huge)), errno("EFBIG"));
});

Deno.test("decodeWriteIn() returns the data as a view", () => {
  const message = body(...WRITE);
  const write = decode.decodeWriteIn(message);
  assert.equal(write.data.buffer, message.buffer);
  assert.deepEqual({ ...write, data: [...write.data] }, {
    fh: FH_VALUE,
    offset: 65536,
    data: text("abc"),
    flags: 0o102001,
    privileges: "kill",
  });
});

Deno.test("decodeWriteIn() at an offset that is not exact is EFBIG", () => {
  const far = [...WRITE.slice(0, 8), ...TWO_TO_53, ...WRITE.slice(16)];
  assert.throws(() => decode.decodeWriteIn(body(...far)), errno("EFBIG"));
});

Deno.test("decodeWriteIn() with less data than it says is EINVAL", () => {
  assert.throws(() => decode.decodeWriteIn(body(...WRITE.slice(0, -1))), errno("EINVAL"));
});

// deno-fmt-ignore
const CASES: readonly (readonly [string, () => unknown, unknown])[] = [
  ["decodeGetattrIn() with a handle", () => decode.decodeGetattrIn(body(
    ...u32(1), // getattr_flags FH
    ...u32(0), // dummy
    ...FH, // fh
  )), FH_VALUE],
  ["decodeGetattrIn() without a handle", () => decode.decodeGetattrIn(body(...u32(0), ...u32(0), ...FH)), undefined],
  ["decodeMknodIn()", () => decode.decodeMknodIn(body(
    ...u32(0o100666), // mode
    ...u32(0x501), // rdev
    ...u32(0o22), // umask
    ...u32(0), // padding
    ...text("a\0"), // name
  )), { name: new Uint8Array([0x61]), mode: 0o100666, rdev: 0x501, umask: 0o22 }],
  ["decodeMkdirIn()", () => decode.decodeMkdirIn(body(
    ...u32(0o777), // mode
    ...u32(0o27), // umask
    ...text("d\0"), // name
  )), { name: new Uint8Array([0x64]), mode: 0o777, umask: 0o27 }],
  ["decodeRenameIn()", () => decode.decodeRenameIn(body(
    9, 0, 0, 0, 0, 0, 0, 0, // newdir
    ...text("o\0"), // old name
    ...text("nn\0"), // new name
  )), { name: new Uint8Array([0x6f]), newParent: 9n, newName: new Uint8Array([0x6e, 0x6e]), flags: 0 }],
  ["decodeRename2In()", () => decode.decodeRename2In(body(
    9, 0, 0, 0, 0, 0, 0, 0, // newdir
    ...u32(1), // flags NOREPLACE
    ...u32(0), // padding
    ...text("o\0n\0"), // names
  )), { name: new Uint8Array([0x6f]), newParent: 9n, newName: new Uint8Array([0x6e]), flags: 1 }],
  ["decodeOpenIn()", () => decode.decodeOpenIn(body(
    ...u32(0o1001), // flags O_TRUNC O_WRONLY
    ...u32(1), // open_flags KILL_SUIDGID
  )), { flags: 0o1001, privileges: "kill" }],
  ["decodeCreateIn()", () => decode.decodeCreateIn(body(
    ...u32(0o301), // flags O_CREAT O_EXCL O_WRONLY
    ...u32(0o100666), // mode
    ...u32(0o22), // umask
    ...u32(0), // open_flags
    ...text("c\0"), // name
  )), { name: new Uint8Array([0x63]), flags: 0o301, mode: 0o100666, umask: 0o22, privileges: "keep" }],
  ["decodeReadIn()", () => decode.decodeReadIn(body(
    ...FH, // fh
    5, 0, 0, 0, 0, 0, 0, 0, // offset
    ...u32(4096), // size
    ...u32(0), // read_flags
    ...U64_MAX, // lock_owner
    ...u32(0o100000), // flags
    ...u32(0), // padding
  )), { fh: FH_VALUE, offset: 5, sizeBytes: 4096, flags: 0o100000 }],
  ["decodeReleaseIn()", () => decode.decodeReleaseIn(body(
    ...FH, // fh
    ...u32(1), // flags O_WRONLY
    ...u32(0), // release_flags
    ...U64_MAX, // lock_owner
  )), FH_VALUE],
  ["decodeFlushIn()", () => decode.decodeFlushIn(body(
    ...FH, // fh
    ...u32(0), // unused
    ...u32(0), // padding
    ...U64_MAX, // lock_owner
  )), FH_VALUE],
  ["decodeFsyncIn()", () => decode.decodeFsyncIn(body(
    ...FH, // fh
    ...u32(1), // fsync_flags FDATASYNC
    ...u32(0), // padding
  )), { fh: FH_VALUE, what: "data" }],
  ["decodeForgetIn()", () => decode.decodeForgetIn(body(3, 0, 0, 0, 0, 0, 0, 0)), 3],
  ["decodeBatchForgetIn()", () => decode.decodeBatchForgetIn(body(
    ...u32(2), // count
    ...u32(0), // dummy
    5, 0, 0, 0, 0, 0, 0, 0, // nodeid
    1, 0, 0, 0, 0, 0, 0, 0, // nlookup
    6, 0, 0, 0, 0, 0, 0, 0, // nodeid
    2, 0, 0, 0, 0, 0, 0, 0, // nlookup
  )), [{ nodeid: 5n, count: 1 }, { nodeid: 6n, count: 2 }]],
];
for (const [name, run, expected] of CASES) Deno.test(name, () => assert.deepEqual(run(), expected));

const REFUSED: readonly (readonly [string, () => unknown])[] = [
  ["a name that is not ended", () => decode.decodeNameIn(body(...text("abc")))],
  ["an empty name", () => decode.decodeNameIn(body(0))],
  ["a rename with one name", () => decode.decodeRenameIn(body(...U64_MAX, ...text("old\0")))],
  ["a count of forgets that is not there", () => decode.decodeBatchForgetIn(body(...u32(-1), ...u32(0)))],
  [
    "a READ of more than was agreed",
    () => decode.decodeReadIn(body(...FH, ...FH.map(() => 0), ...u32(131073), ...new Uint8Array(20))),
  ],
  [
    "a READ at an offset that is not exact",
    () => decode.decodeReadIn(body(...FH, ...TWO_TO_53, ...u32(4096), ...new Uint8Array(20))),
  ],
];
for (const [name, run] of REFUSED) Deno.test(`${name} is EINVAL`, () => assert.throws(run, errno("EINVAL")));
