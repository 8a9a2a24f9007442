import fc from "fast-check";
import { OPCODE } from "../../src/fuse/abi.ts";

/** A request as the kernel, or something that is no kernel, might send it. */
export interface Sent {
  opcode: number;
  nodeid: bigint;
  body: Uint8Array;
  /** Bytes of the message that are missing at its end. */
  cut: number;
  /** What its header says of its length, less what is true. */
  lie: number;
}

const u32 = (value: number) => new Uint8Array(new Uint32Array([value]).buffer);
const u64 = (value: bigint) => new Uint8Array(new BigUint64Array([value]).buffer);
const MAX_U64 = 2n ** 64n - 1n;

const word = fc.oneof(
  fc.constantFrom(0, 1, 2, 3, 0o1101, 0o2001, 0o100644, 0o40755, 0o20600, 2 ** 31, 2 ** 32 - 1),
  fc.integer({ min: 0, max: 2 ** 32 - 1 }),
).map(u32);
const long = fc.constantFrom(
  0n,
  1n,
  4_096n,
  131_072n,
  2n ** 31n,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 63n,
  MAX_U64,
)
  .map(u64);
/** Handles are counted from 1, and the first four are open. */
const fh = fc.oneof(
  { weight: 6, arbitrary: fc.bigInt(1n, 4n) },
  { weight: 2, arbitrary: fc.bigInt(0n, 12n) },
  { weight: 1, arbitrary: fc.constant(MAX_U64) },
).map(u64);
const renameFlags = fc.constantFrom(0, 0, 0, 1, 2, 4, 5, 2 ** 32 - 1).map(u32);
const size = fc.constantFrom(0, 1, 1, 24, 24, 80, 4_096, 131_072, 131_073, 2 ** 31).map(u32);
const text = (value: string) => new TextEncoder().encode(value);
const name = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      ...["x", "f", "y", ".d", "é~", "pending", "config.json"].map((id) => text(`${id}\0`)),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      ...[
        text("\0"),
        text("no end"),
        text("a/b\0"),
        text(".\0"),
        text("..\0"),
        text("\u0001\0"),
        text("\u0085\0"),
      ],
      ...[Uint8Array.of(0xff, 0xfe, 0), Uint8Array.of(0xed, 0xa0, 0x80, 0), text("n".repeat(256) + "\0")],
      text("n".repeat(5_000) + "\0"),
    ),
  },
);
/** Nodes that are always there, above all pending and failed; the first jobs' (from 72); and some that can't be. */
const nodeid = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(2n, 5n) },
  { weight: 2, arbitrary: fc.bigInt(0n, 8n) },
  { weight: 4, arbitrary: fc.constantFrom(72n, 81n) },
  { weight: 2, arbitrary: fc.bigInt(60n, 100n) },
  { weight: 1, arbitrary: fc.constantFrom(2n ** 53n, 2n ** 54n + 72n, 2n ** 63n, MAX_U64) },
);
const node = nodeid.map(u64);
const bytes = fc.uint8Array({ maxLength: 40 });

type Field = fc.Arbitrary<Uint8Array>;

/** The fields of each request, as linux/fuse.h has them. */
const FIELDS: Partial<Record<keyof typeof OPCODE, Field[]>> = {
  LOOKUP: [name],
  FORGET: [long],
  GETATTR: [word, word, fh],
  SETATTR: [word, word, fh, long, long, long, long, long, word, word, word, word, word, word, word, word],
  READLINK: [],
  SYMLINK: [name, name],
  MKNOD: [word, word, word, word, name],
  MKDIR: [word, word, name],
  UNLINK: [name],
  RMDIR: [name],
  RENAME: [node, name, name],
  LINK: [node, name],
  OPEN: [word, word],
  READ: [fh, long, size, word, long, word, word],
  WRITE: [fh, long, size, word, long, word, word, bytes],
  STATFS: [],
  RELEASE: [fh, word, word, long],
  FSYNC: [fh, word, word],
  SETXATTR: [size, word, name, bytes],
  GETXATTR: [size, word, name],
  LISTXATTR: [size, word],
  REMOVEXATTR: [name],
  FLUSH: [fh, word, word, long],
  INIT: [word, word, word, word, bytes],
  OPENDIR: [word, word],
  READDIR: [fh, long, size, word, long, word, word],
  RELEASEDIR: [fh, word, word, long],
  FSYNCDIR: [fh, word, word],
  ACCESS: [word, word],
  CREATE: [word, word, word, word, name],
  INTERRUPT: [long],
  BATCH_FORGET: [word, word, node, long],
  RENAME2: [node, renameFlags, word, name, name],
  STATX: [word, word, fh, word, word],
};

function bodyOf(fields: Field[]): Field {
  return fc.tuple(...fields).map((parts) => new Uint8Array(parts.flatMap((part) => [...part])));
}

const known = fc.oneof(
  ...Object.entries(FIELDS).map(([opcode, fields]) =>
    fc.record({ opcode: fc.constant<number>(OPCODE[opcode as keyof typeof OPCODE]), body: bodyOf(fields) })
  ),
);
const unknown = fc.record({
  opcode: fc.oneof(fc.nat(60), fc.integer({ min: 0, max: 2 ** 32 - 1 })),
  body: fc.uint8Array({ maxLength: 200 }),
});

/** Mostly well made, sometimes cut short, too long, or of another length than it says. */
export const anyRequest: fc.Arbitrary<Sent> = fc.record({
  what: fc.oneof({ weight: 8, arbitrary: known }, { weight: 1, arbitrary: unknown }),
  nodeid,
  extra: fc.oneof({ weight: 8, arbitrary: fc.constant(new Uint8Array()) }, { weight: 1, arbitrary: bytes }),
  cut: fc.oneof({ weight: 8, arbitrary: fc.constant(0) }, { weight: 2, arbitrary: fc.nat(100) }),
  lie: fc.oneof({ weight: 12, arbitrary: fc.constant(0) }, {
    weight: 1,
    arbitrary: fc.constantFrom(-40, -1, 1, 2 ** 31),
  }),
}).map(({ what, nodeid, extra, cut, lie }) => ({
  opcode: what.opcode,
  nodeid,
  body: new Uint8Array([...what.body, ...extra]),
  cut,
  lie,
}));
