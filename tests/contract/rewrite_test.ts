/** What may be done to a job that is still pending, and how long a command may be. */
import assert from "node:assert/strict";
import { fails, ok } from "../harness.ts";
import { assertHeld, assertStarted, open, read, refuses, resume, startPaused, write } from "./expect.ts";

const CHANGES = {
  "rewritten": ["printf 'echo new' > $M/pending/x", "echo new"],
  "rewritten shorter": ["printf id > $M/pending/x", "id"],
  "appended to": ["printf '; echo b' >> $M/pending/x", "echo old; echo b"],
  "overwritten in the middle": [
    "printf new | dd of=$M/pending/x conv=notrunc bs=1 seek=5 status=none",
    "echo new",
  ],
  "truncated by name": ["truncate -s 4 $M/pending/x", "echo"],
  "truncated through a descriptor": [
    `python3 -c 'import os; os.ftruncate(os.open("'$M'/pending/x", os.O_RDWR), 4)'`,
    "echo",
  ],
  "written past its end": [
    "printf ' b' | dd of=$M/pending/x conv=notrunc bs=1 seek=8 status=none",
    "echo old b",
  ],
} as const;

Deno.test("a pending job can be rewritten, appended to and truncated, and runs once, as it is then", async () => {
  await using filed = await startPaused();
  const changes = Object.entries(CHANGES).map(([what, [script, command]], index) => {
    const id = `x${index}`;
    return { id, what, script: script.replace("pending/x", `pending/${id}`), command };
  });
  for (const { id, what, script, command } of changes) {
    await filed.submit(id, "echo old");
    await ok(filed.sh(script));
    assert.equal(await read(filed, `pending/${id}`), command, what);
  }
  await resume(filed);
  for (const { id, what, command } of changes) {
    assert.match(await filed.finished(id), new RegExp(`^>>> ${command}\n`), what);
  }
  await assertStarted(filed, ...changes.map(({ id }) => id));
});

Deno.test("a pending job can be renamed, and runs under its new id only", async () => {
  await using filed = await startPaused();
  await filed.submit("x", 'echo "$FILED_JOB_ID"');
  await ok(filed.sh("mv $M/pending/x $M/pending/y"));
  assert.deepEqual(await filed.list("pending"), ["y"]);
  await resume(filed);
  assert.equal(await filed.finished("y"), '>>> echo "$FILED_JOB_ID"\ny\n');
  await assertStarted(filed, "y");
});

Deno.test("a rewrite and a rename keep the job's place", async () => {
  await using filed = await startPaused();
  for (const id of ["a", "b", "c"]) await filed.submit(id, "true");
  await ok(filed.sh("echo : > $M/pending/a; echo : >> $M/pending/a; mv $M/pending/b $M/pending/b2"));
  await filed.configure({ max_job_count: 1 });
  await assertStarted(filed, "a", "b2", "c");
});

Deno.test("a job that is being rewritten does not start before that is over", async () => {
  await using filed = await startPaused();
  await filed.submit("x", "echo old");
  {
    using file = await open(filed, "pending/x", { write: true, truncate: true });
    await resume(filed);
    await assertHeld(filed, "x");
    write(file, "echo new");
  }
  assert.equal(await filed.finished("x"), ">>> echo new\nnew\n");
});

Deno.test("two that append to a job in turns both get their text in", async () => {
  await using filed = await startPaused();
  {
    using first = await open(filed, "pending/x", { create: true, append: true });
    using second = await open(filed, "pending/x", { append: true });
    for (const file of [first, second, first, second]) write(file, "echo a\n");
  }
  assert.equal(await read(filed, "pending/x"), "echo a\n".repeat(4));
});

Deno.test("renaming a pending job onto another replaces that one, and mv -n does not", async () => {
  await using filed = await startPaused();
  await filed.submit("x", "echo x");
  await filed.submit("y", "echo y");
  await ok(filed.sh("mv -n $M/pending/x $M/pending/y || :"));
  assert.deepEqual(await filed.list("pending"), ["x", "y"]);
  await ok(filed.sh("mv $M/pending/x $M/pending/y"));
  assert.deepEqual(await filed.list("pending"), ["y"]);
  await resume(filed);
  assert.equal(await filed.finished("y"), ">>> echo x\nx\n");
});

/** The longest that is one argument of sh. */
const LONGEST = 131_071;
const MEBIBYTE = 1_048_576;
/** A command of that many bytes that prints "ran". */
const commandOf = (bytes: number) => "echo ran #".padEnd(bytes, "x");

Deno.test("a command of 131,071 bytes runs", async () => {
  await using filed = await startPaused();
  await filed.submit("x", commandOf(LONGEST));
  assert.equal(await read(filed, "pending/x"), commandOf(LONGEST));
  await resume(filed);
  const log = await filed.finished("x");
  assert.equal(log, `>>> ${commandOf(4_096)}\n[filed: 126975 more bytes of the command]\nran\n`);
});

Deno.test("what is longer than max_job_mb is EFBIG at the write, and at each that follows; the job stays as it was", async () => {
  await using filed = await startPaused();
  await filed.configure({ max_job_mb: 1 });
  await filed.submit("x", "echo old");
  {
    using file = await open(filed, "pending/x", { write: true, truncate: true });
    write(file, commandOf(MEBIBYTE));
    assert.equal(await read(filed, "pending/x"), commandOf(MEBIBYTE));
    await refuses("EFBIG", file.write(Uint8Array.of(32)));
    await refuses("EFBIG", file.write(Uint8Array.of(32)));
  }
  assert.equal(await read(filed, "pending/x"), "echo old");
  await filed.submit("x", commandOf(MEBIBYTE));
  await filed.configure({ max_job_mb: 2 });
  await filed.submit("x", commandOf(2 * MEBIBYTE));
});

Deno.test("programs report a command that is too long", async () => {
  await using filed = await startPaused();
  await filed.submit("x", "true");
  const big = `${filed.place.path}/big`;
  await Deno.writeTextFile(big, commandOf(16 * MEBIBYTE + 1));
  await fails(filed.sh(`cp ${big} $M/pending/big`), /File too large/);
  assert.deepEqual(await filed.list("pending"), ["x"], "nothing is left of it");
  await fails(filed.sh("truncate -s 17M $M/pending/x"), /File too large/);
  await fails(filed.sh("truncate -s 1E $M/pending/x"), /File too large/);
  await fails(filed.sh("echo x | dd of=$M/pending/x seek=1T bs=1"), /File too large|Invalid argument/);
  assert.equal(await read(filed, "pending/x"), "true");
});

Deno.test("the part of a command before the write that was refused as too long does not run", async () => {
  await using filed = await startPaused();
  await resume(filed);
  await filed.configure({ max_job_mb: 1 });
  const big = `${filed.place.path}/big`;
  await Deno.writeTextFile(big, commandOf(MEBIBYTE + 1));
  await fails(filed.sh(`dd if=${big} of=$M/pending/x bs=4096`), /File too large/);
  await assertStarted(filed);
});

Deno.test("who writes to a job that was moved to failed/ meanwhile is told so, and it stays as last closed", async () => {
  await using filed = await startPaused();
  const said = await ok(filed.python(`
file = os.open(M + "/pending/x", os.O_CREAT | os.O_WRONLY)
os.write(file, b"echo one")
os.close(os.dup(file))
os.rename(M + "/pending/x", M + "/failed/x")
for call in [lambda: os.write(file, b"; echo two"), lambda: os.fsync(file), lambda: os.close(file)]:
    try:
        call()
        print("done")
    except OSError as error:
        print(error.strerror)
`));
  assert.equal(said, "Stale file handle\ndone\ndone\n");
  await ok(filed.sh("mv $M/failed/x $M/pending"));
  assert.equal(await read(filed, "pending/x"), "echo one");
});
