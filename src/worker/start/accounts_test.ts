/** The user database; src/tree/accounts_test.ts is about what is charged to users. */
import assert from "node:assert/strict";
import { ErrnoError } from "../../sys/errno.ts";
import { type Account, Accounts } from "./accounts.ts";

const ANN = { uid: 1_001, gid: 1_001 };
const BOB = { uid: 1_002, gid: 1_002 };
const account = ({ uid, gid }: typeof ANN): Account => ({
  credentials: { uid, gid, groups: [gid] },
  env: {},
  cwd: [],
});
const isUnanswered = (error: unknown) => error instanceof ErrnoError && error.is("ETIMEDOUT");

Deno.test("Accounts asks once for each user, and then knows at once", async () => {
  const asked: number[] = [];
  const accounts = new Accounts((user) => {
    asked.push(user.uid);
    return Promise.resolve(account(user));
  });
  await Promise.all([accounts.of(ANN), accounts.of(ANN), accounts.of(BOB)]);
  assert.deepEqual(accounts.of(ANN), account(ANN));
  assert.deepEqual(asked, [ANN.uid, BOB.uid]);
});

Deno.test("Accounts gives up on who is not answered for in time, and serves the others", async () => {
  const answer = Promise.withResolvers<Account>();
  const accounts = new Accounts(
    (user) => user.uid === ANN.uid ? answer.promise : Promise.resolve(account(user)),
    1,
  );
  await assert.rejects(async () => await accounts.of(ANN), isUnanswered);
  assert.deepEqual(await accounts.of(BOB), account(BOB));
  answer.resolve(account(ANN));
  assert.deepEqual(await accounts.of(ANN), account(ANN));
});

Deno.test("Accounts keeps no more than 32 threads waiting", async () => {
  let asked = 0;
  const answer = Promise.withResolvers<Account>();
  const accounts = new Accounts(() => {
    asked++;
    return answer.promise;
  }, 1);
  const users = Array.from({ length: 40 }, (_, i) => ({ uid: i, gid: i }));
  const answers = await Promise.allSettled(users.map(async (user) => await accounts.of(user)));
  assert.ok(answers.every((answer) => answer.status === "rejected" && isUnanswered(answer.reason)));
  assert.equal(asked, 32);
  answer.resolve(account(ANN));
});

Deno.test("a look-up that failed is made again", async () => {
  let asked = 0;
  const accounts = new Accounts((user) =>
    ++asked === 1 ? Promise.reject(new ErrnoError("EMFILE", "getpwuid_r")) : Promise.resolve(account(user))
  );
  await assert.rejects(async () => await accounts.of(ANN), ErrnoError);
  assert.deepEqual(await accounts.of(ANN), account(ANN));
});
