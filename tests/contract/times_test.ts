/** What a file's times tell, and what setting them does. */
import assert from "node:assert/strict";
import { Filed, ok, startFiled, until } from "../harness.ts";
import { assertWithin, during, Gate, mtime, open, read, resume, startPaused, stat, write } from "./expect.ts";

/** As stat(1) tells it: Deno's own has whole seconds. */
const ctime = async (filed: Filed, path: string) =>
  Number(await ok(filed.sh(`stat -c %.6Z $M/${path}`))) * 1_000;
const birth = async (filed: Filed, path: string) => Number((await stat(filed, path)).birthtimeMs);

Deno.test("a pending job's mtime is its last write, by whatever changes the content", async () => {
  await using filed = await startPaused();
  const writes = {
    "creation": "printf 'echo a' > $M/pending/x",
    "rewriting": "printf 'echo a' > $M/pending/x",
    "appending": "printf b >> $M/pending/x",
    "truncating by name": "truncate -s 3 $M/pending/x",
    "emptying": ": > $M/pending/x",
  };
  for (const [what, script] of Object.entries(writes)) {
    const span = await during(() => ok(filed.sh(script)));
    assertWithin(await mtime(filed, "pending/x"), span, what);
  }
});

Deno.test("a pending job's mtime follows the writes of who has it open", async () => {
  await using filed = await startPaused();
  using file = await open(filed, "pending/x", { create: true, write: true });
  for (const text of ["echo a", "; echo b"]) {
    const span = await during(() => write(file, text));
    assertWithin(await mtime(filed, "pending/x"), span, text);
  }
});

Deno.test("reading, renaming and chmod leave a pending job's mtime alone", async () => {
  await using filed = await startPaused();
  await filed.submit("x", "echo a");
  const before = await mtime(filed, "pending/x");
  await ok(filed.sh("cat $M/pending/x && chmod 600 $M/pending/x && mv $M/pending/x $M/pending/y"));
  assert.equal(await mtime(filed, "pending/y"), before);
});

Deno.test("an active job's mtime is its last output", async () => {
  await using filed = await startFiled();
  using gate = await Gate.make(filed.place);
  using second = await Gate.make(filed.place, "second");
  await filed.submit("x", `echo one; ${gate.waiting}; echo two; ${second.waiting}`);
  const waitFor = (line: string) =>
    until(`${line} in the log`, async () => new RegExp(`^${line}$`, "m").test(await read(filed, "active/x")));
  await gate.closedOn();
  await waitFor("one");
  const first = await mtime(filed, "active/x");
  const span = await during(async () => {
    gate.open();
    await second.closedOn();
    await waitFor("two");
  });
  assert.ok(first <= span[0]);
  assertWithin(await mtime(filed, "active/x"), span, "the second output");
  second.open();
});

for (const [state, command] of [["complete", "true"], ["failed", "false"]] as const) {
  Deno.test(`a job's mtime in ${state}/ is when it ended, though it printed nothing`, async () => {
    await using filed = await startFiled({ config: { max_attempts: 1 } });
    using gate = await Gate.make(filed.place);
    await filed.submit("x", `${gate.waiting}; ${command}`);
    await gate.closedOn();
    const span = await during(async () => {
      gate.open();
      await filed.event("attempt ended", { job: "x", state });
    });
    assertWithin(await mtime(filed, `${state}/x`), span, state);
  });
}

Deno.test("the time of a log can be set, and survives a restart", async () => {
  await using filed = await startFiled();
  await filed.finish("x", "true");
  await ok(filed.sh("touch -d @1000000000 $M/complete/x"));
  assert.equal(await mtime(filed, "complete/x"), 1e12);
  await filed.stop();
  await using again = await Filed.start(filed.place);
  assert.equal(await mtime(again, "complete/x"), 1e12);
});

Deno.test("a job's birth is its creation, wherever it goes and whatever is done to it", async () => {
  await using filed = await startPaused();
  await filed.configure({ max_attempts: 1 });
  const span = await during(() => filed.submit("x", "false"));
  const born = await birth(filed, "pending/x");
  assertWithin(born, span, "birth");
  await ok(filed.sh("cd $M/pending && echo false > x && chmod 600 x && touch -d @1000000000 x && mv x y"));
  assert.equal(await birth(filed, "pending/y"), born);
  await resume(filed);
  await filed.event("attempt ended", { job: "y", state: "failed" });
  assert.equal(await birth(filed, "failed/y"), born);
  await filed.stop();
  await using again = await Filed.start(filed.place);
  assert.equal(await birth(again, "failed/y"), born);
  await ok(again.sh("stat -c %w $M/failed/y"));
});

Deno.test("a job's ctime is its last change of any kind", async () => {
  await using filed = await startPaused();
  const changes = {
    "creation": "echo a > $M/pending/x",
    "a write": "echo b >> $M/pending/x",
    "chmod": "chmod 600 $M/pending/x",
    "chgrp": "chgrp $(id -g) $M/pending/x",
    "touch with another time": "touch -d @1000000000 $M/pending/x",
    "a new id": "mv $M/pending/x $M/pending/y",
    "a move": "mv $M/pending/y $M/failed/",
  };
  for (const [what, script] of Object.entries(changes)) {
    const span = await during(() => ok(filed.sh(script)));
    const path = what === "a move" ? "failed/y" : what === "a new id" ? "pending/y" : "pending/x";
    assertWithin(await ctime(filed, path), span, what);
  }
});

Deno.test("a job's ctime is when it ended, and reading changes neither that nor the mtime", async () => {
  await using filed = await startFiled();
  const span = await during(() => filed.finish("x", "true"));
  const before = [await mtime(filed, "complete/x"), await ctime(filed, "complete/x")];
  assertWithin(before[1] as number, span, "ctime");
  await ok(filed.sh("cat $M/complete/x; ls -l $M/complete"));
  assert.deepEqual([await mtime(filed, "complete/x"), await ctime(filed, "complete/x")], before);
});

Deno.test("times survive a restart", async () => {
  await using filed = await startFiled();
  await filed.submit(".x", "true");
  await filed.finish("y", "true");
  const times = async (filed: Filed) => {
    const all = await Promise.all(["pending/.x", "complete/y"].map((path) => stat(filed, path)));
    return all.map(({ mtimeMs, birthtimeMs }) => [mtimeMs, birthtimeMs]);
  };
  const before = [await times(filed), await ctime(filed, "complete/y")];
  await filed.stop();
  await using again = await Filed.start(filed.place);
  assert.deepEqual([await times(again), await ctime(again, "complete/y")], before);
});

Deno.test("config.json's mtime is the last change of a setting", async () => {
  await using filed = await startFiled();
  const span = await during(() => filed.configure({ max_job_count: 4 }));
  assertWithin(await mtime(filed, "config.json"), span, "config.json");
});
