import assert from "node:assert/strict";
import { ErrnoError, type ErrnoName, type NodeId } from "../fuse/mod.ts";
import type { Queue } from "../queue/queue.ts";
import { Accounts } from "./accounts.ts";
import { ConfigText } from "./config_text.ts";
import type { Handle } from "./node.ts";
import { addressOf, rootFileNodeid } from "./node_ids.ts";
import { MAX_ROOT_FILES, ROOT_FILE_KEPT_MS, RootFiles } from "./root_files.ts";

const ANN = 1_001;
const OWNER = { uid: ANN, gid: ANN, mode: 0o600 };
const NO_QUEUE = {} as Queue;
const is = (errno: ErrnoName) => (error: unknown) => error instanceof ErrnoError && error.is(errno);

function start() {
  const clock = { now: 0 };
  const accounts = new Accounts({
    ofUser: { handles: 1, bytes: 100, heldJobs: 1 },
    ofAll: { handles: 1, bytes: 100, heldJobs: 1 },
  });
  const now = () => clock.now;
  const files = new RootFiles(accounts, new ConfigText(NO_QUEUE, now), now);
  return { clock, accounts, files, names: () => files.named().map(([name]) => name) };
}

type Act = "make" | "open" | "close" | "rename" | "remove";

/** What is done to a file when, and the last ms in which it is found; `undefined`: it is gone at once. */
const LIVES: [string, [number, Act][], number | undefined][] = [
  ["one that nobody opens stays for a while", [[0, "make"]], ROOT_FILE_KEPT_MS - 1],
  ["one that is closed stays as long again", [[0, "make"], [5, "open"], [7, "close"]], ROOT_FILE_KEPT_MS + 6],
  ["one that is renamed, too", [[0, "make"], [9, "rename"]], ROOT_FILE_KEPT_MS + 8],
  ["one that is open stays", [[0, "make"], [1, "open"]], 100 * ROOT_FILE_KEPT_MS],
  ["one that is open twice stays until both close", [
    [0, "make"],
    [1, "open"],
    [1, "open"],
    [2, "close"],
  ], 100 * ROOT_FILE_KEPT_MS],
  ["one that is removed goes", [[0, "make"], [1, "remove"]], undefined],
  ["one that is removed while it is open has no name", [[0, "make"], [1, "open"], [1, "remove"]], undefined],
];
for (const [name, acts, last] of LIVES) {
  Deno.test(`files beside config.json: ${name}`, () => {
    const { clock, files, names } = start();
    const file = files.create("new", ANN, OWNER);
    const handles: Handle[] = [];
    for (const [at, act] of acts) {
      clock.now = at;
      if (act === "open") handles.push(files.open(file));
      if (act === "close") handles.pop()?.release?.();
      if (act === "rename") files.rename(file, "other");
      if (act === "remove") files.remove(file);
    }
    if (last === undefined) return assert.deepEqual(names(), []);
    clock.now = last;
    assert.deepEqual(names(), [file.name]);
    if (file.opens > 0) return;
    clock.now++;
    assert.deepEqual(names(), []);
    assert.throws(() => files.byId(file.nodeid), is("ESTALE"));
  });
}

Deno.test("files beside config.json: who has a removed one open keeps it, and nothing is left or charged then", () => {
  const { accounts, files } = start();
  const file = files.create("new", ANN, OWNER);
  const handle = files.open(file);
  file.write(0, new Uint8Array(60));
  files.rename(files.create("newer", ANN, OWNER), "new");
  assert.equal(files.byId(file.nodeid), file);
  assert.deepEqual([file.name, file.attributes().attributes.nlink, accounts.of(ANN).bytes], [
    undefined,
    0,
    60,
  ]);
  handle.release?.();
  assert.throws(() => files.byId(file.nodeid), is("ESTALE"));
  assert.deepEqual(accounts.users, []);
});

Deno.test("files beside config.json: what is too much is refused, and the file stays", () => {
  const { files } = start();
  const file = files.create("new", ANN, OWNER);
  file.write(0, Uint8Array.of(1, 2));
  assert.throws(() => file.write(2, new Uint8Array(99)), is("EDQUOT"));
  assert.throws(() => file.write(65_536, new Uint8Array(1)), is("EFBIG"));
  assert.throws(() => files.create("copy", ANN, OWNER, new Uint8Array(99)), is("EDQUOT"));
  assert.deepEqual([file.bytes, files.byName("copy")], [Uint8Array.of(1, 2), undefined]);
});

Deno.test("files beside config.json: a write is taken back, unless another came after it", () => {
  const { accounts, files } = start();
  const file = files.create("new", ANN, OWNER);
  file.write(0, Uint8Array.of(1));
  const takeBack = file.write(1, Uint8Array.of(2, 3));
  takeBack();
  assert.deepEqual([file.bytes, accounts.of(ANN).bytes], [Uint8Array.of(1), 1]);
  const takeBackLate = file.write(1, Uint8Array.of(2));
  file.write(2, Uint8Array.of(3));
  takeBackLate();
  assert.deepEqual(file.bytes, Uint8Array.of(1, 2, 3));
});

Deno.test("files beside config.json: the one that has been closed for longest makes room; where all are open, none does", () => {
  const { clock, files, names } = start();
  const all = Array.from({ length: MAX_ROOT_FILES }, (_, index) => files.create(`${index}`, ANN, OWNER));
  clock.now = 1;
  const [, handle] = all.slice(0, 2).map((file) => files.open(file));
  handle?.release?.();
  files.create("more", ANN, OWNER);
  assert.deepEqual(names(), ["0", "1", "3", "4", "5", "6", "7", "more"]);
  for (const [, file] of files.named()) files.open(file);
  assert.throws(() => files.create("too many", ANN, OWNER), is("ENOSPC"));
});

Deno.test("files beside config.json: no two have the same node, and none has a job's or a log's", () => {
  const { files } = start();
  const nodes = Array.from({ length: 20 }, () => files.create("new", ANN, OWNER).nodeid);
  assert.equal(new Set(nodes).size, nodes.length);
  for (const nodeid of nodes) assert.deepEqual(addressOf(nodeid), { of: "root-file", nodeid });
});

Deno.test("an open of config.json is charged, and uses up no node of those beside it", () => {
  const { accounts, files } = start();
  const handle = files.openSettings(7n as NodeId, ANN, OWNER, new Uint8Array(60));
  assert.equal(accounts.of(ANN).bytes, 60);
  assert.equal(files.create("new", ANN, OWNER).nodeid, rootFileNodeid(1));
  handle.release?.();
  assert.deepEqual(accounts.users, []);
});
