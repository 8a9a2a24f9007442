// Sessions on a socket: we play the kernel, and decide what waits when. In tests/fuse/session_test.ts the
// real kernel does.
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { close, write } from "../sys/files/file.ts";
import { ErrnoError } from "../sys/errno.ts";
import { OPCODE } from "./abi.ts";
import type { AttributesReply } from "./attributes.ts";
import type { FileSystem } from "./filesystem.ts";
import { Session } from "./session.ts";

const { symbols: libc } = Deno.dlopen("libc.so.6", {
  socketpair: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
});
const AF_UNIX = 1;
const SOCK_SEQPACKET_NONBLOCK = 5 | 0o4000;

/**
 * A kernel, and the session that serves it; `log` is what happened, in order. Meanwhile the clock goes on by
 * 1 us each time that somebody looks at it, so that a busy machine can't cut a drain in two.
 */
class FakeKernel implements AsyncDisposable {
  readonly log: string[] = [];
  /** How often somebody looked at the clock. */
  looks = 0;
  readonly session: Session;
  readonly #ends = packetSockets();
  readonly #clock = performance.now;
  #unique = 0n;

  constructor(fs: FileSystem, onDrained?: () => void) {
    const options = {
      onError: (error: unknown) => void this.log.push(String(error)),
      onReply: ({ unique }: { unique: bigint }) => void this.log.push(`reply ${unique}`),
      onDrained: () => {
        this.log.push("drained");
        onDrained?.();
      },
    };
    performance.now = () => ++this.looks / 1_000;
    this.session = new Session(this.#ends[0], fs, options);
  }

  /** Sends a GETATTR. */
  ask(): void {
    const message = new DataView(new ArrayBuffer(56)); // a fuse_in_header, and a fuse_getattr_in of zeros
    message.setUint32(0, message.byteLength, true);
    message.setUint32(4, OPCODE.GETATTR, true);
    message.setBigUint64(8, ++this.#unique, true);
    message.setBigUint64(16, 1n, true);
    write(this.#ends[1], new Uint8Array(message.buffer), message.byteLength);
  }

  /** Resolves once so much has happened. */
  async logged(count: number): Promise<void> {
    while (this.log.length < count) await pause(1);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.session[Symbol.asyncDispose]();
    performance.now = this.#clock;
    this.#ends.forEach(close);
  }
}

function packetSockets(): [number, number] {
  const ends = new Int32Array(2);
  if (libc.socketpair(AF_UNIX, SOCK_SEQPACKET_NONBLOCK, 0, ends) !== 0) throw new Error("socketpair");
  return [ends[0]!, ends[1]!];
}

const ATTRIBUTES: AttributesReply = {
  attributes: {
    ...{ ino: 1n, sizeBytes: 0, mode: 0o40755, nlink: 2, uid: 0, gid: 0 },
    ...{ atimeMs: 0, mtimeMs: 0, ctimeMs: 0, blockSizeBytes: 4096 },
  },
  attributesValidMs: 0,
};

/** A file system that answers once `commit` is called, and how many it answered by each. */
class Committing {
  readonly #waiting: (() => void)[] = [];
  readonly sizes: number[] = [];
  readonly fs: FileSystem = {
    lookup: () => {
      throw new ErrnoError("ENOENT");
    },
    getattr: () => new Promise((resolve) => this.#waiting.push(() => resolve(ATTRIBUTES))),
  };
  readonly commit = () => {
    this.sizes.push(this.#waiting.length);
    for (const answer of this.#waiting.splice(0)) answer();
  };
}

/** A file system that takes so many microtasks to answer. */
function slowFs(turns: number, log: () => string[]): FileSystem {
  return {
    ...new Committing().fs,
    async getattr() {
      log().push("asked");
      for (let turn = 0; turn < turns; turn++) await undefined;
      log().push("answered");
      return ATTRIBUTES;
    },
  };
}

const replies = (first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, i) => `reply ${first + i}`);

Deno.test("requests that wait together share one onDrained, which answers them all", async () => {
  const { fs, commit, sizes } = new Committing();
  await using kernel = new FakeKernel(fs, commit);
  for (let i = 0; i < 20; i++) kernel.ask();
  const end = kernel.session.run();
  await kernel.logged(21);
  kernel.session.close();
  assert.equal(await end, "closed");
  assert.deepEqual(kernel.log, ["drained", ...replies(1, 20)]);
  assert.deepEqual(sizes, [20]);
});

Deno.test("onDrained comes after the handlers' microtasks", async () => {
  await using kernel: FakeKernel = new FakeKernel(slowFs(10, () => kernel.log));
  kernel.ask();
  kernel.ask();
  void kernel.session.run();
  await kernel.logged(7);
  assert.deepEqual(kernel.log, ["asked", "asked", "answered", "answered", ...replies(1, 2), "drained"]);
});

Deno.test("onDrained does not wait for a handler that waits for something else", async () => {
  const { promise, resolve } = Promise.withResolvers<AttributesReply>();
  await using kernel = new FakeKernel({ ...new Committing().fs, getattr: () => promise });
  kernel.ask();
  void kernel.session.run();
  await kernel.logged(1);
  resolve(ATTRIBUTES);
  await kernel.logged(2);
  assert.deepEqual(kernel.log, ["drained", "reply 1"]);
});

Deno.test("a lone request is committed and answered without a turn of the event loop", async () => {
  const { fs, commit } = new Committing();
  await using kernel = new FakeKernel(fs, commit);
  kernel.ask();
  setImmediate(() => kernel.log.push("a turn"));
  void kernel.session.run();
  await kernel.logged(3);
  assert.deepEqual(kernel.log, ["drained", "reply 1", "a turn"]);
});

Deno.test("each drain has its own onDrained, and where nothing has come there is none", async () => {
  const { fs, commit, sizes } = new Committing();
  await using kernel = new FakeKernel(fs, commit);
  void kernel.session.run();
  await pause(5); // It spins, and sleeps.
  let logged = 0;
  for (const count of [1, 3, 2]) {
    for (let i = 0; i < count; i++) kernel.ask();
    await kernel.logged(logged += 1 + count);
    await pause(5);
  }
  assert.deepEqual(sizes, [1, 3, 2]);
});

Deno.test("timers run while each answer brings the next request", async () => {
  const { fs, commit } = new Committing();
  let isBusy = true;
  await using kernel: FakeKernel = new FakeKernel(fs, () => {
    commit();
    if (isBusy) kernel.ask();
  });
  kernel.ask();
  void kernel.session.run();
  for (let i = 0; i < 5; i++) await pause(1); // Would wait for ever.
  isBusy = false;
});

Deno.test("a session with nothing to do sleeps, and wakes up for nothing", async () => {
  await using kernel = new FakeKernel(new Committing().fs);
  void kernel.session.run();
  let looks: number;
  do {
    looks = kernel.looks;
    await pause(20);
  } while (kernel.looks > looks);
  await pause(200);
  assert.equal(kernel.looks, looks);
});
