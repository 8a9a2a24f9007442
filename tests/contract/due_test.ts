/** When a pending job may start: its mtime, if that is to come, and what setting it does. */
import assert from "node:assert/strict";
import { Filed, ok, startFiled } from "../harness.ts";
import {
  assertHeld,
  assertStarted,
  assertWithin,
  during,
  mtime,
  resume,
  startPaused,
  stat,
} from "./expect.ts";

const HOUR_MS = 3_600_000;

Deno.test("a retry that waits shows when it may start", async () => {
  await using filed = await startFiled({ config: { backoff_base: 1_000, backoff_mult: 3 } });
  const span = await during(async () => {
    await filed.submit("x", "false");
    await filed.event("attempt ended", { job: "x", state: "pending" });
  });
  assertWithin(await mtime(filed, "pending/x") - 3_000_000, span, "the time of the retry less its backoff");
});

Deno.test("a time to come, set on a pending job, is shown and keeps it waiting", async () => {
  await using filed = await startPaused();
  const at = Math.floor(Date.now() / 1_000) * 1_000 + HOUR_MS;
  await filed.submit("x", "echo a");
  await ok(filed.sh(`touch -d @${at / 1_000} $M/pending/x`));
  assert.equal(await mtime(filed, "pending/x"), at);
  await resume(filed);
  await assertHeld(filed, "x");
});

Deno.test("a time to come is kept through a rewrite, a new id and a restart", async () => {
  await using filed = await startFiled();
  const at = Math.floor(Date.now() / 1_000) * 1_000 + HOUR_MS;
  await filed.submit(".x", "echo a");
  await ok(filed.sh(`cd $M/pending && touch -d @${at / 1_000} .x && mv .x x && echo 'echo b' > x && mv x y`));
  assert.equal(await mtime(filed, "pending/y"), at);
  await filed.stop();
  await using again = await Filed.start(filed.place);
  await assertHeld(again, "y");
  assert.equal(await mtime(again, "pending/y"), at);
});

Deno.test("a job whose time comes starts then, and not before", async () => {
  await using filed = await startFiled();
  await filed.submit(".x", "date +%s");
  const at = Math.floor(Date.now() / 1_000) + 2;
  await ok(filed.sh(`touch -d @${at} $M/pending/.x && mv $M/pending/.x $M/pending/x`));
  const log = await filed.finished("x");
  assert.ok(Number(log.split("\n")[1]) >= at);
});

Deno.test("touch makes a waiting job start now, as does any time that is not to come", async () => {
  await using filed = await startFiled();
  const touches = [
    "touch",
    "touch -m",
    "touch -c",
    "touch -d now",
    "touch -d yesterday",
    "touch -d 1960-01-01",
  ];
  for (const [index, touch] of touches.entries()) {
    await filed.submit(`.x${index}`, "echo a");
    await ok(filed.sh(`cd $M/pending && touch -d '+1 hour' .x${index} && mv .x${index} x${index}`));
    await assertHeld(filed, `x${index}`);
    await ok(filed.sh(`${touch} $M/pending/x${index}`));
    assert.equal(await filed.finished(`x${index}`), ">>> echo a\na\n", touch);
  }
});

Deno.test("touch -a changes a waiting job's atime only, and does not start it", async () => {
  await using filed = await startFiled();
  await filed.submit(".x", "echo a");
  const at = Math.floor(Date.now() / 1_000) * 1_000 + HOUR_MS;
  await ok(filed.sh(`cd $M/pending && touch -d @${at / 1_000} .x && mv .x x && touch -a -d @1000000000 x`));
  assert.equal(Number((await stat(filed, "pending/x")).atimeMs), 1e12);
  assert.equal(await mtime(filed, "pending/x"), at);
  await assertHeld(filed, "x");
});

Deno.test("a time in the past is shown as it was set, and delays nothing", async () => {
  await using filed = await startPaused();
  await filed.submit("x", "echo a");
  for (const [when, expected] of [["@1000000000", 1e12], ["@0", 0], ["@-1000", -1e6]] as const) {
    await ok(filed.sh(`touch -d ${when} $M/pending/x`));
    assert.equal(await mtime(filed, "pending/x"), expected, when);
  }
  await resume(filed);
  assert.equal(await filed.finished("x"), ">>> echo a\na\n");
});

Deno.test("touch -r copies the time at which another job may start", async () => {
  await using filed = await startPaused();
  await filed.submit("x", "true");
  await filed.submit("y", "true");
  await ok(filed.sh("cd $M/pending && touch -d '+1 hour' x && touch -r x y"));
  assert.equal(await mtime(filed, "pending/y"), await mtime(filed, "pending/x"));
  await resume(filed);
  await assertHeld(filed, "y");
});

Deno.test("times far in the future wait, and wake nobody", async () => {
  await using filed = await startPaused();
  for (const [id, date] of [["x", "+30 days"], ["y", "2200-01-01"], ["z", "9999-01-01"]] as const) {
    await ok(filed.sh(`echo true > $M/pending/${id} && touch -d '${date}' $M/pending/${id}`));
  }
  await resume(filed);
  await assertStarted(filed);
  const years = await ok(filed.sh("cd $M/pending && stat -c %y y z | cut -c 1-4"));
  assert.equal(years, "2200\n9999\n");
});

Deno.test("touch through a descriptor sets the time, also of a job that is being written", async () => {
  await using filed = await startFiled();
  const at = Math.floor(Date.now() / 1_000) + 3_600;
  await ok(filed.python(`
file = os.open(M + "/pending/x", os.O_CREAT | os.O_WRONLY)
os.write(file, b"true")
os.utime(file, (${at}, ${at}))
os.close(file)
assert os.stat(M + "/pending/x").st_mtime == ${at}
`));
  await assertHeld(filed, "x");
});

Deno.test("cp -p of an old file keeps its time, and starts", async () => {
  await using filed = await startPaused();
  const file = `${filed.place.path}/old`;
  await Deno.writeTextFile(file, "echo old");
  await Deno.utime(file, 1e9, 1e9);
  await ok(filed.sh(`cp -p ${file} $M/pending/x`));
  assert.equal(await mtime(filed, "pending/x"), 1e12);
  await resume(filed);
  assert.equal(await filed.finished("x"), ">>> echo old\nold\n");
});
