/** Drafts: names that keep a job from running, and how editors and copying programs use them. */
import assert from "node:assert/strict";
import { Filed, ok, startFiled } from "../harness.ts";
import { assertHeld, assertStarted, Gate, mv, open, read, resume, startPaused, write } from "./expect.ts";

Deno.test("a name that programs give a file until it is whole is kept, listed and never run", async () => {
  await using filed = await startFiled();
  const drafts = [".x", "x~", ".x~", "...", "~", ".Ab12Cd.swp", "#x#", "x.tmp", "x.tmp-1623f4a", "x.part"];
  for (const id of drafts) await filed.submit(id, "echo never");
  await assertStarted(filed);
  assert.deepEqual(await filed.list("pending"), drafts.sort());
  assert.equal(await read(filed, "pending/x~"), "echo never");
});

Deno.test("a draft is still one after a restart", async () => {
  await using filed = await startFiled();
  await filed.submit(".x", "echo later");
  await filed.stop();
  await using again = await Filed.start(filed.place);
  await assertHeld(again, ".x");
  await mv(again, ".x", "x");
  assert.equal(await again.finished("x"), ">>> echo later\nlater\n");
});

for (const draft of [".x", "x~", "#x#", "x.5f3a2b1c.partial", "x.filepart", "x.crdownload", "x.tmp.4711"]) {
  Deno.test(`renaming the draft ${draft} submits it once, whole`, async () => {
    await using filed = await startFiled();
    await filed.submit(draft, "echo whole");
    await mv(filed, draft, "x");
    assert.equal(await filed.finished("x"), ">>> echo whole\nwhole\n");
    await assertStarted(filed, "x");
    assert.deepEqual(await filed.list("pending"), []);
  });
}

Deno.test("a number behind a dot makes no draft of a job", async () => {
  await using filed = await startFiled();
  for (const id of ["x.1", "backup.2026"]) assert.equal(await filed.finish(id, "true"), ">>> true\n");
});

Deno.test("what Emacs saves by itself while somebody types does not run", async () => {
  await using filed = await startFiled();
  for (const text of ["rm -r", "rm -r /srv", "rm -r /srv/shop/tmp"]) await filed.submit("#.x#", text);
  await assertHeld(filed, "#.x#");
  await Deno.remove(`${filed.mount}/pending/#.x#`);
  await assertStarted(filed);
});

Deno.test("renaming a draft to another draft does not submit it", async () => {
  await using filed = await startFiled();
  await filed.submit(".x", "echo never");
  await mv(filed, ".x", ".y");
  await mv(filed, ".y", "y~");
  await assertHeld(filed, "y~");
});

Deno.test("renaming a pending job to a draft takes it out of the queue", async () => {
  await using filed = await startPaused();
  await filed.submit("x", "echo x");
  await mv(filed, "x", "x~");
  await resume(filed);
  await assertHeld(filed, "x~");
});

Deno.test("a draft that comes back joins the end of the queue", async () => {
  await using filed = await startPaused();
  await filed.submit("first", "true");
  await filed.submit("second", "true");
  await mv(filed, "first", ".first");
  await mv(filed, ".first", "first");
  await filed.configure({ max_job_count: 1 });
  await assertStarted(filed, "second", "first");
});

Deno.test("an empty draft under its final name is held until it has content", async () => {
  await using filed = await startFiled();
  await filed.submit(".x", "");
  await mv(filed, ".x", "x");
  await assertHeld(filed, "x");
  await filed.submit("x", "echo now");
  assert.equal(await filed.finished("x"), ">>> echo now\nnow\n");
});

Deno.test("a draft renamed while it is open for writing starts once it is closed", async () => {
  await using filed = await startFiled();
  {
    using file = await open(filed, "pending/.x", { create: true, write: true });
    write(file, "echo a");
    await mv(filed, ".x", "x");
    await assertHeld(filed, "x");
    write(file, "; echo b");
  }
  assert.equal(await filed.finished("x"), ">>> echo a; echo b\na\nb\n");
  await assertStarted(filed, "x");
});

Deno.test("a draft renamed onto a pending job replaces it, in its place", async () => {
  await using filed = await startPaused();
  await filed.submit("x", "echo old");
  await filed.submit("y", "echo y");
  await filed.submit(".x.new", "echo new");
  await ok(filed.sh("mv $M/pending/.x.new $M/pending/x"));
  assert.deepEqual(await filed.list("pending"), ["x", "y"]);
  await filed.configure({ max_job_count: 1 });
  await assertStarted(filed, "x", "y");
  assert.equal(await read(filed, "complete/x"), ">>> echo new\nnew\n");
});

Deno.test("sed -i rewrites a pending job, which keeps its place and runs once", async () => {
  await using filed = await startPaused();
  await filed.submit("x", "echo old");
  await filed.submit("y", "echo y");
  await ok(filed.sh("sed -i s/old/new/ $M/pending/x"));
  assert.deepEqual(await filed.list("pending"), ["x", "y"]);
  assert.equal(await read(filed, "pending/x"), "echo new");
  await filed.configure({ max_job_count: 1 });
  await assertStarted(filed, "x", "y");
  assert.equal(await read(filed, "complete/x"), ">>> echo new\nnew\n");
});

Deno.test("sed -i on a job that waits for its time leaves it waiting, and runs nothing", async () => {
  await using filed = await startFiled();
  await filed.submit(".x", "echo old");
  await ok(filed.sh("touch -d '+1 hour' $M/pending/.x && mv $M/pending/.x $M/pending/x"));
  await ok(filed.sh("sed -i s/old/new/ $M/pending/x"));
  await assertHeld(filed, "x");
  await assertStarted(filed);
  assert.equal(await read(filed, "pending/x"), "echo new");
  await ok(filed.sh("touch $M/pending/x"));
  assert.equal(await filed.finished("x"), ">>> echo new\nnew\n");
});

Deno.test("an editor that writes a backup, a swap file and the file anew submits it once", async () => {
  await using filed = await startPaused();
  await filed.submit("x", "echo old");
  await ok(filed.python(`
os.chdir(M + "/pending")
def make(name, flags, mode=0o600):
    return os.open(name, os.O_CREAT | flags, mode)
swap = make(".x.swp", os.O_RDWR | os.O_EXCL)
os.write(swap, b"b0VIM" + bytes(4091))
probe = make("4913", os.O_WRONLY | os.O_EXCL, 0o100644) # vim looks whether it may write here
os.fchown(probe, os.getuid(), os.getgid())
os.close(probe)
os.unlink("4913")
os.rename("x", "x~")
file = make("x", os.O_WRONLY | os.O_TRUNC, 0o644)
os.write(file, b"echo new\\n")
os.fsync(file)
os.close(file)
os.chmod("x", 0o644)
os.unlink("x~")
os.close(swap)
os.unlink(".x.swp")
`));
  assert.deepEqual(await filed.list("pending"), ["x"]);
  await resume(filed);
  assert.equal(await filed.finished("x"), ">>> echo new\nnew\n");
  await assertStarted(filed, "x");
});

Deno.test("a copying program's steps (temporary name, times, mode, rename) submit once", async () => {
  await using filed = await startFiled();
  await ok(filed.python(`
os.chdir(M + "/pending")
file = os.open(".x.Ab12Cd", os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
os.fchmod(file, 0o600)
os.write(file, b"echo ")
os.write(file, b"whole")
os.close(file)
os.utime(".x.Ab12Cd", (1e9, 1e9))
os.chmod(".x.Ab12Cd", 0o644)
os.rename(".x.Ab12Cd", "x")
`));
  assert.equal(await filed.finished("x"), ">>> echo whole\nwhole\n");
  await assertStarted(filed, "x");
});

Deno.test("a write through the rename of a temporary file onto an open job leaves one job", async () => {
  await using filed = await startFiled();
  using gate = await Gate.make(filed.place);
  const slow = filed.sh(`(printf 'echo old'; ${gate.waiting}) > $M/pending/x`);
  await gate.closedOn();
  await filed.submit(".x", "echo new");
  await mv(filed, ".x", "x");
  assert.equal(await filed.finished("x"), ">>> echo new\nnew\n");
  gate.open();
  await ok(slow);
  await assertStarted(filed, "x");
});
