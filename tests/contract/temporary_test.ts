/**
 * Files that their maker closes unfinished: what tells them, the second that they wait, and what is done to
 * them late. sandbox/temporary_test.ts has the folders of jobs.
 */
import assert from "node:assert/strict";
import { fails, type Filed, ok, rootTest, run, startFiled } from "../harness.ts";
import { assertHeld, assertStarted, mv, open, refuses, stat, write } from "./expect.ts";

Deno.test("Python's tempfile and os.replace submit once, under the last name", async () => {
  await using filed = await startFiled();
  await ok(filed.python(`
import tempfile
with tempfile.NamedTemporaryFile(dir=M + "/pending", delete=False) as file:
    file.write(b"echo whole")
os.replace(file.name, M + "/pending/x")
`));
  assert.equal(await filed.finished("x"), ">>> echo whole\nwhole\n");
  await assertStarted(filed, "x");
  assert.deepEqual(await filed.list("pending"), []);
});

Deno.test("a Python temporary file that is removed again never runs", async () => {
  await using filed = await startFiled();
  await ok(filed.python(`
import tempfile
with tempfile.NamedTemporaryFile(dir=M + "/pending") as file:
    file.write(b"echo never")
    file.flush()
`));
  await assertStarted(filed);
  assert.deepEqual(await filed.list("pending"), []);
});

interface Making {
  flags: string;
  mode: string;
  umask: string;
}

const MKSTEMP: Making = { flags: "os.O_EXCL | os.O_RDWR", mode: "0o600", umask: "0o022" };

/** Makes and closes files, one after the other, as open(2) with these flags and modes does. */
const make = (filed: Filed, files: Record<string, Making>) =>
  ok(filed.python(
    Object.entries(files).map(([id, { flags, mode, umask }]) => `
os.umask(${umask})
file = os.open(M + "/pending/${id}", os.O_CREAT | ${flags}, ${mode})
os.write(file, b"echo ran")
os.close(file)
`).join(""),
  ));

Deno.test("what has the mark of mkstemp starts 1 s after its release", async () => {
  await using filed = await startFiled();
  const file = await open(filed, "pending/tmp1234", {
    createNew: true,
    read: true,
    write: true,
    mode: 0o600,
  });
  write(file, "echo ran");
  const releasedAt = Date.now();
  file.close();
  assert.equal(await filed.finished("tmp1234"), ">>> echo ran\nran\n");
  assert.ok(Date.now() - releasedAt >= 1_000);
});

Deno.test("one that is closed empty waits as well when it is opened again and written", async () => {
  await using filed = await startFiled();
  await ok(filed.python(`
import tempfile
for name in ["x", "y"]:
    descriptor, path = tempfile.mkstemp(dir=M + "/pending")
    os.close(descriptor)
    for line in ["echo 1", "echo 2"]:
        with open(path, "a") as file:
            print(line, file=file)
    if name == "x":
        os.replace(path, M + "/pending/x")
`));
  const both = ">>> echo 1\necho 2\n1\n2\n";
  assert.equal(await filed.finished("x"), both);
  const [, other] = await startedAll(filed, 2);
  assert.equal(await filed.finished(other as string), both);
});

const UNFINISHED = {
  mkstemp: MKSTEMP,
  "mkstemp-under-a-umask": { ...MKSTEMP, umask: "0o277" },
  install: { ...MKSTEMP, flags: "os.O_EXCL | os.O_WRONLY" },
  "rsync-inplace": { ...MKSTEMP, flags: "os.O_WRONLY" },
};

const AT_ONCE = {
  "another-mode": { ...MKSTEMP, mode: "0o644" },
  "another-mode-that-the-umask-makes-0600": { ...MKSTEMP, mode: "0o666", umask: "0o177" },
  "truncated": { ...MKSTEMP, flags: "os.O_TRUNC | os.O_WRONLY" },
};

Deno.test("what lacks a part of that mark starts at once, before what was closed earlier and has it", async () => {
  await using filed = await startFiled();
  await make(filed, { ...UNFINISHED, ...AT_ONCE });
  assert.deepEqual(await startedAll(filed, 7), [...Object.keys(AT_ONCE), ...Object.keys(UNFINISHED)]);
});

rootTest("a job made unfinished runs as the owner that it gets by its name, and with that mode", async () => {
  await using filed = await startFiled();
  const source = `${filed.place.path}/source`;
  await Deno.writeTextFile(source, "id -un");
  await ok(run(["install", "-o", "nobody", "-m", "750", source, `${filed.mount}/pending/x`]));
  assert.equal(await filed.finished("x"), ">>> id -un\nnobody\n");
  const { mode, uid } = await stat(filed, "complete/x");
  assert.deepEqual([Number(mode) & 0o777, uid], [0o550, 65_534]);
});

Deno.test("a mode set by name soon after the close is that of the job, wherever it is", async () => {
  await using filed = await startFiled();
  assert.equal(await filed.finish("x", "true"), ">>> true\n");
  await Deno.chmod(`${filed.mount}/pending/x`, 0o600);
  await Deno.utime(`${filed.mount}/pending/x`, 1, 1);
  const { mode, mtimeMs } = await stat(filed, "complete/x");
  assert.equal(Number(mode) & 0o777, 0o400);
  assert.ok(Number(mtimeMs) > 1_000, "the time of the command has become that of the log");
});

Deno.test("who gives a log its times does not find the job in pending/ by that", async () => {
  await using filed = await startFiled();
  await filed.finish("x", "true");
  await Deno.utime(`${filed.mount}/complete/x`, 1_000, 1_000);
  await refuses("ENOENT", Deno.lstat(`${filed.mount}/pending/x`));
});

Deno.test("a job that has left pending/ is not there for anything else", async () => {
  await using filed = await startFiled();
  await filed.finish("x", "true");
  const path = `${filed.mount}/pending/x`;
  const tomorrow = Date.now() / 1_000 + 86_400;
  await refuses("ENOENT", Deno.utime(path, tomorrow, tomorrow), "it can't be put off any more");
  await refuses("ENOENT", Deno.truncate(path, 0));
  await refuses("ENOENT", Deno.lstat(path));
  await refuses("ENOENT", Deno.readTextFile(path));
  await refuses("ENOENT", Deno.remove(path));
  await refuses("ENOENT", Deno.rename(path, `${filed.mount}/pending/y`));
  await refuses("EEXIST", Deno.writeTextFile(path, "true"));
});

Deno.test("a temporary file renamed while it is still open starts at its release", async () => {
  await using filed = await startFiled();
  await make(filed, { tmp1234: MKSTEMP });
  {
    using file = await open(filed, "pending/tmp5678", {
      createNew: true,
      read: true,
      write: true,
      mode: 0o600,
    });
    await mv(filed, "tmp5678", "x");
    write(file, "echo whole");
  }
  assert.deepEqual(await startedAll(filed, 2), ["x", "tmp1234"]);
});

Deno.test("a temporary file renamed to a draft and on is submitted by the last rename only", async () => {
  await using filed = await startFiled();
  await make(filed, { tmp1234: MKSTEMP });
  await mv(filed, "tmp1234", ".x");
  await make(filed, { tmp5678: MKSTEMP });
  await filed.event("attempt started", { job: "tmp5678" }); // So 1 s is over for the other, too.
  await assertHeld(filed, ".x");
  await mv(filed, ".x", "x");
  assert.equal(await filed.finished("x"), ">>> echo ran\nran\n");
});

/** The ids of that many jobs, in the order in which they start. */
async function startedAll(filed: Filed, count: number): Promise<string[]> {
  const lines = await filed.events("attempt started", {}, count);
  return lines.map(({ properties }) => String(properties.job));
}

Deno.test("who gives a new job its times by name finds it in pending/ once more, and nothing to open", async () => {
  await using filed = await startFiled();
  assert.equal(await filed.finish("x", "true"), ">>> true\n");
  const path = `${filed.mount}/pending/x`;
  await Deno.utime(path, 1_000, 1_000);
  const { size, mtime } = await Deno.lstat(path);
  assert.deepEqual([size, Number(mtime)], [4, 1_000_000]);
  await Deno.chmod(path, 0o600);
  assert.deepEqual(await filed.list("pending"), []);
  await refuses("ENOENT", Deno.readTextFile(path));
  await refuses("ENOENT", Deno.lstat(path), "whoever opens it, learns that it is gone");
});

rootTest("nobody else finds in pending/ what has left it", async () => {
  await using filed = await startFiled();
  await Deno.chmod(filed.place.path, 0o711);
  await filed.finish("x", "true");
  await Deno.utime(`${filed.mount}/pending/x`, 1_000, 1_000);
  await fails(filed.sh("stat $M/pending/x", { user: "bin" }), /No such file/);
  await Deno.lstat(`${filed.mount}/pending/x`);
});
