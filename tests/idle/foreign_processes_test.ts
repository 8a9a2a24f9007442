/** What other users' processes do to filed: nothing. */
import assert from "node:assert/strict";
import { serveHanging, startHolder } from "../fuse/hanging.ts";
import { ok, rootTest, run, startFiled } from "../harness.ts";
import { took } from "../proc.ts";
import { stopInTime } from "../contract/expect.ts";

const USER = `filed-held-${Deno.pid}`;
/** What a start may take on a machine that has time for it. */
const START_MS = 1_000;

rootTest("a user's process that nobody can look at delays no other user's job, and no stop", async () => {
  await using cleanup = new AsyncDisposableStack();
  await ok(run(["useradd", "--no-create-home", "--home-dir", "/", "--shell", "/bin/sh", USER]));
  cleanup.defer(async () => void await ok(run(["userdel", USER])));
  const uid = await ok(run(["id", "-u", USER]));
  await using filed = await startFiled();
  await Deno.chmod(filed.place.path, 0o711);
  await ok(filed.sh("chmod 1777 $M/pending"));
  await ok(filed.sh(`echo 'trap "" TERM; while :; do sleep 60; done' > $M/pending/bait`, { user: USER }));
  await filed.event("attempt started", { job: "bait" });
  await using hanging = await serveHanging();
  await using _holder = await startHolder(hanging, Number(uid));
  await ok(filed.sh("rm $M/active/bait"));
  const startMs = await took(() => filed.finish("other", ":"));
  assert.ok(startMs < START_MS, `${startMs} ms`);
  await stopInTime(filed);
});
