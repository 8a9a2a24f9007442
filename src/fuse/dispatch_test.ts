import assert from "node:assert/strict";
import { ERRNO, ErrnoError } from "../sys/errno.ts";
import { OPCODE } from "./abi.ts";
import type { AttributesReply, Fh, NodeId } from "./attributes.ts";
import { Dispatcher, type OnError } from "./dispatch.ts";
import type { FileSystem } from "./filesystem.ts";
import type { Request } from "./request.ts";

const STAT: AttributesReply = {
  attributes: {
    ...{ ino: 1n, sizeBytes: 0, mode: 0o40755, nlink: 2, uid: 0, gid: 0 },
    ...{ atimeMs: 0, mtimeMs: 0, ctimeMs: 0, blockSizeBytes: 4096 },
  },
  attributesValidMs: 0,
};
const ENTRY = { nodeid: 5n as NodeId, entryValidMs: 0, ...STAT };
const EMPTY: FileSystem = { lookup: () => ENTRY, getattr: () => STAT };

interface Reply {
  readonly unique: bigint;
  readonly errno: number;
  readonly bodyBytes: number;
}

/** A dispatcher whose kernel is two lists. */
function start(fs: FileSystem, refuse?: ErrnoError, answer: OnError = () => {}) {
  const replies: Reply[] = [];
  const bugs: unknown[] = [];
  const write = (reply: Uint8Array<ArrayBuffer>, sizeBytes: number) => {
    const header = new DataView(reply.buffer, 0, 16);
    assert.equal(header.getUint32(0, true), sizeBytes, "a reply's len is what is written");
    if (refuse) throw refuse;
    const errno = 0 - header.getInt32(4, true);
    assert.ok(errno >= 0 && errno < 512 && (errno === 0 || sizeBytes === 16), "an error has no body");
    replies.push({ unique: header.getBigUint64(8, true), errno, bodyBytes: sizeBytes - 16 });
  };
  const onError: OnError = (error, where) => {
    bugs.push(error);
    return answer(error, where);
  };
  const options = { onError, pageSizeBytes: 4096 };
  return { dispatcher: new Dispatcher(fs, write, options), replies, bugs };
}

function message(opcode: number, body: Uint8Array, unique = 2n): DataView {
  const view = new DataView(new ArrayBuffer(40 + body.length));
  view.setUint32(0, view.byteLength, true);
  view.setUint32(4, opcode, true);
  view.setBigUint64(8, unique, true);
  view.setBigUint64(16, 1n, true);
  new Uint8Array(view.buffer).set(body, 40);
  return view;
}

const ZEROS = new Uint8Array(128);
const NAME = new TextEncoder().encode("name\0other\0");
/** A struct of `sizeBytes` zeros and then two names. */
const named = (sizeBytes: number) => new Uint8Array([...new Uint8Array(sizeBytes), ...NAME]);

const ABSENT: readonly (readonly [keyof typeof OPCODE, Uint8Array, keyof typeof ERRNO | number])[] = [
  ["SETATTR", ZEROS, "EPERM"],
  ["READLINK", ZEROS, "EINVAL"],
  ["MKNOD", named(16), "EPERM"],
  ["MKDIR", named(8), "EPERM"],
  ["SYMLINK", NAME, "EPERM"],
  ["LINK", named(8), "EPERM"],
  ["UNLINK", NAME, "EPERM"],
  ["RMDIR", NAME, "EPERM"],
  ["RENAME", named(8), "EPERM"],
  ["RENAME2", named(16), "EPERM"],
  ["OPEN", ZEROS, 16],
  ["CREATE", named(16), "EPERM"],
  ["READ", ZEROS, "EINVAL"],
  ["WRITE", ZEROS, "EINVAL"],
  ["FLUSH", ZEROS, "ENOSYS"],
  ["RELEASE", ZEROS, 0],
  ["FSYNC", ZEROS, "ENOSYS"],
  ["OPENDIR", ZEROS, 16],
  ["READDIR", ZEROS, "ENOTDIR"],
  ["READDIRPLUS", ZEROS, "ENOSYS"],
  ["RELEASEDIR", ZEROS, 0],
  ["FSYNCDIR", ZEROS, "ENOSYS"],
  ["STATFS", ZEROS, 80],
  ["ACCESS", ZEROS, "ENOSYS"],
  ["GETXATTR", named(8), "ENOSYS"],
  ["LISTXATTR", ZEROS, "ENOSYS"],
  ["SETXATTR", named(8), "ENOSYS"],
  ["REMOVEXATTR", NAME, "ENOSYS"],
  ["IOCTL", ZEROS, "ENOTTY"],
  ["TMPFILE", ZEROS, "EOPNOTSUPP"],
  ["POLL", ZEROS, "ENOSYS"],
  ["LSEEK", ZEROS, "ENOSYS"],
  ["FALLOCATE", ZEROS, "ENOSYS"],
  ["COPY_FILE_RANGE", ZEROS, "ENOSYS"],
  ["COPY_FILE_RANGE_64", ZEROS, "ENOSYS"],
];
for (const [name, body, answer] of ABSENT) {
  Deno.test(`${name} without a handler is answered with ${answer}${typeof answer === "number" ? " bytes" : ""}`, () => {
    const { dispatcher, replies } = start(EMPTY);
    dispatcher.dispatch(message(OPCODE[name], body));
    const expected = typeof answer === "number"
      ? { errno: 0, bodyBytes: answer }
      : { errno: ERRNO[answer], bodyBytes: 0 };
    assert.deepEqual(replies, [{ unique: 2n, ...expected }]);
  });
}

Deno.test("an unknown opcode is ENOSYS", () => {
  const { dispatcher, replies } = start(EMPTY);
  dispatcher.dispatch(message(4711, ZEROS));
  assert.deepEqual(replies, [{ unique: 2n, errno: ERRNO.ENOSYS, bodyBytes: 0 }]);
});

Deno.test("a handler that returns a plain value is answered at once", () => {
  const { dispatcher, replies } = start(EMPTY);
  dispatcher.dispatch(message(OPCODE.GETATTR, ZEROS));
  assert.deepEqual(replies, [{ unique: 2n, errno: 0, bodyBytes: 104 }]);
});

Deno.test("onError may choose what the caller is told", () => {
  const { dispatcher, replies } = start(
    {
      ...EMPTY,
      getattr: () => {
        throw new Error("no room");
      },
    },
    undefined,
    () => "ENOSPC",
  );
  dispatcher.dispatch(message(OPCODE.GETATTR, ZEROS));
  assert.deepEqual(replies, [{ unique: 2n, errno: ERRNO.ENOSPC, bodyBytes: 0 }]);
});

Deno.test("an error that is no ErrnoError is EIO and a bug", () => {
  const bug = new Error("bug");
  const { dispatcher, replies, bugs } = start({
    ...EMPTY,
    getattr: () => {
      throw bug;
    },
  });
  dispatcher.dispatch(message(OPCODE.GETATTR, ZEROS));
  assert.deepEqual([replies, bugs], [[{ unique: 2n, errno: ERRNO.EIO, bodyBytes: 0 }], [bug]]);
});

Deno.test("a rejected promise is answered with its errno", async () => {
  const refused = Promise.reject(new ErrnoError("EDQUOT"));
  const { dispatcher, replies } = start({ ...EMPTY, getattr: () => refused });
  dispatcher.dispatch(message(OPCODE.GETATTR, ZEROS));
  assert.equal(dispatcher.pending, 1);
  await refused.catch(() => {});
  assert.deepEqual(replies, [{ unique: 2n, errno: ERRNO.EDQUOT, bodyBytes: 0 }]);
  assert.equal(dispatcher.pending, 0);
});

for (const errno of [0, -5, 512]) {
  Deno.test(`an errno of ${errno}, which the kernel would not take, is EIO and a bug`, () => {
    const { dispatcher, replies, bugs } = start({
      ...EMPTY,
      getattr: () => {
        throw new ErrnoError(errno);
      },
    });
    dispatcher.dispatch(message(OPCODE.GETATTR, ZEROS));
    assert.deepEqual([replies, bugs.length], [[{ unique: 2n, errno: ERRNO.EIO, bodyBytes: 0 }], 1]);
  });
}

/** A GETATTR that waits for its signal. */
const waiting = (request: Request) =>
  new Promise<AttributesReply>((_, reject) => {
    request.signal.addEventListener("abort", () => reject(request.signal.reason));
  });

Deno.test("what somebody waits for is counted as it comes and as it is answered", async () => {
  const flushed = Promise.resolve();
  const { dispatcher } = start({ ...EMPTY, flush: () => flushed });
  dispatcher.dispatch(message(OPCODE.FORGET, ZEROS));
  dispatcher.dispatch(message(OPCODE.RELEASE, ZEROS));
  assert.equal(dispatcher.exchanges, 0);
  dispatcher.dispatch(message(OPCODE.FLUSH, ZEROS));
  assert.equal(dispatcher.exchanges, 1);
  await flushed;
  assert.equal(dispatcher.exchanges, 2);
});

Deno.test("INTERRUPT aborts the signal of its request and of no other, and has no reply", async () => {
  const { dispatcher, replies } = start({ ...EMPTY, getattr: waiting });
  dispatcher.dispatch(message(OPCODE.GETATTR, ZEROS, 2n));
  dispatcher.dispatch(message(OPCODE.GETATTR, ZEROS, 4n));
  dispatcher.dispatch(message(OPCODE.INTERRUPT, new Uint8Array([2, 0, 0, 0, 0, 0, 0, 0]), 3n));
  await new Promise((resolve) => setTimeout(resolve)); // one macrotask: all microtasks have run
  assert.deepEqual(replies, [{ unique: 2n, errno: ERRNO.EINTR, bodyBytes: 0 }]);
  assert.equal(dispatcher.pending, 1);
});

Deno.test("a signal first looked at after the INTERRUPT is aborted already", () => {
  let seen: Request | undefined;
  const { dispatcher } = start({
    ...EMPTY,
    getattr: (request) => {
      seen = request;
      return new Promise(() => {});
    },
  });
  dispatcher.dispatch(message(OPCODE.GETATTR, ZEROS, 2n));
  dispatcher.dispatch(message(OPCODE.INTERRUPT, new Uint8Array([2, 0, 0, 0, 0, 0, 0, 0]), 3n));
  assert.equal(seen?.signal.aborted, true);
});

Deno.test("after the end handlers are interrupted and nothing is written", async () => {
  const { dispatcher, replies } = start({ ...EMPTY, getattr: waiting });
  dispatcher.dispatch(message(OPCODE.GETATTR, ZEROS));
  dispatcher.end();
  await new Promise((resolve) => setTimeout(resolve));
  assert.deepEqual([replies, dispatcher.pending], [[], 0]);
});

Deno.test("an entry and a handle that could not be delivered are given back", async () => {
  const given: unknown[] = [];
  const released = Promise.withResolvers<void>();
  const { dispatcher, bugs } = start({
    ...EMPTY,
    create: () => ({ entry: ENTRY, opened: { fh: 9n as Fh } }),
    release: (_request, nodeid, fh) => void given.push(["release", nodeid, fh]),
    forget: (nodeid, count) => {
      given.push(["forget", nodeid, count]);
      released.resolve();
    },
  }, new ErrnoError("ENOENT"));
  dispatcher.dispatch(message(OPCODE.CREATE, named(16)));
  await released.promise;
  assert.deepEqual([given, bugs], [[["release", 5n, 9n], ["forget", 5n, 1]], []]);
});

Deno.test("a request of another length than it says is EINVAL, and without a header it is dropped", () => {
  const { dispatcher, replies } = start(EMPTY);
  const short = message(OPCODE.GETATTR, ZEROS);
  dispatcher.dispatch(new DataView(short.buffer, 0, 60));
  dispatcher.dispatch(new DataView(short.buffer, 0, 39));
  assert.deepEqual(replies, [{ unique: 2n, errno: ERRNO.EINVAL, bodyBytes: 0 }]);
});

/** Repeatable noise: xorshift32. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

const ALL_HANDLERS: FileSystem = {
  ...EMPTY,
  forget: () => {},
  setattr: () => STAT,
  mknod: () => ENTRY,
  mkdir: () => ENTRY,
  unlink: () => {},
  rmdir: () => {},
  rename: () => {},
  open: () => ({ fh: 1n as Fh }),
  create: () => ({ entry: ENTRY, opened: { fh: 1n as Fh } }),
  read: (_request, _nodeid, _fh, _offset, sizeBytes) => new Uint8Array(sizeBytes),
  write: (_request, _nodeid, _fh, _offset, data) => data.length,
  readdir: (_request, _nodeid, _fh, cookie, sink) => {
    for (let next = cookie + 1; sink.add({ ino: 1n, cookie: next, type: "file", name: NAME }); next++);
  },
};

/** The sizes that the kernel takes for each reply that has one size only; an error has none. */
const REPLY_BYTES: Readonly<Record<number, readonly number[]>> = {
  [OPCODE.LOOKUP]: [128],
  [OPCODE.GETATTR]: [104],
  [OPCODE.SETATTR]: [104],
  [OPCODE.STATX]: [288],
  [OPCODE.MKNOD]: [128],
  [OPCODE.MKDIR]: [128],
  [OPCODE.SYMLINK]: [128],
  [OPCODE.LINK]: [128],
  [OPCODE.OPEN]: [16],
  [OPCODE.OPENDIR]: [16],
  [OPCODE.CREATE]: [144],
  [OPCODE.WRITE]: [8],
  [OPCODE.STATFS]: [80],
  [OPCODE.INIT]: [64],
};
const MAY_BE_SHORTER = new Set<number>([
  ...[OPCODE.READ, OPCODE.READDIR, OPCODE.READDIRPLUS, OPCODE.READLINK, OPCODE.GETXATTR, OPCODE.LISTXATTR],
]);
const UNANSWERED = new Set<number>([OPCODE.FORGET, OPCODE.BATCH_FORGET, OPCODE.INTERRUPT]);

Deno.test("odd bytes never throw, and each request that has a reply gets one of the right size", () => {
  const next = random(20_240_607);
  for (let round = 0; round < 20_000; round++) {
    const { dispatcher, replies } = start(ALL_HANDLERS);
    const opcode = round % 4 === 0 ? next() : next() % 56;
    const body = Uint8Array.from({ length: next() % 160 }, () => next() % 3 === 0 ? next() : 0);
    const request = message(opcode, body);
    if (round % 10 === 0) request.setUint32(0, next(), true);
    dispatcher.dispatch(request);
    if (UNANSWERED.has(opcode)) {
      assert.equal(replies.length, 0, `opcode ${opcode}`);
      continue;
    }
    const [reply] = replies;
    assert.equal(replies.length, 1, `opcode ${opcode}`);
    if (reply?.errno !== 0 || MAY_BE_SHORTER.has(opcode)) continue;
    assert.ok(
      (REPLY_BYTES[opcode] ?? [0]).includes(reply.bodyBytes),
      `opcode ${opcode}: ${reply.bodyBytes} bytes`,
    );
  }
});

Deno.test("bytes that are nothing but noise never throw", () => {
  const next = random(7);
  const { dispatcher } = start(ALL_HANDLERS);
  for (let round = 0; round < 5000; round++) {
    dispatcher.dispatch(new DataView(Uint8Array.from({ length: next() % 200 }, next).buffer));
  }
});
