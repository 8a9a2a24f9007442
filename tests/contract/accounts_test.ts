/**
 * What users have open is counted for them, and given back exactly: the tree itself, with a state file that
 * fails at times. src/tree/accounts_test.ts has the sums alone, src/worker/start/accounts_test.ts the user
 * database.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { ErrnoError, type Fh, type NodeId, O_TRUNC } from "../../src/fuse/mod.ts";
import { Request } from "../../src/fuse/request.ts";
import { Queue, StoreError } from "../../src/queue/queue.ts";
import { SqliteStore } from "../../src/store/sqlite/store.ts";
import { Accounts } from "../../src/tree/accounts.ts";
import { addressOf, commandNodeid, LOG } from "../../src/tree/node_ids.ts";
import { Tree } from "../../src/tree/tree.ts";
import { Place } from "../harness.ts";

const [PENDING, FAILED, NEW_ID, CONFIG] = [2n, 5n, 6n, 7n] as NodeId[] as [NodeId, NodeId, NodeId, NodeId];
const [O_RDONLY, O_RDWR] = [0, 2];
const USERS = [1_001, 1_002];
const by = (uid: number) => new Request(0, 2n, PENDING, uid, uid, 0);
const name = (job: number) => new TextEncoder().encode(`job${job}`);

/** The queue's writes fail, as on a full disk. */
function failing(queue: Queue, isFailing: () => boolean): Queue {
  const writes = new Set(["writeThrough", "close", "release", "hold", "remove", "move"]);
  return new Proxy(queue, {
    get(target, key) {
      const value = Reflect.get(target, key, target);
      if (typeof value !== "function") return value;
      if (!writes.has(String(key))) return value.bind(target);
      return (...args: unknown[]) =>
        isFailing() ? Promise.reject(new StoreError("full", "no room")) : value.apply(target, args);
    },
  });
}

const number = fc.nat(5);
const step = fc.record({
  what: fc.constantFrom(
    ...[
      "create",
      "create",
      "open to read",
      "open to write",
      "empty",
      "open a log",
      "open new-id",
      "open config",
    ],
    ...[
      "write",
      "write",
      "write",
      "truncate",
      "truncate by path",
      "close",
      "close",
      "remove",
      "rename onto the next",
      "fail",
      "retry",
    ],
    ...["flush", "the disk is full", "there is room"],
  ),
  job: number,
  uid: fc.constantFrom(...USERS),
  handle: fc.nat(20),
  offset: fc.nat(300),
  size: fc.nat(300),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

Deno.test("whatever users open, write, cut, remove and close, they are charged what they have, and nothing in the end", async () => {
  await using place = await Place.make();
  await using store = SqliteStore.open(`${place.path}/filed.db`);
  let isFull = false;
  const queue = failing(new Queue(store, 0), () => isFull);
  const statfs = () => Promise.reject(new ErrnoError("ENOSYS"));
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 120, size: "max" }), async (steps) => {
      const accounts = new Accounts({
        ofUser: { handles: 8, bytes: 600, heldJobs: 3 },
        ofAll: { handles: 12, bytes: 900, heldJobs: 5 },
      });
      using tree = new Tree(queue, { owner: { uid: 0, gid: 0 }, statfs, accounts });
      const open: Open[] = [];
      /** How often a node's content has been left to those who had it open then. */
      const left = new Map<NodeId, number>();
      /** The most that a content has had since somebody may write it. */
      const most = new Map<string, number>();
      const contentOf = (nodeid: NodeId) => `${nodeid}, ${left.get(nodeid) ?? 0}`;
      const leave = (nodeid: NodeId) => left.set(nodeid, (left.get(nodeid) ?? 0) + 1);
      const nodeidOf = async (job: number) => {
        const { file, state } = await store.byId(`job${job}`) ?? { file: 0, state: "pending" };
        return commandNodeid(file) + (state === "pending" ? 0n : 1n) as NodeId;
      };
      const openNode = async ({ uid, job }: Step, nodeid: NodeId, flags: number) => {
        const isCommand = nodeid !== CONFIG && nodeid !== NEW_ID;
        const isOpen = open.some(({ content }) => content === contentOf(nodeid));
        const found = isCommand && !isOpen ? (await store.byId(`job${job}`))?.commandBytes ?? 0 : 0;
        const { fh } = await tree.open(by(uid), nodeid, flags, "keep");
        const content = isCommand ? contentOf(nodeid) : `handle ${fh}`;
        const isHolder = isCommand && flags !== O_RDONLY;
        open.push({ fh, nodeid, uid, content, isHolder });
        if (isHolder) most.set(content, Math.max(most.get(content) ?? 0, sizes.get(content) ?? 0, found));
      };
      const act = async (step: Step) => {
        const { what, job, uid, handle, offset, size } = step;
        const at = open[handle % Math.max(1, open.length)];
        switch (what) {
          case "create": {
            const mode = size % 2 ? 0o100600 : 0o100644; // The first kind waits once it is closed.
            const created = await tree.create(by(uid), PENDING, name(job), {
              flags: O_RDWR,
              mode,
              umask: 0,
              privileges: "keep",
            });
            const { nodeid } = created.entry;
            const content = contentOf(nodeid);
            return void open.push({ fh: created.opened.fh, nodeid, uid, content, isHolder: true });
          }
          case "open to read":
          case "open a log":
            return await openNode(step, await nodeidOf(job), O_RDONLY);
          case "open to write":
            return await openNode(step, await nodeidOf(job), O_RDWR);
          case "empty":
            return await openNode(step, await nodeidOf(job), O_RDWR | O_TRUNC);
          case "open new-id":
            return await openNode(step, NEW_ID, O_RDONLY);
          case "open config":
            return await openNode(step, CONFIG, O_RDWR);
          case "truncate by path":
            return void await tree.setattr(by(uid), await nodeidOf(job), {
              sizeBytes: size,
              privileges: "keep",
            });
          case "remove": {
            const nodeid = await nodeidOf(job);
            await tree.unlink(by(0), size % 2 ? PENDING : FAILED, name(job));
            return void leave(nodeid);
          }
          case "rename onto the next": {
            const next = (job + 1) % 6;
            const nodeid = await nodeidOf(next);
            await tree.rename(by(0), PENDING, name(job), PENDING, name(next), 0);
            return void leave(nodeid);
          }
          case "fail": {
            const nodeid = await nodeidOf(job);
            await tree.rename(by(0), PENDING, name(job), FAILED, name(job), 0);
            return void leave(nodeid);
          }
          case "retry":
            return await tree.rename(by(0), FAILED, name(job), PENDING, name(job), 0);
          case "the disk is full":
            return void (isFull = size % 3 === 0);
          case "there is room":
            return void (isFull = false);
        }
        if (!at) return;
        if (what === "write") {
          return void await tree.write(
            by(0),
            at.nodeid,
            at.fh,
            offset,
            new Uint8Array(size).fill(32),
            0,
            "keep",
          );
        }
        if (what === "truncate") {
          return void await tree.setattr(by(0), at.nodeid, {
            sizeBytes: size,
            fh: at.fh,
            privileges: "keep",
          });
        }
        if (what === "flush") return await tree.flush(by(0), at.nodeid, at.fh);
        open.splice(open.indexOf(at), 1);
        await tree.release(by(0), at.nodeid, at.fh);
      };
      let sizes = new Map<string, number>();
      for (const step of steps) {
        try {
          await act(step);
        } catch (error) {
          if (!(error instanceof ErrnoError || error instanceof StoreError)) throw error;
          if (error instanceof ErrnoError && (error.is("EDQUOT") || error.is("ENOSPC"))) refused++;
        }
        sizes = await sizesOf(tree, open);
        const held = new Set(open.filter(({ isHolder }) => isHolder).map(({ content }) => content));
        for (const content of most.keys()) if (!held.has(content)) most.delete(content);
        for (const content of held) {
          most.set(content, Math.max(most.get(content) ?? 0, sizes.get(content) ?? 0));
        }
        const inMemory = (some: readonly Open[]) =>
          new Set(some.map(({ content }) => content)).values()
            .reduce((sum, content) => sum + (most.get(content) ?? sizes.get(content) ?? 0), 0);
        let charged = 0;
        for (const uid of USERS) {
          const { handles, bytes, heldJobs } = accounts.of(uid);
          const own = open.filter((one) => one.uid === uid);
          charged += bytes;
          assert.equal(handles, own.length);
          assert.ok(bytes <= inMemory(own), "nobody is charged for what only others have open");
          assert.ok(heldJobs <= 6, `${heldJobs} of 6 jobs are held`);
        }
        assert.equal(charged, inMemory(open), "each content is charged once");
      }
      isFull = false;
      for (const { fh, nodeid } of open) await tree.release(by(0), nodeid, fh);
      for (const uid of USERS) assert.deepEqual({ ...accounts.of(uid), heldJobs: 0 }, NOTHING);
      for (const directory of [PENDING, FAILED]) {
        for (let job = 0; job < 6; job++) await tree.unlink(by(0), directory, name(job)).catch(() => {});
      }
      assert.deepEqual(accounts.users, []);
    }),
    { numRuns: 60 },
  );
  assert.ok(refused > 0, "no share was ever used up");
});

interface Open {
  fh: Fh;
  nodeid: NodeId;
  uid: number;
  /** Those that have the same one share it. */
  content: string;
  /** It may write to a job. */
  isHolder: boolean;
}

/** How long the commands and settings are that are open, by content. */
async function sizesOf(tree: Tree, open: readonly Open[]): Promise<Map<string, number>> {
  const bytes = new Map<string, number>();
  for (const { fh, nodeid, content } of open) {
    const address = addressOf(nodeid);
    if (nodeid === NEW_ID || address.of === "job" && address.kind === LOG) continue;
    bytes.set(content, (await tree.read(by(0), nodeid, fh, 0, 1_000, 0)).length);
  }
  return bytes;
}

const NOTHING = { handles: 0, bytes: 0, heldJobs: 0 };
