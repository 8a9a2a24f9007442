/** What other users' processes do to filed: nothing. */
import assert from "node:assert/strict";
import { serveHanging, startHolder } from "../fuse/hanging.ts";
import { ok, rootTest, startFiled } from "../harness.ts";
import { took } from "../proc.ts";
import { User } from "../users.ts";
import { stopInTime } from "../contract/expect.ts";

/** What a start may take on a machine that has time for it. */
const START_MS = 1_000;

rootTest("a user's process that nobody can look at delays no other user's job, and no stop", async () => {
  await using user = await User.at("/");
  await using filed = await startFiled();
  await filed.admitAll();
  await ok(
    filed.sh(`echo 'trap "" TERM; while :; do sleep 60; done' > $M/pending/bait`, { user: user.name }),
  );
  await filed.event("attempt started", { job: "bait" });
  await using hanging = await serveHanging();
  await using _holder = await startHolder(hanging, user.uid);
  await ok(filed.sh("rm $M/active/bait"));
  const startMs = await took(() => filed.finish("other", ":"));
  assert.ok(startMs < START_MS, `${startMs} ms`);
  await stopInTime(filed);
});
