/** A queue of root that two users share, ANN and BOB: all directories sticky, and each with a umask of 077. */
import assert from "node:assert/strict";
import { fails, type Filed, ok, rootTest, startFiled } from "../harness.ts";
import { Gate } from "./expect.ts";

/** Users that every Debian has. */
const [ANN, BOB] = ["daemon", "bin"] as const;

async function share(filed: Filed & { place: { path: string } }): Promise<void> {
  await Deno.chmod(filed.place.path, 0o711);
  await ok(filed.sh("cd $M && chmod 1777 pending active complete failed"));
}

const submit = (filed: Filed, user: string, id: string, command: string) =>
  ok(filed.sh(`umask 077; echo '${command}' > $M/pending/${id}`, { user }));

rootTest("users who share a queue read and remove what is theirs, and nothing of the other's", async () => {
  await using filed = await startFiled({ config: { max_attempts: 1 } });
  await share(filed);
  using gate = await Gate.make(filed.place);
  for (const user of [ANN, BOB]) {
    await submit(filed, user, `.${user}`, "true");
    await submit(filed, user, `complete-${user}`, "id -un");
    await submit(filed, user, `failed-${user}`, "id -un; false");
    await submit(filed, user, `active-${user}`, gate.waiting);
    await gate.closedOn();
    await filed.finished(`complete-${user}`);
    await filed.finished(`failed-${user}`);
  }
  const jobsOf = (
    user: string,
  ) => [`pending/.${user}`, ...["active", "complete", "failed"].map((state) => `${state}/${state}-${user}`)];
  for (const [user, other] of [[ANN, BOB], [BOB, ANN]] as const) {
    for (const path of jobsOf(other)) {
      await fails(filed.sh(`cat $M/${path}`, { user }), /Permission denied/);
      await fails(filed.sh(`rm -f $M/${path}`, { user }), /Operation not permitted/);
    }
    await fails(filed.sh(`mv $M/failed/failed-${other} $M/pending/`, { user }), /Operation not permitted/);
    await fails(filed.sh(`mv $M/active/active-${other} $M/failed/`, { user }), /Operation not permitted/);
    for (const path of jobsOf(user)) await ok(filed.sh(`cat $M/${path}`, { user }));
    assert.equal(await ok(filed.sh(`cat $M/complete/complete-${user}`, { user })), `>>> id -un\n${user}\n`);
  }
  await ok(filed.sh(`mv $M/failed/failed-${ANN} $M/pending/again`, { user: ANN }));
  await filed.finished("again");
  for (const user of [ANN, BOB]) {
    for (const path of jobsOf(user)) {
      if (path !== `failed/failed-${ANN}`) await ok(filed.sh(`rm $M/${path}`, { user }));
    }
    await filed.event("attempt ended", { job: `active-${user}`, state: "taken away" });
  }
  const left = await ok(filed.sh("cd $M && ls -A pending active complete failed"));
  assert.equal(left, "active:\n\ncomplete:\n\nfailed:\nagain\n\npending:\n");
});

rootTest("a group that shares a queue keeps out who is not in it", async () => {
  await using filed = await startFiled();
  await share(filed);
  await ok(
    filed.sh(
      `cd $M && chgrp ${ANN} pending active complete failed && chmod 1770 pending active complete failed`,
    ),
  );
  await submit(filed, ANN, "x", "id -un");
  await filed.finished("x");
  assert.equal(await ok(filed.sh("ls $M/complete", { user: ANN })), "x\n");
  await fails(filed.sh("echo true > $M/pending/y", { user: BOB }), /Permission denied/);
  for (const state of ["pending", "active", "complete", "failed"]) {
    await fails(filed.sh(`ls $M/${state}`, { user: BOB }), /Permission denied/);
  }
  await fails(filed.sh("stat $M/complete/x", { user: BOB }), /Permission denied/);
});
