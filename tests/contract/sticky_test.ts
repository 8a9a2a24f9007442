/**
 * Sticky directories, where a job takes a name between the kernel's look at it and the request: the tree hears then of a
 * caller whom the kernel would not have let through. So these tests speak for the kernel.
 */
import assert from "node:assert/strict";
import { ErrnoError, type NodeId } from "../../src/fuse/mod.ts";
import { Request } from "../../src/fuse/request.ts";
import type { JobId } from "../../src/job/id.ts";
import type { Queue } from "../../src/queue/queue.ts";
import type { Tree } from "../../src/tree/tree.ts";
import { assembleStill } from "../assembly.ts";
import { Place } from "../harness.ts";

const [ROOT, OWNER, ANN, BOB] = [0, 1_000, 1_001, 1_002];
const PENDING = 2n as NodeId;
const FAILED = 5n as NodeId;
const name = (text: string) => new TextEncoder().encode(text);
const by = (uid: number) => new Request(0, 2n, PENDING, uid, uid, 0);

/** Runs `act` on a tree with jobs of ANN and of BOB, whose pending/ has that mode and belongs to OWNER. */
async function withTree(mode: number, act: (tree: Tree, queue: Queue) => Promise<void>): Promise<void> {
  await using place = await Place.make();
  const owner = { uid: OWNER, gid: OWNER };
  await using parts = await assembleStill(`${place.path}/filed.db`, { tree: { owner } });
  const { queue, tree } = parts;
  await queue.setNode("pending", { uid: OWNER, gid: OWNER, mode });
  for (const [id, uid] of [["ann", ANN], ["bob", BOB]] as const) {
    await queue.create(id as JobId, { uid, gid: uid, mode: 0o644 });
  }
  await act(tree, queue);
}

const is = (errno: "ESTALE" | "EEXIST") => (error: unknown) => error instanceof ErrnoError && error.is(errno);

Deno.test("of a sticky directory, the kernel has to look again whose job it is that would be removed or moved", async () => {
  await withTree(0o1777, async (tree, queue) => {
    await assert.rejects(tree.unlink(by(BOB), PENDING, name("ann")), is("ESTALE"));
    await assert.rejects(tree.rename(by(BOB), PENDING, name("ann"), PENDING, name("x"), 0), is("ESTALE"));
    await assert.rejects(tree.rename(by(BOB), PENDING, name("ann"), FAILED, name("ann"), 0), is("ESTALE"));
    assert.equal((await queue.byId("ann"))?.state, "pending");
  });
});

Deno.test("in a sticky directory, a job that has come to a name is not replaced by another user's", async () => {
  await withTree(0o1777, async (tree, queue) => {
    await assert.rejects(tree.rename(by(BOB), PENDING, name("bob"), PENDING, name("ann"), 0), is("EEXIST"));
    assert.equal((await queue.byId("ann"))?.uid, ANN);
  });
});

const ALLOWED = [
  ["its owner", 0o1777, ANN],
  ["the directory's owner", 0o1777, OWNER],
  ["root", 0o1777, ROOT],
  ["anybody, of a directory that is not sticky", 0o777, BOB],
] as const;
for (const [who, mode, uid] of ALLOWED) {
  Deno.test(`a job may be moved, replaced and removed by ${who}`, async () => {
    await withTree(mode, async (tree, queue) => {
      await tree.rename(by(uid), PENDING, name("ann"), PENDING, name("x"), 0);
      if (uid !== ANN) await tree.rename(by(uid), PENDING, name("bob"), PENDING, name("x"), 0);
      await tree.unlink(by(uid), PENDING, name("x"));
      assert.equal(await queue.byId("x"), undefined);
    });
  });
}
