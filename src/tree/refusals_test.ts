/** Which refusals are kept, and for whom; tests/contract/why_test.ts has what users see of them. */
import assert from "node:assert/strict";
import { Accounts } from "./accounts.ts";
import { Refusals } from "./refusals.ts";

const [ROOT, DAEMON, ANN, BOB] = [0, 500, 1_001, 1_002];
/** Ids that are one user's. */
const SUBUIDS = [100_000, 100_001, 100_002];
const LIMITS = { ofUser: 3, ofAll: 5, lastOrdinal: 20 };

function open() {
  const accounts = new Accounts({ accountOf: (uid) => uid >= 100_000 ? 100_000 : uid });
  let now = 0;
  const refusals = new Refusals(accounts, DAEMON, () => ++now, LIMITS);
  return {
    refusals,
    note: (uid: number, ...ids: string[]) => {
      for (const id of ids) refusals.note(uid, id, `${id} of ${uid}`, { uid, gid: uid, mode: 0o600 });
    },
    /** Which of these ids the user finds. */
    found: (uid: number, ids: string) =>
      [...ids].filter((id) => refusals.find(uid, id) !== undefined).join(""),
  };
}

Deno.test("each user finds the own refusal of an id, and nothing of another's", () => {
  const { refusals, note, found } = open();
  note(ANN, "x", "y");
  note(BOB, "x");
  assert.equal(refusals.find(ANN, "x")?.reason, "x of 1001");
  assert.equal(refusals.find(BOB, "x")?.reason, "x of 1002");
  assert.deepEqual([found(ANN, "xyz"), found(BOB, "xyz"), found(BOB + 1, "xyz")], ["xy", "x", ""]);
});

Deno.test("root and filed's user find the newest of an id, whoever's it is", () => {
  const { refusals, note } = open();
  note(ANN, "x");
  note(ROOT, "x");
  note(BOB, "x");
  for (const uid of [ROOT, DAEMON]) assert.equal(refusals.find(uid, "x")?.uid, BOB);
  note(ANN, "x");
  for (const uid of [ROOT, DAEMON]) assert.equal(refusals.find(uid, "x")?.uid, ANN);
  assert.equal(refusals.find(BOB, "x")?.uid, BOB);
});

Deno.test("who may read a refusal that a node is of is its user, root, and filed's user", () => {
  const { refusals, note } = open();
  note(ANN, "x");
  const refusal = refusals.find(ANN, "x");
  assert.ok(refusal);
  assert.deepEqual([ANN, ROOT, DAEMON, BOB].filter((uid) => refusals.mayRead(uid, refusal)), [
    ANN,
    ROOT,
    DAEMON,
  ]);
});

Deno.test("a later refusal of the same user and id takes the place of the earlier one", () => {
  const { refusals, note, found } = open();
  note(ANN, "a", "b", "c");
  refusals.note(ANN, "a", "another", { uid: ANN, gid: 0, mode: 0 });
  assert.deepEqual([refusals.find(ANN, "a")?.reason, refusals.find(ANN, "a")?.at], ["another", 4]);
  note(ANN, "d"); // So that b is the oldest.
  assert.equal(found(ANN, "abcd"), "acd");
});

Deno.test("of each user so many are kept, however many ids the user has, and as many of all", () => {
  const { note, found } = open();
  note(BOB, "x");
  note(ANN, "a", "b", "c", "d");
  assert.deepEqual([found(ANN, "abcd"), found(BOB, "x")], ["bcd", "x"]);
  for (const [index, id] of [..."efgh"].entries()) note(SUBUIDS[index % 3] ?? 0, id);
  assert.deepEqual([found(ROOT, "efgh"), found(ROOT, "bcdx")], ["fgh", "cd"]);
});

Deno.test("what is submitted is refused no more, of that user", () => {
  const { refusals, note, found } = open();
  note(ANN, "x", "y");
  note(BOB, "x");
  refusals.clear(ANN, "x");
  refusals.clear(ANN, "unknown");
  assert.deepEqual([found(ANN, "xy"), found(BOB, "xy")], ["y", "x"]);
  note(ANN, "x", "z"); // It takes no room.
  assert.equal(found(ANN, "xyz"), "xyz");
});

Deno.test("nobody is told of content that they may not read, and what was told before is not so any more", () => {
  const { refusals, found } = open();
  const tell = (uid: number, mode: number) =>
    refusals.note(uid, "x", "line 1: SECRET", { uid: ANN, gid: BOB, mode });
  tell(BOB, 0o604);
  assert.equal(found(BOB, "x"), "x");
  tell(BOB, 0o660);
  assert.deepEqual([found(BOB, "x"), found(ROOT, "x")], ["", ""]);
  for (const uid of [ANN, ROOT]) tell(uid, 0);
  assert.deepEqual([found(ANN, "x"), found(ROOT, "x")], ["x", "x"]);
});

Deno.test("one that is open can be come to until its last close, also when it is forgotten", () => {
  const { refusals, note } = open();
  note(ANN, "x");
  const refusal = refusals.find(ANN, "x");
  assert.ok(refusal);
  for (let count = 0; count < 2; count++) refusals.opened(refusal);
  note(ANN, "x");
  assert.notEqual(refusals.find(ANN, "x"), refusal);
  refusals.closed(refusal);
  assert.deepEqual([refusals.byOrdinal(refusal.ordinal), refusal.isForgotten], [refusal, true]);
  refusals.closed(refusal);
  assert.equal(refusals.byOrdinal(refusal.ordinal), undefined);
});

Deno.test("one that is closed before it is forgotten can be come to until then", () => {
  const { refusals, note } = open();
  note(ANN, "x");
  const refusal = refusals.find(ANN, "x");
  assert.ok(refusal);
  refusals.opened(refusal);
  refusals.closed(refusal);
  assert.equal(refusals.byOrdinal(refusal.ordinal), refusal);
  refusals.clear(ANN, "x");
  assert.equal(refusals.byOrdinal(refusal.ordinal), undefined);
});

Deno.test("ordinals begin again at 1, and leave out those that are in use", () => {
  const { refusals, note } = open();
  note(ROOT, "kept");
  const kept = refusals.find(ROOT, "kept");
  const ordinals: number[] = [];
  for (let count = 0; count < 25; count++) {
    note(ANN, "x");
    ordinals.push(refusals.find(ANN, "x")?.ordinal ?? 0);
  }
  assert.equal(kept?.ordinal, 1);
  assert.deepEqual(ordinals.slice(17), [19, 20, 2, 3, 4, 5, 6, 7]);
  assert.equal(refusals.byOrdinal(1), kept);
});

Deno.test("a reason is one line, without what is invisible, and of a long one the ends", () => {
  const { refusals } = open();
  const reasonOf = (reason: string) => {
    refusals.note(ANN, "x", reason, { uid: ANN, gid: 0, mode: 0 });
    return refusals.find(ANN, "x")?.reason;
  };
  assert.equal(
    reasonOf("line 2: a\nb\x1b[1m\u202e: no such key"),
    "line 2: a\\u000ab\\u001b[1m\\u202e: no such key",
  );
  assert.equal(reasonOf("a".repeat(1_000)), "a".repeat(1_000));
  assert.equal(reasonOf("a".repeat(60_000) + "b"), `${"a".repeat(500)} … ${"a".repeat(499)}b`);
});
