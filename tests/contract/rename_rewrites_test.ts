/** A rename onto a job that waits rewrites it: what stays, what is the new file's, and what who has either open sees. */
import assert from "node:assert/strict";
import { Filed, ok, rootTest, startFiled } from "../harness.ts";
import {
  assertHeld,
  assertStarted,
  during,
  mv,
  open,
  read,
  refuses,
  resume,
  startPaused,
  stat,
  write,
} from "./expect.ts";

/** Users that every Debian has, each with a group of the same name. */
const [ANN, BOB] = ["daemon", "bin"] as const;
const YEAR_MS = 366 * 86_400_000;

/** A daemon where x has failed once, and waits for its last attempt. */
async function startRetrying(command: string): ReturnType<typeof startFiled> {
  const filed = await startFiled({ config: { max_attempts: 2, backoff_base: 86_400 } });
  await filed.submit("x", command);
  await filed.event("attempt ended", { job: "x" });
  return filed;
}

Deno.test("a job that another is renamed onto keeps its place and inode, and has the other's text and mode", async () => {
  await using filed = await startPaused();
  for (const id of ["a", "x", "z"]) await filed.submit(id, "echo old");
  const before = await stat(filed, "pending/x");
  await ok(
    filed.sh("printf 'echo new' > $M/pending/.x; chmod 600 $M/pending/.x; mv $M/pending/.x $M/pending/x"),
  );
  const after = await stat(filed, "pending/x");
  assert.deepEqual([after.ino, Number(after.mode) & 0o777, after.nlink, after.size], [
    before.ino,
    0o600,
    1,
    8,
  ]);
  assert.equal((await ok(filed.sh("ls -i $M/pending | grep ' x$'"))).trim(), `${before.ino} x`);
  assert.deepEqual(await filed.list("pending"), ["a", "x", "z"]);
  assert.equal(await read(filed, "pending/x"), "echo new");
  await filed.configure({ max_job_count: 1 });
  await assertStarted(filed, "a", "x", "z");
  assert.equal(await filed.finished("x"), ">>> echo new\nnew\n");
});

Deno.test("a job that another is renamed onto keeps its attempts and the time of its retry", async () => {
  await using filed = await startRetrying("exit 3");
  const before = await stat(filed, "pending/x");
  await filed.submit(".x", "echo again; exit 4");
  await mv(filed, ".x", "x");
  const after = await stat(filed, "pending/x");
  assert.deepEqual([after.mtimeMs, after.ino], [before.mtimeMs, before.ino]);
  assert.deepEqual(await filed.list("pending"), ["x"]);
  await ok(filed.sh("touch $M/pending/x"));
  const ended = await filed.event("attempt ended", { job: "x", state: "failed" });
  assert.equal(ended.properties.attempt, 2);
  assert.match(await read(filed, "failed/x"), /^>>> echo again; exit 4\nagain\n/);
});

Deno.test("what a job asks for is the new file's, and a time that was set by hand stays", async () => {
  await using filed = await startPaused();
  await filed.submit("header", "#filed start=+90m timeout_sec=7 deadline=+2h\necho old");
  await filed.submit("touched", "echo old");
  await ok(filed.sh("touch -d 2099-01-01 $M/pending/touched"));
  for (const id of ["header", "touched"]) {
    await filed.submit(`.${id}`, "#filed max_attempts=1\nexit 5");
    await mv(filed, `.${id}`, id);
  }
  assert.ok((await stat(filed, "pending/header")).mtimeMs <= Date.now());
  assert.ok((await stat(filed, "pending/touched")).mtimeMs > Date.now() + YEAR_MS);
  await filed.submit(".later", "#filed start=+90m\necho later");
  await filed.submit("later", "echo now");
  await mv(filed, ".later", "later");
  assert.ok((await stat(filed, "pending/later")).mtimeMs > Date.now() + 80 * 60_000);
  await resume(filed);
  await filed.event("attempt ended", { job: "header", state: "failed" });
  await assertStarted(filed, "header");
});

Deno.test("a priority of the new file's counts, and the old one's does not", async () => {
  await using filed = await startPaused();
  await filed.configure({ at_most: { priority: 50 } });
  await filed.submit("low", "true");
  await filed.submit("high", "#filed priority=50\ntrue");
  await filed.submit(".low", "#filed priority=20\ntrue");
  await filed.submit(".high", "true");
  for (const id of ["low", "high"]) await mv(filed, `.${id}`, id);
  await filed.configure({ max_job_count: 1 });
  await assertStarted(filed, "low", "high");
});

Deno.test("one job that waits renamed onto another leaves one, in the place of the other", async () => {
  await using filed = await startPaused();
  for (const id of ["first", "x", "between", "last"]) await filed.submit(id, `echo ${id}`);
  const before = await stat(filed, "pending/x");
  await mv(filed, "last", "x");
  assert.deepEqual(await filed.list("pending"), ["between", "first", "x"]);
  assert.equal((await stat(filed, "pending/x")).ino, before.ino);
  await mv(filed, "first", "x");
  await filed.configure({ max_job_count: 1 });
  await assertStarted(filed, "x", "between");
  assert.equal(await read(filed, "complete/x"), ">>> echo first\nfirst\n");
});

Deno.test("a job renamed onto one that was never submitted has its own place", async () => {
  await using filed = await startPaused();
  await filed.submit("empty", "");
  for (const id of ["a", "b"]) await filed.submit(id, "true");
  await mv(filed, "a", "empty");
  await filed.configure({ max_job_count: 1 });
  await assertStarted(filed, "empty", "b");
});

Deno.test("a job renamed onto a draft is one", async () => {
  await using filed = await startPaused();
  await filed.submit(".draft", "echo draft");
  await filed.submit("x", "echo x");
  const before = await stat(filed, "pending/.draft");
  await mv(filed, "x", ".draft");
  assert.equal((await stat(filed, "pending/.draft")).ino, before.ino);
  await resume(filed);
  await assertHeld(filed, ".draft");
  await mv(filed, ".draft", "x");
  assert.equal(await filed.finished("x"), ">>> echo x\nx\n");
});

Deno.test("an empty file renamed onto a job that waits empties it, and it keeps its place", async () => {
  await using filed = await startPaused();
  for (const id of ["x", "y"]) await filed.submit(id, "echo old");
  await ok(filed.sh(": > $M/pending/.x && mv $M/pending/.x $M/pending/x"));
  await filed.configure({ max_job_count: 1 });
  await assertHeld(filed, "x");
  await filed.configure({ max_job_count: 0 });
  await filed.submit("z", "true");
  await filed.submit("x", "echo new");
  await filed.configure({ max_job_count: 1 });
  await filed.finished("z");
  assert.deepEqual(
    filed.log.filter(({ message, properties }) =>
      message === "attempt started" && /^[xyz]$/.test(`${properties.job}`)
    )
      .map(({ properties }) => properties.job),
    ["y", "x", "z"],
  );
});

Deno.test("a draft that can never run is refused at the rename, and both are as they were", async () => {
  await using filed = await startPaused();
  await filed.submit("x", "echo old");
  await filed.submit(".x", "#filed timuot=5\necho new");
  await refuses("EINVAL", mv(filed, ".x", "x"));
  assert.deepEqual([await read(filed, "pending/x"), await filed.list("pending")], ["echo old", [".x", "x"]]);
  assert.match(await read(filed, "why/x"), /timuot/);
});

Deno.test("who has the old file open goes on with it, and hurts nothing", async () => {
  await using filed = await startPaused();
  const said = await ok(filed.python(`
import mmap
def put(name, text):
    with open(M + "/pending/" + name, "w") as file:
        file.write(text)
put("x", "echo old; echo of before")
inode = os.stat(M + "/pending/x").st_ino
reader = os.open(M + "/pending/x", os.O_RDONLY)
writer = os.open(M + "/pending/x", os.O_RDWR)
mapped = mmap.mmap(reader, 0, prot=mmap.PROT_READ)
put(".x", "echo new")
os.rename(M + "/pending/.x", M + "/pending/x")
print(os.pread(reader, 100, 0).decode(), os.pread(writer, 8, 0).decode(), mapped[:8].decode())
print(os.fstat(reader).st_nlink, os.fstat(reader).st_size, os.stat(M + "/pending/x").st_size)
print(open(M + "/pending/x").read(), os.stat(M + "/pending/x").st_ino == inode)
os.pwrite(writer, b"echo rm -rf", 0)
os.fsync(writer)
os.ftruncate(writer, 12)
os.fchmod(writer, 0o777)
print(os.pread(reader, 100, 0).decode(), mapped[:8].decode())
print(open(M + "/pending/x").read(), oct(os.stat(M + "/pending/x").st_mode & 0o777))
os.close(writer)
os.close(reader)
print(open(M + "/pending/x").read())
`));
  assert.deepEqual(
    said.split("\n"),
    [
      "echo old; echo of before echo old echo old",
      "0 24 8",
      "echo new True",
      "echo rm -rfc echo rm ",
      "echo new 0o644",
      "echo new",
      "",
    ],
  );
  await resume(filed);
  assert.equal(await filed.finished("x"), ">>> echo new\nnew\n");
  await assertStarted(filed, "x");
});

Deno.test("who has the new file open goes on writing the job, which is held until that is over", async () => {
  await using filed = await startPaused();
  await filed.submit("x", "echo old");
  const { ino } = await stat(filed, "pending/x");
  {
    using file = await open(filed, "pending/.x", { create: true, write: true });
    write(file, "echo new");
    await mv(filed, ".x", "x");
    await resume(filed);
    await assertHeld(filed, "x");
    write(file, "; echo more");
    assert.equal(await read(filed, "pending/x"), "echo new; echo more");
    assert.deepEqual([(await file.stat()).ino, (await stat(filed, "pending/x")).size], [ino, 19]);
    await file.sync();
    await assertHeld(filed, "x");
  }
  assert.equal(await filed.finished("x"), ">>> echo new; echo more\nnew\nmore\n");
  await assertStarted(filed, "x");
});

Deno.test("what is written to a mapping of the new file, after the rename too, is the job's", async () => {
  await using filed = await startPaused();
  await filed.submit("x", "echo old");
  await ok(filed.python(`
import mmap
file = os.open(M + "/pending/.x", os.O_RDWR | os.O_CREAT)
os.ftruncate(file, 8)
mapped = mmap.mmap(file, 0)
mapped[:8] = b"echo one"
os.rename(M + "/pending/.x", M + "/pending/x")
reader = os.open(M + "/pending/x", os.O_RDONLY)
mapped[5:8] = b"two"
assert mmap.mmap(reader, 0, prot=mmap.PROT_READ)[:] == b"echo two"
mapped.close()
os.close(file)
assert os.pread(reader, 10, 0) == b"echo two"
`));
  await resume(filed);
  assert.equal(await filed.finished("x"), ">>> echo two\ntwo\n");
});

Deno.test("a job that is open for writing is replaced by a rename, and its writer keeps it from nothing", async () => {
  await using filed = await startPaused();
  using file = await open(filed, "pending/x", { create: true, write: true });
  write(file, "echo old");
  await filed.submit(".x", "echo new");
  await mv(filed, ".x", "x");
  await resume(filed);
  assert.equal(await filed.finished("x"), ">>> echo new\nnew\n");
  write(file, "; echo more");
  await file.sync();
  await assertStarted(filed, "x");
});

Deno.test("files that are renamed onto a job one after the other are each to who has them open what they were", async () => {
  await using filed = await startPaused();
  const said = await ok(filed.python(`
def put(name, text):
    with open(M + "/pending/" + name, "w") as file:
        file.write(text)
put("x", "echo 0")
opened = []
for turn in range(1, 6):
    opened.append(os.open(M + "/pending/x", os.O_RDWR if turn % 2 else os.O_RDONLY))
    put(".x", f"echo {turn}")
    os.rename(M + "/pending/.x", M + "/pending/x")
    assert open(M + "/pending/x").read() == f"echo {turn}"
print(*[os.pread(file, 10, 0).decode()[-1] for file in opened], *{os.fstat(file).st_nlink for file in opened})
print(open(M + "/pending/x").read())
`));
  assert.equal(said, "0 1 2 3 4 0\necho 5\n");
  assert.deepEqual(await filed.list("pending"), ["x"]);
});

Deno.test("what the maker of the new file does to it by its last name reaches the job that has started", async () => {
  await using filed = await startPaused();
  await filed.submit("x", "echo old");
  const made = ok(filed.python(`
file = os.open(M + "/pending/.x", os.O_CREAT | os.O_WRONLY)
os.write(file, b"echo new")
os.close(file)
os.rename(M + "/pending/.x", M + "/pending/x")
with open(M + "/config.json", "w") as config:
    config.write('{"max_job_count": 1}')
while not os.path.exists(M + "/complete/x"):
    pass
os.chmod(M + "/pending/x", 0o600)
os.utime(M + "/pending/x", (1e9, 1e9))
`));
  await made;
  assert.equal(Number((await stat(filed, "complete/x")).mode) & 0o777, 0o400);
});

Deno.test("after a crash, a job that another was renamed onto is in its place, with the new text", async () => {
  await using filed = await startPaused();
  for (const id of ["a", "x", "z"]) await filed.submit(id, "echo old");
  const { ino } = await stat(filed, "pending/x");
  await filed.submit(".x", "echo new");
  await mv(filed, ".x", "x");
  await filed.stop("SIGKILL");
  await using again = await Filed.start(filed.place);
  assert.equal((await stat(again, "pending/x")).ino, ino);
  assert.deepEqual(await again.list("pending"), ["a", "x", "z"]);
  await again.configure({ max_job_count: 1 });
  await assertStarted(again, "a", "x", "z");
  assert.equal(await read(again, "complete/x"), ">>> echo new\nnew\n");
});

Deno.test("writers of both files go on at their full speed through the rename, and one job is left", async () => {
  await using filed = await startPaused();
  await filed.submit("x", "echo old");
  await ok(filed.python(`
import threading
def write(name, word):
    with open(M + "/pending/" + name, "a", buffering=1) as file:
        for _ in range(300):
            file.write(f": {word}\\n")
            file.flush()
            os.fsync(file.fileno())
            os.close(os.dup(file.fileno()))
errors = []
threading.excepthook = lambda it: errors.append(it.exc_value)
open(M + "/pending/.new", "w").close()
old = threading.Thread(target=write, args=("x", "old"))
new = threading.Thread(target=write, args=(".new", "new"))
old.start(); new.start()
os.rename(M + "/pending/.new", M + "/pending/x")
for other in range(20):
    with open(M + "/pending/.other", "w") as file:
        file.write(": other\\n")
    os.rename(M + "/pending/.other", M + "/pending/y")
old.join(); new.join()
assert not errors, errors
`));
  const text = await read(filed, "pending/x");
  assert.equal(text, ": new\n".repeat(300));
  await resume(filed);
  await filed.finished("x");
});

Deno.test("a job that is set aside as a backup and written anew, as vim and Emacs do, is the same job", async () => {
  await using filed = await startPaused();
  for (const id of ["a", "x", "z"]) await filed.submit(id, "echo old");
  const { ino } = await stat(filed, "pending/x");
  await ok(filed.sh("cd $M/pending; mv x x~ && echo 'echo new' > x; cat x~ > ../../saved"));
  assert.deepEqual([(await stat(filed, "pending/x")).ino, await read(filed, "pending/x")], [
    ino,
    "echo new\n",
  ]);
  assert.equal(await Deno.readTextFile(`${filed.place.path}/saved`), "echo old");
  assert.notEqual((await stat(filed, "pending/x~")).ino, ino);
  await ok(filed.sh("cd $M/pending; mv a a~; mv a~ a; rm x~")); // Somebody thinks better of it.
  await filed.configure({ max_job_count: 1 });
  await assertStarted(filed, "a", "x", "z");
  assert.equal(await filed.finished("x"), ">>> echo new\nnew\n");
});

Deno.test("who has a job open that is set aside goes on with the backup, and its attempts stay the job's", async () => {
  await using filed = await startRetrying("exit 3");
  const before = await stat(filed, "pending/x");
  const said = await ok(filed.python(`
os.chdir(M + "/pending")
reader, writer = os.open("x", os.O_RDONLY), os.open("x", os.O_WRONLY | os.O_APPEND)
os.rename("x", "x~")
file = os.open("x", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
os.write(file, b"exit 4")
os.write(writer, b" # saved")
print(os.pread(reader, 99, 0).decode(), open("x~").read(), open("x").read(), os.fstat(reader).st_nlink, sep="|")
print(os.fstat(file).st_ino == os.stat("x").st_ino, os.fstat(reader).st_ino == os.stat("x~").st_ino)
os.close(writer)
os.close(file)
os.unlink("x~")
print(os.pread(reader, 99, 0).decode(), os.fstat(reader).st_nlink, sep="|")
`));
  assert.deepEqual(said.split("\n"), [
    "exit 3 # saved|exit 3 # saved|exit 4|1",
    "True True",
    "exit 3 # saved|0",
    "",
  ]);
  const after = await stat(filed, "pending/x");
  assert.deepEqual([after.ino, after.mtimeMs], [before.ino, before.mtimeMs]);
  await ok(filed.sh("touch $M/pending/x"));
  const ended = await filed.event("attempt ended", { job: "x", state: "failed" });
  assert.equal(ended.properties.attempt, 2);
});

rootTest("a name that another user's job had a moment ago is a new job's, also root's", async () => {
  await using filed = await startPaused();
  await Deno.chmod(filed.place.path, 0o711);
  await ok(filed.sh("chmod 1777 $M/pending"));
  for (const [id, other] of [["x", BOB], ["y", "root"]] as const) {
    await ok(filed.sh(`cd $M/pending; echo ': of ann' > ${id}; touch -d 2099-01-01 ${id}`, { user: ANN }));
    const { ino } = await stat(filed, `pending/${id}`);
    await ok(filed.sh(`mv $M/pending/${id} $M/pending/${id}~`, { user: ANN }));
    await ok(filed.sh(`echo ': not of ann' > $M/pending/${id}`, { user: other }));
    assert.equal((await stat(filed, `pending/${id}~`)).ino, ino);
    assert.ok(Number((await stat(filed, `pending/${id}`)).mtimeMs) <= Date.now());
  }
});

rootTest("root writes another user's job anew beside its backup, and gives it back", async () => {
  await using filed = await startPaused();
  await ok(filed.sh(`echo ': of ann' > $M/pending/x; chown ${ANN} $M/pending/x`));
  const { ino } = await stat(filed, "pending/x");
  await ok(filed.sh(`cd $M/pending; mv x x~ && echo ': mended' > x && chown ${ANN} x && rm x~`));
  assert.equal((await stat(filed, "pending/x")).ino, ino);
  assert.equal((await ok(filed.sh("stat -c %U $M/pending/x"))).trim(), ANN);
});

rootTest("a new owner reads nothing of what the job printed before", async () => {
  await using filed = await startRetrying("echo secret; exit 3");
  await Deno.chmod(filed.place.path, 0o711);
  await ok(filed.sh(`chmod 777 $M/pending $M/failed; chown ${ANN} $M/pending/x`));
  const { ino } = await stat(filed, "pending/x");
  await ok(filed.sh("echo ': of bob' > $M/pending/.x && mv $M/pending/.x $M/pending/x", { user: BOB }));
  assert.equal((await stat(filed, "pending/x")).ino, ino);
  assert.equal((await ok(filed.sh("stat -c %U $M/pending/x"))).trim(), BOB);
  await ok(filed.sh("mv $M/pending/x $M/failed/", { user: BOB }));
  assert.doesNotMatch(await read(filed, "failed/x"), /secret/);
});

rootTest("in a sticky directory, another user's job is not rewritten by a rename", async () => {
  await using filed = await startPaused();
  await Deno.chmod(filed.place.path, 0o711);
  await ok(filed.sh("chmod 1777 $M/pending"));
  await ok(filed.sh("echo ': of ann' > $M/pending/x", { user: ANN }));
  await ok(
    filed.sh("echo ': of bob' > $M/pending/.x; ! mv -f $M/pending/.x $M/pending/x 2> /dev/null", {
      user: BOB,
    }),
  );
  assert.equal(await read(filed, "pending/x"), ": of ann\n");
  await ok(filed.sh("mv $M/pending/.x $M/pending/x")); // Root may, and the job is bob's then.
  assert.equal((await ok(filed.sh("stat -c %U $M/pending/x"))).trim(), BOB);
});

Deno.test("ctime and the directory's mtime tell of a rename onto a job", async () => {
  await using filed = await startPaused();
  await filed.submit("x", "true");
  await filed.submit(".x", "false");
  const [from, to] = await during(() => mv(filed, ".x", "x"));
  for (const [format, path] of [["%.Z", "pending/x"], ["%.Y", "pending"]] as const) {
    const time = Number(await ok(filed.sh(`stat -c ${format} $M/${path}`))) * 1_000;
    assert.ok(time >= Math.floor(from) && time <= to, path);
  }
});
