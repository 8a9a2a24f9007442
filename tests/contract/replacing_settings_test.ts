/** Putting another file in the place of config.json, and the files that programs make for that. */
import assert from "node:assert/strict";
import { fails, Filed, ok, rootTest, startFiled } from "../harness.ts";
import { open, read, refuses, stat, write } from "./expect.ts";
import { DEFAULTS } from "../default_settings.ts";

const OTHER = "daemon";
const ALWAYS = ["active", "complete", "config.json", "failed", "new-id", "pending", "why"];
const MAX_FILES = 8;

const config = async (filed: Filed) => JSON.parse(await read(filed, "config.json"));

const modeOf = async (filed: Filed, path: string) => Number((await stat(filed, path)).mode) & 0o777;

/** Writes a file into the mount's own directory. */
const beside = (filed: Filed, name: string, text: string) =>
  Deno.writeTextFile(`${filed.mount}/${name}`, text);

const rename = (filed: Filed, from: string, to: string) =>
  Deno.rename(`${filed.mount}/${from}`, `${filed.mount}/${to}`);

Deno.test("a file that is renamed to config.json sets what it names, and is gone", async () => {
  await using filed = await startFiled();
  await filed.configure({ max_attempts: 9 });
  await beside(filed, "new", '{"max_job_count": 4}');
  assert.deepEqual(await config(filed), { ...DEFAULTS, max_attempts: 9 });
  await rename(filed, "new", "config.json");
  assert.deepEqual(await config(filed), { ...DEFAULTS, max_attempts: 9, max_job_count: 4 });
  assert.deepEqual(await filed.list(""), ALWAYS);
});

const NO_SETTINGS = {
  "a bad value": '{"max_job_count": -1}',
  "a good key and an unknown one": '{"max_job_count": 4, "x": 1}',
  "an array": "[]",
  "what ends too early": '{"max_job_count": 4',
  "nothing": "",
  "no UTF-8": "\xff",
};

Deno.test("what can't be settings is not renamed to config.json: EINVAL, one warning, and both stay as they were", async () => {
  await using filed = await startFiled();
  let count = 0;
  for (const [what, text] of Object.entries(NO_SETTINGS)) {
    const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
    await Deno.writeFile(`${filed.mount}/.new`, bytes);
    await refuses("EINVAL", rename(filed, ".new", "config.json"), what);
    assert.deepEqual(await Deno.readFile(`${filed.mount}/.new`), bytes, what);
    assert.deepEqual(await config(filed), DEFAULTS, what);
    await filed.events("cannot apply config.json", {}, ++count);
  }
  await filed.finish("last", "true");
  assert.equal(filed.log.filter(({ message }) => message === "cannot apply config.json").length, count);
});

Deno.test("a job that is written beside config.json is refused, and the log says where to submit it", async () => {
  await using filed = await startFiled();
  for (const text of ["echo hi\n", '{"max_job_count": -1}', "\u00e9"]) {
    await refuses("EINVAL", beside(filed, "x", text), text);
    assert.equal(await read(filed, "x"), "");
  }
  await filed.events("content refused beside config.json; jobs are submitted in pending/", { file: "x" }, 3);
  await fails(filed.sh("echo echo hi > $M/x"), /Invalid argument|I\/O error/);
});

Deno.test("config.json keeps its owner and mode, whatever the file in its place had", async () => {
  await using filed = await startFiled();
  await Deno.chmod(`${filed.mount}/config.json`, 0o640);
  await Deno.writeTextFile(`${filed.place.path}/new`, '{"max_job_count": 3}');
  await Deno.chmod(`${filed.place.path}/new`, 0o600);
  await ok(filed.sh(`mv ${filed.place.path}/new $M/config.json`));
  assert.deepEqual([await config(filed), await modeOf(filed, "config.json")], [
    { ...DEFAULTS, max_job_count: 3 },
    0o640,
  ]);
  await beside(filed, "new", '{"max_job_count": 4}');
  await Deno.chmod(`${filed.mount}/new`, 0o777);
  await rename(filed, "new", "config.json");
  assert.deepEqual([await config(filed), await modeOf(filed, "config.json")], [
    { ...DEFAULTS, max_job_count: 4 },
    0o640,
  ]);
});

Deno.test("a file beside config.json has the content, owner, mode, size and times that it is given", async () => {
  await using filed = await startFiled();
  await ok(filed.python(`
import stat
os.umask(0o022)
path = M + "/.new"
file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)
assert os.write(file, b"0123456789") == 10
os.ftruncate(file, 4)
os.lseek(file, 0, os.SEEK_END)
os.write(file, b"end")
assert os.pread(file, 99, 0) == b"0123end"
os.close(file)
with open(path, "a") as file:
    file.write("!")
assert open(path).read() == "0123end!"
found = os.stat(path)
assert (found.st_size, stat.S_IMODE(found.st_mode), found.st_nlink) == (8, 0o644, 1), found
assert (found.st_uid, found.st_gid) == (os.getuid(), os.getgid()), found
os.chmod(path, 0o4751)
os.utime(path, (1000, 2000))
found = os.stat(path)
assert (stat.S_IMODE(found.st_mode), found.st_atime, found.st_mtime) == (0o751, 1000, 2000), found
with open(path, "r+") as file:
    os.unlink(path)
    assert os.fstat(file.fileno()).st_nlink == 0
    assert file.read() == "0123end!"
    file.write("more")
assert not os.path.exists(path)
os.mknod(path)
assert os.stat(path).st_size == 0
os.rename(path, M + "/other")
open(M + "/third", "w").write("{")
os.rename(M + "/third", M + "/other")
assert open(M + "/other").read() == "{"
assert [name for name in os.listdir(M) if name not in ${JSON.stringify(ALWAYS)}] == ["other"]
`));
});

Deno.test("a file beside config.json takes 64 KiB, and no more", async () => {
  await using filed = await startFiled();
  using file = await open(filed, ".new", { createNew: true, write: true });
  assert.equal(await file.write(new Uint8Array(65_536)), 65_536);
  await refuses("EFBIG", file.write(new Uint8Array(1)));
  await refuses("EFBIG", file.truncate(65_537));
  assert.equal((await stat(filed, ".new")).size, 65_536);
});

Deno.test("of more than eight files beside config.json the oldest goes that nobody has open", async () => {
  await using filed = await startFiled();
  const names = Array.from({ length: MAX_FILES + 1 }, (_, index) => `new-${index}`);
  using opened = await open(filed, names[0] as string, { createNew: true, write: true });
  for (const name of names.slice(1)) await beside(filed, name, "{}");
  const left = (await filed.list("")).filter((name) => !ALWAYS.includes(name));
  assert.deepEqual(left, names.filter((_, index) => index !== 1));
  write(opened, "[");
  assert.equal(await read(filed, "new-0"), "[");
});

Deno.test("where eight files beside config.json are open, there is no room for a ninth", async () => {
  await using filed = await startFiled();
  await ok(filed.python(`
import errno
files = [open(f"{M}/new-{n}", "w") for n in range(${MAX_FILES})]
try:
    open(M + "/more", "w")
except OSError as error:
    assert error.errno == errno.ENOSPC, error
else:
    raise SystemExit("it was made")
try:
    os.rename(M + "/config.json", M + "/copy")
except OSError as error:
    assert error.errno == errno.ENOSPC, error
else:
    raise SystemExit("it was copied")
assert os.path.exists(M + "/config.json")
files[0].close()
open(M + "/more", "w").close()
`));
});

Deno.test("who has a file open that took config.json's place writes settings through it", async () => {
  await using filed = await startFiled();
  await beside(filed, "new", '{"max_job_count": 4}');
  using file = await open(filed, "new", { write: true });
  await rename(filed, "new", "config.json");
  await file.truncate(0);
  write(file, '{"max_job_count": 5}');
  assert.deepEqual(await config(filed), { ...DEFAULTS, max_job_count: 5 });
  await file.seek(0, Deno.SeekMode.Start);
  await refuses("EINVAL", file.write(new TextEncoder().encode("nope")));
  assert.deepEqual(await config(filed), { ...DEFAULTS, max_job_count: 5 });
});

Deno.test("config.json stays when it is removed; only who did that misses it, until it writes another", async () => {
  await using filed = await startFiled();
  await ok(filed.sh("rm $M/config.json && cat $M/config.json"));
  await ok(filed.python(`
import json, os, subprocess
path = M + "/config.json"
os.unlink(path)
assert not os.path.exists(path)
subprocess.run(["cat", path], check=True, stdout=subprocess.DEVNULL)
assert "config.json" in os.listdir(M)
file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
os.fchmod(file, 0o777)
assert json.load(open(path))["max_job_count"] == 20
os.write(file, b'{"max_job_')
assert json.load(open(path))["max_job_count"] == 20
os.write(file, b'count": 4}')
assert json.load(open(path))["max_job_count"] == 4
os.close(file)
assert os.stat(path).st_mode & 0o777 == 0o644
`));
  assert.deepEqual(await config(filed), { ...DEFAULTS, max_job_count: 4 });
});

Deno.test("settings that are written anew after config.json was removed are refused as others are", async () => {
  await using filed = await startFiled();
  await ok(filed.python(`
import errno
path = M + "/config.json"
for text, fails in (("nope", "write"), ('{"max_attempts": 0}', "write"), ('{"max_attempts": 4', "close"), ("", "")):
    os.unlink(path)
    file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    failed = ""
    for what, act in (("write", lambda: os.write(file, text.encode())), ("close", lambda: os.close(file))):
        try:
            act()
        except OSError as error:
            assert error.errno == errno.EINVAL, error
            failed = failed or what
    assert failed == fails, (text, failed)
`));
  assert.deepEqual(await config(filed), DEFAULTS);
});

Deno.test("who gives config.json another name gets a copy, misses it until it writes another, and may move the copy back", async () => {
  await using filed = await startFiled();
  await ok(filed.python(`
import json, subprocess
path, copy = M + "/config.json", M + "/config.json~"
def count(path): return json.load(open(path))["max_job_count"]
os.rename(path, copy)
assert not os.path.exists(path)
subprocess.run(["cat", path], check=True, stdout=subprocess.DEVNULL)
open(path, "w").write('{"max_job_count": 4}')
assert (count(path), count(copy)) == (4, 20)
open(copy, "r+").write('{"max_job_count": 5}' + " " * 4000)
assert (count(path), count(copy)) == (4, 5)
os.rename(copy, path)
assert count(path) == 5
assert not os.path.exists(copy)
`));
});

Deno.test("config.json is never missing for a reader, while others replace it in every way", async () => {
  await using filed = await startFiled();
  await ok(filed.python(`
import json, subprocess, sys
reader = subprocess.Popen([sys.executable, "-c", '''
import json, os, sys
path = sys.argv[1] + "/config.json"
print("reads", flush=True)
while not os.path.exists(sys.argv[1] + "/over"):
    assert json.load(open(path))["max_log_bytes"] in (7, 1234567890, 16777216)
    assert "config.json" in os.listdir(sys.argv[1])
''', M], stdout=subprocess.PIPE)
try:
    reader.stdout.readline()
    path, new, copy = M + "/config.json", M + "/new", M + "/config.json~"
    for n in range(50):
        for value in (7, 1234567890):
            text = '{"max_log_bytes": %d}' % value
            open(new, "w").write(text)
            os.rename(new, path)
            os.unlink(path)
            open(path, "x").write(text)
            os.rename(path, copy)
            open(path, "w").write(text)
            os.unlink(copy)
    open(M + "/over", "w").close()
    assert reader.wait() == 0
finally:
    reader.kill()
`));
});

rootTest("who may not write the mount's own directory makes no file there, and removes none", async () => {
  await using filed = await startFiled();
  await Deno.chmod(filed.place.path, 0o755);
  await beside(filed, "new", '{"max_job_count": 4}');
  const scripts = ["touch $M/other", "rm -f $M/new", "mv $M/new $M/config.json", "rm -f $M/config.json"];
  for (const script of scripts) {
    const { status, stderr } = await filed.sh(`${script} </dev/null`, { user: OTHER });
    assert.notEqual(status, 0, script);
    assert.match(stderr, /Permission denied/, script);
  }
  assert.deepEqual([await config(filed), await filed.list("")], [DEFAULTS, [...ALWAYS, "new"].sort()]);
});

rootTest(
  "where everybody may write to the mount's own directory and it is sticky, the settings stay their owner's",
  async () => {
    await using filed = await startFiled();
    await Deno.chmod(filed.place.path, 0o755);
    await Deno.chmod(filed.mount, 0o1777);
    await ok(filed.sh(`echo '{"max_job_count": 4}' > $M/new`, { user: OTHER }));
    for (const script of ["mv $M/new $M/config.json", "rm -f $M/config.json", "mv $M/config.json $M/x"]) {
      const { status, stderr } = await filed.sh(`${script} </dev/null`, { user: OTHER });
      assert.notEqual(status, 0, script);
      assert.match(stderr, /Operation not permitted/, script);
    }
    assert.deepEqual(await config(filed), DEFAULTS);
  },
);

Deno.test("files beside config.json are gone after a restart", async () => {
  await using filed = await startFiled();
  await beside(filed, "new", "{}");
  await filed.stop();
  await using again = await Filed.start(filed.place);
  assert.deepEqual(await again.list(""), ALWAYS);
});
