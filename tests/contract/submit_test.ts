/** When a file that is written becomes a job that runs: at the end of its last writer, with content, whole. */
import assert from "node:assert/strict";
import { Filed, ok, startFiled } from "../harness.ts";
import { assertHeld, assertStarted, Gate, open, read, resume, startPaused, write } from "./expect.ts";

Deno.test("a job runs once what printed it has closed it", async () => {
  await using filed = await startFiled();
  await ok(filed.sh(`printf "echo 'hello world'" > $M/pending/1`));
  assert.equal(await filed.finished("1"), ">>> echo 'hello world'\nhello world\n");
  await assertStarted(filed, "1");
});

const WRITERS = {
  "echo": `echo "echo hi" > $M/pending/x`,
  "an external program": `/bin/echo "echo hi" > $M/pending/x`,
  "a here document": `cat > $M/pending/x <<END\necho hi\nEND`,
  "tee": `echo "echo hi" | tee $M/pending/x`,
  "dd in single bytes": `echo "echo hi" | dd of=$M/pending/x bs=1 status=none`,
  "cp": `echo "echo hi" > $F && cp $F $M/pending/x`,
  "cp -p": `echo "echo hi" > $F && cp -p $F $M/pending/x`,
  "mv from another file system": `echo "echo hi" > $F && mv $F $M/pending/x`,
  "append": `echo "echo hi" >> $M/pending/x`,
  "touch and then append": `touch $M/pending/x && echo "echo hi" >> $M/pending/x`,
  "python": `python3 -c 'open("'$M'/pending/x", "w").write("echo hi\\n")'`,
};

Deno.test("a job written by any of the usual programs runs once, whole", async () => {
  await using filed = await startFiled();
  for (const [index, [writer, script]] of Object.entries(WRITERS).entries()) {
    const id = `x${index}`;
    await ok(filed.sh(`F=${filed.place.path}/file; ${script.replaceAll("/pending/x", `/pending/${id}`)}`));
    assert.equal(await filed.finished(id), ">>> echo hi\nhi\n", writer);
  }
  await assertStarted(filed, ...Object.keys(WRITERS).map((_, index) => `x${index}`));
});

Deno.test("a job written by several commands of one redirection starts after the last", async () => {
  await using filed = await startFiled();
  using gate = await Gate.make(filed.place);
  const writing = filed.sh(`(printf 'echo a'; ${gate.waiting}; printf '; echo b') > $M/pending/x`);
  await gate.closedOn();
  await assertHeld(filed, "x");
  assert.equal(await read(filed, "pending/x"), "echo a");
  gate.open();
  await ok(writing);
  assert.equal(await filed.finished("x"), ">>> echo a; echo b\na\nb\n");
  await assertStarted(filed, "x");
});

Deno.test("a background process that inherited the file keeps the job from starting", async () => {
  await using filed = await startFiled();
  using gate = await Gate.make(filed.place);
  await ok(filed.sh(`{ printf 'echo a'; sh -c '${gate.waiting}' </dev/null 2>/dev/null & } > $M/pending/x`));
  await gate.closedOn();
  await assertHeld(filed, "x");
  gate.open();
  assert.equal(await filed.finished("x"), ">>> echo a\na\n");
});

Deno.test("a copy of the descriptor keeps the job from starting", async () => {
  await using filed = await startFiled();
  using gate = await Gate.make(filed.place);
  const writing = filed.sh(
    `exec 3> $M/pending/x 4>&3; printf 'echo a' >&3; exec 3>&-; ${gate.waiting}; printf '; echo b' >&4`,
  );
  await gate.closedOn();
  await assertHeld(filed, "x");
  gate.open();
  await ok(writing);
  assert.equal(await filed.finished("x"), ">>> echo a; echo b\na\nb\n");
});

Deno.test("closing a copy of the descriptor before anything is written submits nothing", async () => {
  await using filed = await startFiled();
  using gate = await Gate.make(filed.place);
  const writing = filed.sh(`exec 3> $M/pending/x; : >&3; ${gate.waiting}; printf 'echo a' >&3`);
  await gate.closedOn();
  await assertHeld(filed, "x");
  gate.open();
  await ok(writing);
  assert.equal(await filed.finished("x"), ">>> echo a\na\n");
});

for (const access of ["write", "read and write"] as const) {
  Deno.test(`a second handle, open to ${access}, keeps the job from starting`, async () => {
    await using filed = await startFiled();
    const first = await open(filed, "pending/x", { create: true, write: true });
    {
      using _second = await open(filed, "pending/x", { write: true, read: access !== "write" });
      write(first, "echo a");
      first.close();
      await assertHeld(filed, "x");
    }
    assert.equal(await filed.finished("x"), ">>> echo a\na\n");
  });
}

Deno.test("a job that is only read does start, and its reader keeps the command", async () => {
  await using filed = await startPaused();
  await filed.submit("x", "echo a");
  using reader = await open(filed, "pending/x", { read: true });
  await resume(filed);
  assert.equal(await filed.finished("x"), ">>> echo a\na\n");
  const bytes = new Uint8Array(100);
  assert.equal(new TextDecoder().decode(bytes.subarray(0, await reader.read(bytes) ?? 0)), "echo a");
});

Deno.test("a mapping keeps the job from starting, and what is written to it is in the job", async () => {
  await using filed = await startFiled();
  using gate = await Gate.make(filed.place);
  const writing = filed.python(`
import mmap
file = os.open(M + "/pending/x", os.O_CREAT | os.O_RDWR)
os.write(file, b"echo AAAA")
memory = mmap.mmap(file, 0)
os.close(file)
open("${gate.reached}", "w").close()
open("${gate.path}").readline()
memory[5:9] = b"BBBB"
memory.close()
`);
  await gate.closedOn();
  await assertHeld(filed, "x");
  gate.open();
  await ok(writing);
  assert.equal(await filed.finished("x"), ">>> echo BBBB\nBBBB\n");
});

Deno.test("a writer that is killed lets the job go as it wrote it", async () => {
  await using filed = await startFiled();
  using gate = await Gate.make(filed.place);
  const writing = filed.sh(`exec > $M/pending/x; printf 'echo a'; ${gate.waiting}; kill -KILL $$`);
  await gate.closedOn();
  await assertHeld(filed, "x");
  gate.open();
  assert.equal((await writing).status, 137);
  assert.equal(await filed.finished("x"), ">>> echo a\na\n");
});

const EMPTY = {
  "touch": "touch $M/pending/x",
  "an empty redirection": ": > $M/pending/x",
  "two of them": ": > $M/pending/x; : > $M/pending/x",
  "mknod of a plain file": `python3 -c 'import os; os.mknod("'$M'/pending/x")'`,
  "cp of an empty file": "cp /dev/null $M/pending/x",
};

Deno.test("an empty file is held, whatever made it, and starts once it has content", async () => {
  await using filed = await startFiled();
  const files = Object.values(EMPTY).map((script, index) => {
    const id = `x${index}`;
    return { id, script: script.replaceAll("pending/x", `pending/${id}`) };
  });
  for (const { id, script } of files) {
    await ok(filed.sh(script));
    await assertHeld(filed, id);
  }
  for (const { id } of files) {
    await ok(filed.sh(`printf 'echo now' >> $M/pending/${id}`));
    assert.equal(await filed.finished(id), ">>> echo now\nnow\n");
  }
  await assertStarted(filed, ...files.map(({ id }) => id));
});

Deno.test("an empty file is still held after a restart", async () => {
  await using filed = await startFiled();
  await ok(filed.sh("touch $M/pending/x"));
  await filed.stop();
  await using again = await Filed.start(filed.place);
  await assertHeld(again, "x");
});

Deno.test("a job that is emptied before it starts is held", async () => {
  await using filed = await startPaused();
  await filed.submit("x", "echo a");
  await ok(filed.sh(": > $M/pending/x"));
  await resume(filed);
  await assertHeld(filed, "x");
});

Deno.test("an empty file takes its place in the queue when it gets content", async () => {
  await using filed = await startPaused();
  await ok(filed.sh("touch $M/pending/a && echo true > $M/pending/b && echo true > $M/pending/a"));
  await filed.configure({ max_job_count: 1 });
  await assertStarted(filed, "b", "a");
});

Deno.test("what close answered is there after the daemon was killed, and runs", async () => {
  await using filed = await startPaused();
  await filed.submit("x", "echo a");
  filed.signal("SIGKILL");
  await filed.ended();
  await using again = await Filed.start(filed.place, { config: { max_job_count: 20 } });
  assert.equal(await again.finished("x"), ">>> echo a\na\n");
});

Deno.test("after a kill a file counts as submitted as it was at its last successful close", async () => {
  await using filed = await startPaused();
  {
    using _file = await open(filed, "pending/x", { create: true, write: true });
    await ok(filed.sh("printf 'echo whole' > $M/pending/x")); // Closed, but the other handle holds the job.
    using second = await open(filed, "pending/x", { append: true });
    write(second, "; echo cut");
    filed.signal("SIGKILL");
    await filed.ended();
  }
  await using again = await Filed.start(filed.place, { config: { max_job_count: 20 } });
  assert.equal(await again.finished("x"), ">>> echo whole\nwhole\n");
});

Deno.test("after a kill a file that was never closed with content does not run", async () => {
  await using filed = await startFiled();
  {
    using file = await open(filed, "pending/x", { create: true, write: true });
    write(file, "echo cut");
    filed.signal("SIGKILL");
    await filed.ended();
  }
  await using again = await Filed.start(filed.place);
  await assertStarted(again);
});
