/** What stat(2) tells of a file besides its times. */
import assert from "node:assert/strict";
import { Filed, ok, run, startFiled, until } from "../harness.ts";
import { assertStarted, Gate, open, read, refuses, resume, startPaused, stat, write } from "./expect.ts";

const FIXED = ["", "pending", "active", "complete", "failed", "new-id", "config.json", "why"];
const inode = async (filed: Filed, path: string) => (await stat(filed, path)).ino;

Deno.test("a pending job's size is its command's in bytes, also while it is written", async () => {
  await using filed = await startPaused();
  using file = await open(filed, "pending/x", { create: true, write: true });
  for (const [text, size] of [["echo é", 7], ["🙂", 11]] as const) {
    write(file, text);
    assert.equal((await stat(filed, "pending/x")).size, size);
  }
  file.truncateSync(3);
  assert.equal((await stat(filed, "pending/x")).size, 3);
});

Deno.test("a log's size is what it reads as, and grows while the job runs", async () => {
  await using filed = await startFiled();
  using gate = await Gate.make(filed.place);
  const sizes = [">>> . ", `${filed.place.path}/script`, "\n"].join("").length;
  await Deno.writeTextFile(`${filed.place.path}/script`, `printf é; ${gate.waiting}; printf 12345`);
  await filed.submit("x", `. ${filed.place.path}/script`);
  await gate.closedOn();
  await until("the output in the log", async () => (await stat(filed, "active/x")).size === sizes + 2);
  gate.open();
  await filed.finished("x");
  assert.equal((await stat(filed, "complete/x")).size, sizes + 7);
  assert.equal((await Deno.readFile(`${filed.mount}/complete/x`)).length, sizes + 7);
});

Deno.test("a job keeps its inode number through every state, a retry, a rewrite and a new id", async () => {
  await using filed = await startPaused();
  await filed.configure({ max_attempts: 1 });
  using gate = await Gate.make(filed.place);
  await filed.submit(".x", "true");
  const number = await inode(filed, "pending/.x");
  const assertSame = async (path: string) => assert.equal(await inode(filed, path), number, path);
  await ok(filed.sh(`mv $M/pending/.x $M/pending/x; echo '${gate.waiting}; exit 1' > $M/pending/x`));
  await assertSame("pending/x");
  await resume(filed);
  await gate.closedOn();
  await assertSame("active/x");
  gate.open();
  await filed.event("attempt ended", { job: "x", state: "failed" });
  await assertSame("failed/x");
  await ok(filed.sh("mv $M/failed/x $M/failed/y"));
  await assertSame("failed/y");
  await filed.configure({ max_job_count: 0 });
  await ok(filed.sh("mv $M/failed/y $M/pending && echo true > $M/pending/y"));
  await assertSame("pending/y");
  await resume(filed);
  await filed.finished("y");
  await assertSame("complete/y");
});

Deno.test("inode numbers survive a restart, of jobs and of what is always there", async () => {
  await using filed = await startFiled();
  await filed.submit(".x", "true");
  await filed.finish("y", "true");
  const paths = [...FIXED, "pending/.x", "complete/y"];
  const numbers = await Promise.all(paths.map((path) => inode(filed, path)));
  assert.equal(new Set(numbers).size, paths.length);
  await filed.stop();
  await using again = await Filed.start(filed.place);
  assert.deepEqual(await Promise.all(paths.map((path) => inode(again, path))), numbers);
});

Deno.test("a removed job's inode number is not used again for its id", async () => {
  await using filed = await startPaused();
  await filed.submit("x", "true");
  const before = await inode(filed, "pending/x");
  await Deno.remove(`${filed.mount}/pending/x`);
  await filed.submit("x", "true");
  assert.notEqual(await inode(filed, "pending/x"), before);
});

Deno.test("a listing gives the inode numbers that stat gives", async () => {
  await using filed = await startFiled();
  await filed.submit(".x", "true");
  await filed.finish("y", "true");
  await ok(filed.python(`
for directory in ("", "/pending", "/complete"):
    for entry in os.scandir(M + directory):
        assert entry.inode() == os.stat(entry.path).st_ino, entry.path
`));
});

Deno.test("files have one link, and directories those of a file system", async () => {
  await using filed = await startFiled();
  await filed.submit(".x", "true");
  const links = await ok(filed.sh("cd $M && stat -c %h . pending pending/.x config.json new-id"));
  assert.equal(links, "7\n2\n1\n1\n1\n");
});

Deno.test("df answers for the file system that holds the state file", async () => {
  await using filed = await startFiled();
  const facts = (path: string) => ok(run(["stat", "-f", "-c", "%b %c %S %s %l", path]));
  assert.equal(await facts(filed.mount), await facts(filed.place.path));
  await ok(run(["df", filed.mount]));
});

Deno.test("a pending job removed while open has no link, still reads and writes, and never runs", async () => {
  await using filed = await startPaused();
  await filed.submit("x", "echo never");
  await ok(filed.python(`
file = os.open(M + "/pending/x", os.O_RDWR)
os.unlink(M + "/pending/x")
assert os.fstat(file).st_nlink == 0
assert os.pread(file, 100, 0) == b"echo never"
os.pwrite(file, b"ECHO", 0)
os.ftruncate(file, 8)
assert os.pread(file, 100, 0) == b"ECHO nev"
assert os.fstat(file).st_size == 8
os.fsync(file)
os.close(file)
`));
  assert.deepEqual(await filed.list("pending"), []);
  await resume(filed);
  await assertStarted(filed);
});

Deno.test("a log removed while open has no link and still reads whole, longer than any cache of it", async () => {
  await using filed = await startFiled();
  await filed.finish("x", "seq 100000");
  const whole = await read(filed, "complete/x");
  using file = await open(filed, "complete/x", { read: true });
  await Deno.remove(`${filed.mount}/complete/x`);
  assert.equal((await file.stat()).nlink, 0);
  assert.equal(await new Response(file.readable).text(), whole);
});

Deno.test("an active log removed while open has no link and still reads", async () => {
  await using filed = await startFiled();
  using gate = await Gate.make(filed.place);
  const command = `echo up; ${gate.waiting}`;
  await filed.submit("x", command);
  await gate.closedOn();
  await until("the output in the log", async () => /^up$/m.test(await read(filed, "active/x")));
  using file = await open(filed, "active/x", { read: true });
  await Deno.remove(`${filed.mount}/active/x`);
  assert.equal((await file.stat()).nlink, 0);
  assert.equal(await new Response(file.readable).text(), `>>> ${command}\nup\n`);
  await refuses("ENOENT", Deno.lstat(`${filed.mount}/active/x`));
});

Deno.test("a job renamed over an open one leaves the open one to its reader, without a link", async () => {
  await using filed = await startPaused();
  await filed.submit("x", "echo old");
  await filed.submit(".x", "echo new");
  await ok(filed.python(`
file = os.open(M + "/pending/x", os.O_RDONLY)
os.rename(M + "/pending/.x", M + "/pending/x")
assert os.read(file, 100) == b"echo old"
assert os.fstat(file).st_nlink == 0
assert os.stat(M + "/pending/x").st_nlink == 1
`));
  assert.equal(await read(filed, "pending/x"), "echo new");
});

Deno.test("a finished job renamed over an open one leaves the open log to its reader", async () => {
  await using filed = await startFiled();
  await filed.finish("x", "echo old");
  await filed.finish("y", "echo new");
  using file = await open(filed, "complete/x", { read: true });
  await Deno.rename(`${filed.mount}/complete/y`, `${filed.mount}/complete/x`);
  assert.equal((await file.stat()).nlink, 0);
  assert.equal(await new Response(file.readable).text(), ">>> echo old\nold\n");
  assert.equal(await read(filed, "complete/x"), ">>> echo new\nnew\n");
});
