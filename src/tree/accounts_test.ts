/** What is charged to users; tests/contract/accounts_test.ts has the tree that charges it. */
import assert from "node:assert/strict";
import { ErrnoError, type ErrnoName } from "../fuse/mod.ts";
import { Accounts, Charge, type Good } from "./accounts.ts";

const [ROOT, ANN, BOB] = [0, 1_001, 1_002];
const open = () =>
  new Accounts({
    ofUser: { handles: 2, bytes: 100, heldJobs: 2 },
    ofAll: { handles: 3, bytes: 150, heldJobs: 3 },
    accountOf: (uid) => uid > 100_000 ? 100_000 : uid,
  });

/** What each may take, one after the other, and who is refused. */
const CASES: [string, Good, [uid: number, amount: number, refusal?: ErrnoName][]][] = [
  ["as much as a user may have", "bytes", [[ANN, 60], [ANN, 40], [ANN, 1, "EDQUOT"], [ANN, 0]]],
  ["one user's are not another's", "bytes", [[ANN, 100], [BOB, 50]]],
  ["all together have no more", "bytes", [[ANN, 100], [BOB, 51, "ENOSPC"], [BOB, 50]]],
  ["handles are refused as open(2) does", "handles", [
    [ANN, 1],
    [ANN, 1],
    [ANN, 1, "EMFILE"],
    [BOB, 1],
    [BOB, 1, "ENFILE"],
  ]],
  ["held jobs", "heldJobs", [[ANN, 2], [ANN, 1, "EDQUOT"], [BOB, 1], [BOB, 1, "ENOSPC"]]],
  ["all ids of a user have one account", "bytes", [[100_001, 60], [100_002, 50, "EDQUOT"], [100_003, 40]]],
  ["root is refused nothing, and takes nobody's", "handles", [[ROOT, 100], [ANN, 2], [BOB, 1]]],
];
for (const [name, good, takings] of CASES) {
  Deno.test(`accounts: ${name}`, () => {
    const accounts = open();
    for (const [uid, amount, refusal] of takings) {
      const before = { ...accounts.of(uid) };
      const take = () => accounts.take(uid, good, amount);
      if (refusal) {
        assert.throws(take, (error) => error instanceof ErrnoError && error.is(refusal));
        assert.deepEqual(accounts.of(uid), before);
      } else {
        take();
        assert.equal(accounts.of(uid)[good], before[good] + amount);
      }
    }
    for (const uid of accounts.users) accounts.giveBack(uid, good, accounts.of(uid)[good]);
    accounts.take(ANN, good, 2);
    accounts.take(BOB, good, 1);
  });
}

Deno.test("accounts: what was not taken can't be given back", () => {
  const accounts = open();
  accounts.take(ANN, "bytes", 3);
  assert.throws(() => accounts.giveBack(ANN, "bytes", 4), /more bytes than taken/);
  assert.throws(() => accounts.giveBack(BOB, "bytes", 1), /more bytes than taken/);
});

Deno.test("a charge follows what there is, refuses what is too much, and goes to whom it is passed, whatever that one has", () => {
  const accounts = open();
  const charge = new Charge(accounts, ANN, 10);
  charge.resize(90);
  assert.throws(() => charge.resize(101), (error) => error instanceof ErrnoError && error.is("EDQUOT"));
  assert.equal(accounts.of(ANN).bytes, 90);
  accounts.take(BOB, "bytes", 60);
  charge.passTo(BOB);
  assert.deepEqual([charge.uid, accounts.of(ANN).bytes, accounts.of(BOB).bytes], [BOB, 0, 150]);
  charge.resize(80);
  charge.set(0);
  accounts.giveBack(BOB, "bytes", 60);
  assert.deepEqual(accounts.users, []);
});
