/**
 * What comes for a job while another is renamed onto it: the store has done so, and nobody is told before it is on
 * disk. These tests speak for the kernel, since only it decides what comes when.
 */
import assert from "node:assert/strict";
import { ErrnoError, type Fh, type NodeId } from "../../src/fuse/mod.ts";
import { Request } from "../../src/fuse/request.ts";
import type { Queue } from "../../src/queue/queue.ts";
import type { Tree } from "../../src/tree/tree.ts";
import { assembleStill } from "../assembly.ts";
import { Place } from "../harness.ts";

const [O_WRONLY, PRIVATE] = [1, 0o100600];
const PENDING = 2n as NodeId;
const FAILED = 5n as NodeId;
const bytes = (text: string) => new TextEncoder().encode(text);
const REQUEST = new Request(0, 2n, PENDING, 0, 0, 0);
const KEEP = { privileges: "keep" } as const;

interface Open {
  nodeid: NodeId;
  fh: Fh;
  /** Where the next write goes. */
  at: number;
}

/** Runs `act` on a tree, with x and .x, each open for writing, while `meanwhile` is asked for and not told of. */
async function during(
  meanwhile: (tree: Tree) => Promise<void>,
  act: (tree: Tree, queue: Queue, x: Open, draft: Open) => Promise<void>,
): Promise<void> {
  await using place = await Place.make();
  await using parts = await assembleStill(`${place.path}/filed.db`);
  const { queue, tree } = parts;
  const create = async (name: string): Promise<Open> => {
    const how = { flags: O_WRONLY, mode: 0o100644, umask: 0, ...KEEP };
    const { entry, opened } = await tree.create(REQUEST, PENDING, bytes(name), how);
    const open = { nodeid: entry.nodeid, fh: opened.fh, at: 0 };
    await write(tree, open, `echo ${name}`);
    return open;
  };
  const [x, draft] = [await create("x"), await create(".x")];
  let isTold = false;
  queue.subscribe(() => isTold = true);
  const asked = meanwhile(tree);
  while (
    await queue.byFile(Number((x.nodeid - 64n) / 8n)).then((job) => job?.state === "pending")
  ) { /* Not yet. */ }
  assert.equal(isTold, false);
  await act(tree, queue, x, draft);
  await asked;
  for (const { nodeid, fh } of [x, draft]) await tree.release(REQUEST, nodeid, fh);
}

async function write(tree: Tree, open: Open, text: string): Promise<void> {
  const { nodeid, fh, at } = open;
  await tree.write(REQUEST, nodeid, fh, at, bytes(text), O_WRONLY, "keep");
  open.at += text.length;
  await tree.flush(REQUEST, nodeid, fh);
}

const renamed = (tree: Tree) => tree.rename(REQUEST, PENDING, bytes(".x"), PENDING, bytes("x"), 0);
const textOf = async (queue: Queue, id: string) => {
  const job = await queue.byId(id);
  return job && new TextDecoder().decode((await queue.command(job.file))?.subarray());
};

Deno.test("who writes to a job at the moment at which another is renamed onto it hurts nothing, and is refused nothing", async () => {
  await during(renamed, async (tree, queue, x) => {
    await write(tree, x, "; echo more");
    assert.equal(await textOf(queue, "x"), "echo .x");
  });
});

Deno.test("who writes to the file at the moment at which it is renamed onto a job writes the job", async () => {
  await during(renamed, async (tree, queue, _, draft) => {
    await write(tree, draft, "; echo more");
    assert.equal(await textOf(queue, "x"), "echo .x; echo more");
    assert.equal(await queue.byId(".x"), undefined);
  });
});

Deno.test("a chmod of the old file at the moment of the rename is not one of the new file", async () => {
  await during(renamed, async (tree, queue, x) => {
    await tree.setattr(REQUEST, x.nodeid, { mode: PRIVATE, ...KEEP });
    assert.equal((await queue.byId("x"))?.mode, 0o644);
  });
});

Deno.test("the last close of the old file at the moment of the rename lets nothing start", async () => {
  await during(renamed, async (tree, queue, x, draft) => {
    await tree.release(REQUEST, x.nodeid, x.fh);
    const job = await queue.byId("x");
    assert.ok(job?.state === "pending" && job.held);
    x.fh = (await tree.open(REQUEST, draft.nodeid, O_WRONLY, "keep")).fh;
    x.nodeid = draft.nodeid;
  });
});

Deno.test("who writes to a job at the moment at which it is moved to failed/ is told so", async () => {
  const move = (tree: Tree) => tree.rename(REQUEST, PENDING, bytes("x"), FAILED, bytes("x"), 0);
  const moved = (tree: Tree) => move(tree).catch(() => move(tree)); // The kernel is to look at the name again.
  await during(moved, async (tree, _queue, x) => {
    const isStale = (error: unknown) => error instanceof ErrnoError && error.is("ESTALE");
    await assert.rejects(write(tree, x, "; echo more"), isStale);
  });
});
