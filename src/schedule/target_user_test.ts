import assert from "node:assert/strict";
import { identityOf } from "./target_user.ts";

const [ROOT, ANN, BOB] = [0, 1_001, 1_002];
const GID = 100;

const CASES: [string, number, "owner" | "daemon", number, number | null, string][] = [
  ["root runs somebody's job as that user", ROOT, "owner", ANN, null, "other"],
  ["root runs its own job as itself", ROOT, "owner", ROOT, null, "daemon"],
  ["root does not run somebody's job that another wrote to", ROOT, "owner", ANN, BOB, "refused"],
  ["root does not run its own job that another wrote to", ROOT, "owner", ROOT, BOB, "refused"],
  [
    "root does not run a job that its owner wrote to before it was another's",
    ROOT,
    "owner",
    BOB,
    BOB,
    "refused",
  ],
  ["root runs all jobs as itself, if told to", ROOT, "daemon", ANN, BOB, "daemon"],
  ["an ordinary user runs all jobs as itself", ANN, "owner", BOB, ROOT, "daemon"],
];
for (const [name, uid, runAs, owner, foreignWriter, expected] of CASES) {
  Deno.test(name, () => {
    const identity = identityOf({ uid: owner, gid: GID, foreignWriter }, { uid, runAs });
    assert.equal(identity.kind, expected);
    if (identity.kind === "other") assert.deepEqual(identity.user, { uid: owner, gid: GID });
  });
}
