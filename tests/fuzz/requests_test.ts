/**
 * Requests of any content, at the tree and its store: each that has an answer gets one, of a length that the kernel
 * takes, and none is a bug. FILED_FUZZ_RUNS says how many sequences, FILED_FUZZ_SEED which.
 */
import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import fc from "fast-check";
import { OPCODE } from "../../src/fuse/abi.ts";
import { Dispatcher } from "../../src/fuse/dispatch.ts";
import { ErrnoError } from "../../src/fuse/mod.ts";
import type { JobId } from "../../src/job/id.ts";
import { errnoOf } from "../../src/tree/errors.ts";
import { assembleStill, type StillParts } from "../assembly.ts";
import { Place } from "../harness.ts";
import { anyRequest, type Sent } from "./requests.ts";

const RUNS = Number(Deno.env.get("FILED_FUZZ_RUNS") ?? 150);
const SEED = Number(Deno.env.get("FILED_FUZZ_SEED") ?? 1);
const REQUESTS = 60;

const IN_HEADER_BYTES = 40;
const OUT_HEADER_BYTES = 16;
const MAX_ERRNO = 511;
const UNANSWERED = new Set<number>([OPCODE.FORGET, OPCODE.BATCH_FORGET, OPCODE.INTERRUPT]);

/** Bytes of the answers that have one length only; all others but those below are empty. */
const ANSWER_BYTES: Record<number, number> = {
  ...{ [OPCODE.LOOKUP]: 128, [OPCODE.MKNOD]: 128, [OPCODE.CREATE]: 144 },
  ...{ [OPCODE.GETATTR]: 104, [OPCODE.SETATTR]: 104, [OPCODE.STATX]: 288 },
  ...{ [OPCODE.OPEN]: 16, [OPCODE.OPENDIR]: 16, [OPCODE.WRITE]: 8, [OPCODE.STATFS]: 80, [OPCODE.INIT]: 64 },
};
/** Offset, in the body, of the size that the answer may have at most. */
const ROOM_AT: Record<number, number> = { [OPCODE.READ]: 16, [OPCODE.READDIR]: 16 };

const NO_STATFS = {
  ...{ blocks: 0n, blocksFree: 0n, blocksAvailable: 0n, files: 0n, filesFree: 0n },
  ...{ blockSizeBytes: 4_096, fragmentSizeBytes: 4_096, nameMax: 255 },
};

interface Answer {
  errno: number;
  bodyBytes: number;
}

/** A tree with a pending and a failed job, and a dispatcher whose kernel is the test. */
class Wired implements AsyncDisposable {
  readonly #answers = new Map<bigint, Answer[]>();
  readonly bugs: unknown[] = [];
  readonly #parts: StillParts;
  readonly #dispatcher: Dispatcher;
  #unique = 0n;

  private constructor(parts: StillParts) {
    this.#parts = parts;
    const write = (reply: Uint8Array, sizeBytes: number) =>
      this.#receive(new DataView(reply.buffer), sizeBytes);
    this.#dispatcher = new Dispatcher(parts.tree, write, {
      onError: (error, { opcode }) => {
        // Reported and no bugs: a kernel that is too old, and what has no answer and is malformed.
        if (opcode !== "INIT" && !(error instanceof ErrnoError)) this.bugs.push(error);
        return errnoOf(error);
      },
      pageSizeBytes: 4_096,
    });
  }

  /** @param path Of the state file. */
  static async make(path: string): Promise<Wired> {
    const tree = { owner: { uid: 0, gid: 0 }, statfs: () => Promise.resolve(NO_STATFS) };
    return new Wired(await assembleStill(path, { tree }));
  }

  /** Makes a pending job and a failed one, and opens both, the settings and new-id. */
  async populate(): Promise<void> {
    const { queue } = this.#parts;
    for (const id of ["x", "f"] as JobId[]) {
      const created = await queue.create(id, { uid: 0, gid: 0, mode: 0o644 });
      assert.ok(created.ok);
      const job = await queue.saveClosed(created.value.file, new TextEncoder().encode(": job"), {
        uids: new Set(),
        of: "all",
      }, undefined);
      if (job && id === "f") await queue.move(job, "failed", id, () => false);
    }
    const O_RDWR = 2;
    for (const [nodeid, flags] of [[72n, O_RDWR], [(1n << 36n) + 81n, 0], [7n, O_RDWR], [6n, 0]] as const) {
      const body = new Uint8Array(new Uint32Array([flags, 0]).buffer);
      const answers = this.send({ opcode: OPCODE.OPEN, nodeid, body, cut: 0, lie: 0 });
      await this.settled();
      assert.deepEqual(answers, [{ errno: 0, bodyBytes: 16 }]);
    }
  }

  /** @returns Where the answers to the request will be. */
  send(sent: Sent): Answer[] {
    const answers: Answer[] = [];
    const unique = this.#unique += 2n;
    this.#answers.set(unique, answers);
    this.#dispatcher.dispatch(messageOf(sent, unique));
    return answers;
  }

  /** Resolves once all that was sent has been handled. */
  async settled(): Promise<void> {
    while (this.#dispatcher.pending > 0) await setImmediate();
  }

  #receive(reply: DataView, sizeBytes: number) {
    assert.equal(reply.getUint32(0, true), sizeBytes, "the length in the header is what is written");
    const answers = this.#answers.get(reply.getBigUint64(8, true));
    assert.ok(answers, "an answer to something that was asked");
    answers.push({ errno: 0 - reply.getInt32(4, true), bodyBytes: sizeBytes - OUT_HEADER_BYTES });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#dispatcher.end();
    await this.#parts[Symbol.asyncDispose]();
  }
}

function messageOf({ opcode, nodeid, body, cut, lie }: Sent, unique: bigint): DataView {
  const whole = new Uint8Array(IN_HEADER_BYTES + body.length);
  whole.set(body, IN_HEADER_BYTES);
  const message = new DataView(whole.buffer, 0, Math.max(0, whole.length - cut));
  const header = new DataView(whole.buffer);
  header.setUint32(0, message.byteLength + lie, true);
  header.setUint32(4, opcode, true);
  header.setBigUint64(8, unique, true);
  header.setBigUint64(16, nodeid, true);
  return message;
}

function check(sent: Sent, answers: Answer[]) {
  const { opcode, body, cut } = sent;
  if (UNANSWERED.has(opcode) || body.length < cut) return assert.deepEqual(answers, []);
  assert.equal(answers.length, 1, "one answer");
  const { errno, bodyBytes } = answers[0] as Answer;
  assert.ok(errno >= 0 && errno <= MAX_ERRNO, `errno ${errno}`);
  if (errno > 0) return assert.equal(bodyBytes, 0, "an error has no body");
  const roomAt = ROOM_AT[opcode];
  if (roomAt === undefined) return assert.equal(bodyBytes, ANSWER_BYTES[opcode] ?? 0);
  assert.ok(bodyBytes <= new DataView(body.buffer).getUint32(roomAt, true));
}

for (const how of ["one after the other", "all at once"] as const) {
  Deno.test(`no request is a bug, and each gets the one answer that the kernel takes: ${how}`, async () => {
    await using place = await Place.make();
    let run = 0;
    const sequences = fc.array(anyRequest, { maxLength: REQUESTS, size: "max" });
    const property = fc.asyncProperty(sequences, async (sequence) => {
      await using wired = await Wired.make(`${place.path}/${++run}.db`);
      await wired.populate();
      const all: [Sent, Answer[]][] = [];
      for (const sent of sequence) {
        all.push([sent, wired.send(sent)]);
        if (how === "one after the other") await wired.settled();
      }
      await wired.settled();
      for (const [sent, answers] of all) check(sent, answers);
      assert.deepEqual(wired.bugs, []);
    });
    await fc.assert(property, { numRuns: RUNS, seed: SEED });
  });
}
