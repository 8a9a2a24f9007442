/** config.json: what it shows, what it takes, and when it says no. */
import assert from "node:assert/strict";
import { fails, Filed, ok, startFiled } from "../harness.ts";
import { assertStarted, open, read, refuses, stat, write } from "./expect.ts";
import { DEFAULTS } from "../default_settings.ts";

const config = async (filed: Filed) => JSON.parse(await read(filed, "config.json"));

const assertUnchanged = async (filed: Filed) => assert.deepEqual(await config(filed), DEFAULTS);

Deno.test("config.json reads as indented JSON with every key, each at its default", async () => {
  await using filed = await startFiled();
  assert.equal(await read(filed, "config.json"), JSON.stringify(DEFAULTS, null, 2) + "\n");
});

Deno.test("config.json's size is that of what it reads as, also after a change", async () => {
  await using filed = await startFiled();
  for (const timeout of [180, 1_000_000, 0]) {
    await filed.configure({ timeout_sec: timeout });
    assert.equal((await stat(filed, "config.json")).size, (await read(filed, "config.json")).length);
  }
});

Deno.test("JSON with some of the keys leaves the others", async () => {
  await using filed = await startFiled();
  await ok(filed.sh(`echo '{"max_job_count": 4}' > $M/config.json`));
  await ok(filed.sh(`echo '{"backoff_base": 0.5, "backoff_mult": 1.5}' > $M/config.json`));
  assert.deepEqual(await config(filed), {
    ...DEFAULTS,
    max_job_count: 4,
    backoff_base: 0.5,
    backoff_mult: 1.5,
  });
});

Deno.test("the least of every setting is allowed", async () => {
  await using filed = await startFiled();
  const least = {
    max_attempts: 1,
    timeout_sec: 0,
    max_job_count: 0,
    max_job_count_per_user: 0,
    max_pending_per_user: 0,
    max_log_mb_per_user: 0,
    backoff_base: 0,
    backoff_mult: 1,
    max_log_bytes: 0,
    max_job_mb: 1,
    max_memory_mb: 0,
    max_cpu_sec: 0,
    max_file_mb: 0,
    max_open_files: 0,
    nice: 0,
    fail_dependants: false,
    at_most: {},
    pools: {},
  };
  await filed.configure(least);
  assert.deepEqual(await config(filed), least);
});

Deno.test("writing applies a setting at once, also to what waits already", async () => {
  await using filed = await startFiled({ config: { max_job_count: 0 } });
  await filed.submit("x", "echo hi");
  await ok(filed.sh(`echo '{"max_job_count": 1}' > $M/config.json`));
  assert.equal(await filed.finished("x"), ">>> echo hi\nhi\n");
});

Deno.test("what was read can be written back, by cp, by an editor and in other order", async () => {
  await using filed = await startFiled();
  await ok(filed.sh("cp $M/config.json $F && sed -i s/20/7/ $F && cp $F $M/config.json".replaceAll(
    "$F",
    `${filed.place.path}/config`,
  )));
  assert.deepEqual(await config(filed), { ...DEFAULTS, max_job_count: 7 });
  await ok(filed.python(`
import json
with open(M + "/config.json", "r+") as file:
    settings = json.load(file)
    settings["max_job_count"] = 8
    file.seek(0)
    file.truncate()
    json.dump(settings, file, sort_keys=True)
`));
  assert.deepEqual(await config(filed), { ...DEFAULTS, max_job_count: 8 });
});

/** What is refused at once, and what the daemon's log then says. */
const REFUSED: Record<string, [string, RegExp]> = {
  "text": ["nope", /not JSON/],
  "text after the JSON": ['{"max_job_count": 4} x', /not JSON/],
  "two objects": ['{"max_job_count": 4}{"max_job_count": 5}', /not JSON/],
  "an unquoted key": ["{max_job_count: 4}", /not JSON/],
  "a trailing comma": ['{"max_job_count": 4,}', /not JSON/],
  "a comment": ['// four\n{"max_job_count": 4}', /not JSON/],
  "bytes that are no UTF-8": ["\xff", /UTF-8/],
  "an array": ["[4]", /object/],
  "a number": ["4", /object/],
  "a string": ['"max_job_count"', /object/],
  "null": ["null", /object/],
  "an unknown key": ['{"max_jobs": 4}', /max_jobs.*max_job_count/],
  "a key in other letters": ['{"MAX_JOB_COUNT": 4}', /MAX_JOB_COUNT.*max_job_count/],
  "a good key and an unknown one": ['{"max_job_count": 4, "x": 1}', /"x"/],
  "__proto__": ['{"__proto__": 4}', /__proto__/],
  "a setting as text": ['{"max_job_count": "4"}', /max_job_count.*whole number/],
  "a setting as null": ['{"timeout_sec": null}', /timeout_sec.*whole number/],
  "a setting as an array": ['{"timeout_sec": [4]}', /timeout_sec.*whole number/],
  "a setting as a boolean": ['{"backoff_base": true}', /backoff_base.*number/],
  "no attempts": ['{"max_attempts": 0}', /max_attempts.*1/],
  "less than no jobs": ['{"max_job_count": -1}', /max_job_count.*0/],
  "half a job": ['{"max_job_count": 0.5}', /max_job_count.*whole number/],
  "half an attempt": ['{"max_attempts": 1.5}', /max_attempts.*whole number/],
  "a timeout before the start": ['{"timeout_sec": -1}', /timeout_sec.*0/],
  "a backoff below 0": ['{"backoff_base": -0.1}', /backoff_base.*0/],
  "a factor below 1": ['{"backoff_mult": 0.9}', /backoff_mult.*1/],
  "a log of less than nothing": ['{"max_log_bytes": -1}', /max_log_bytes.*0/],
  "half a MiB of memory": ['{"max_memory_mb": 0.5}', /max_memory_mb.*whole number from 0 to 1000000000/],
  "a CPU time below 0": ['{"max_cpu_sec": -1}', /max_cpu_sec.*0/],
  "a file size as text": ['{"max_file_mb": "1"}', /max_file_mb.*whole number/],
  "more open files than there can be": ['{"max_open_files": 1e10}', /max_open_files.*1000000000/],
  "a niceness that only root may give": ['{"nice": -1}', /nice is -1.*0 to 19/],
  "more than nice": ['{"nice": 20}', /nice is 20.*0 to 19/],
  "a number past all bounds": ['{"timeout_sec": 1e999}', /timeout_sec/],
  "a good setting and a bad one": ['{"max_job_count": 4, "max_attempts": 0}', /max_attempts/],
};

Deno.test("what can't be settings is EINVAL at the write, changes nothing, and the log names the key", async () => {
  await using filed = await startFiled();
  let count = 0;
  for (const [what, [text, reason]] of Object.entries(REFUSED)) {
    using file = await open(filed, "config.json", { write: true, truncate: true });
    await refuses("EINVAL", file.write(Uint8Array.from(text, (character) => character.charCodeAt(0))), what);
    const lines = await filed.events("cannot apply config.json", {}, ++count);
    assert.match(String(lines.at(-1)?.properties.reason), reason, what);
    await assertUnchanged(filed);
  }
});

Deno.test("a shell's echo of bad settings fails, as do other programs", async () => {
  await using filed = await startFiled();
  const bad = `{"max_attempts": -1}`;
  await fails(filed.sh(`echo '${bad}' > $M/config.json`), /Invalid argument|[Ii]\/O error/);
  await fails(filed.sh(`bash -c "echo '${bad}'" > $M/config.json`), /Invalid argument/);
  await fails(filed.sh(`/bin/echo '${bad}' > $M/config.json`), /Invalid argument/);
  await fails(filed.sh(`echo '${bad}' | tee $M/config.json`), /Invalid argument/);
  await fails(filed.sh(`echo '${bad}' | dd of=$M/config.json`), /Invalid argument/);
  await assertUnchanged(filed);
});

Deno.test("JSON that just ends too early is EINVAL at close, and no sooner", async () => {
  await using filed = await startFiled();
  await ok(filed.python(`
import errno
for text in ("{", '{"max_job_count"', '{"max_job_count": 4', '{"max_job_count": ', '{"max_job_c', '{"backoff_base": 1.'):
    file = os.open(M + "/config.json", os.O_WRONLY | os.O_TRUNC)
    assert os.write(file, text.encode()) == len(text)
    try:
        os.close(file)
    except OSError as error:
        assert error.errno == errno.EINVAL, (text, error)
    else:
        raise SystemExit(text + " was taken")
`));
  await filed.events("cannot apply config.json", {}, 6);
  await assertUnchanged(filed);
});

Deno.test("programs report JSON that ends too early", async () => {
  await using filed = await startFiled();
  await fails(filed.sh(`/bin/echo '{"max_job_count": 4' > $M/config.json`), /Invalid argument/);
  await fails(filed.sh(`printf '{"max_job_count": 4' | tee $M/config.json`), /Invalid argument/);
  await assertUnchanged(filed);
});

Deno.test("JSON written in pieces is applied at the one that completes it", async () => {
  await using filed = await startFiled();
  using file = await open(filed, "config.json", { write: true, truncate: true });
  for (const piece of ['{"max_', 'job_count": 4, "back', 'off_base": 1.', "5", "\n"]) {
    write(file, piece);
    await assertUnchanged(filed);
  }
  write(file, "}");
  assert.deepEqual(await config(filed), { ...DEFAULTS, max_job_count: 4, backoff_base: 1.5 });
  write(file, "\n");
});

Deno.test("JSON written byte by byte is applied", async () => {
  await using filed = await startFiled();
  await ok(filed.sh(`echo '{"max_job_count": 4}' | dd of=$M/config.json bs=1 status=none`));
  assert.deepEqual(await config(filed), { ...DEFAULTS, max_job_count: 4 });
});

const NOTHING = {
  "an empty redirection": ": > $M/config.json",
  "truncate": "truncate -s 0 $M/config.json",
  "truncate to a part": "truncate -s 7 $M/config.json",
  "cp of an empty file": "cp /dev/null $M/config.json",
  "printf of nothing": "printf '' > $M/config.json",
  "opening to append": ": >> $M/config.json",
  "touch": "touch $M/config.json",
  "an object without keys": "echo '{}' > $M/config.json",
};

Deno.test("truncating config.json or writing nothing succeeds and changes nothing", async () => {
  await using filed = await startFiled();
  for (const [what, script] of Object.entries(NOTHING)) {
    assert.equal((await filed.sh(script)).status, 0, what);
    assert.deepEqual(await config(filed), DEFAULTS, what);
  }
});

Deno.test("appending to config.json makes no JSON, so it is EINVAL and changes nothing", async () => {
  await using filed = await startFiled();
  await fails(filed.sh(`/bin/echo '{"max_job_count": 4}' >> $M/config.json`), /Invalid argument/);
  await assertUnchanged(filed);
});

Deno.test("a handle that truncates and appends writes settings like any other", async () => {
  await using filed = await startFiled();
  await ok(filed.python(`
file = os.open(M + "/config.json", os.O_WRONLY | os.O_TRUNC | os.O_APPEND)
os.write(file, b'{"max_job_')
os.write(file, b'count": 4}')
os.close(file)
`));
  assert.deepEqual(await config(filed), { ...DEFAULTS, max_job_count: 4 });
});

Deno.test("who has config.json open reads it as it was then", async () => {
  await using filed = await startFiled();
  using file = await open(filed, "config.json", { read: true });
  await filed.configure({ max_job_count: 4 });
  const bytes = new Uint8Array(4_096);
  const length = await file.read(bytes) ?? 0;
  assert.deepEqual(JSON.parse(new TextDecoder().decode(bytes.subarray(0, length))), DEFAULTS);
});

Deno.test("settings survive a restart, and count for what waited", async () => {
  await using filed = await startFiled();
  await filed.configure({ max_attempts: 1, backoff_base: 0.25, max_job_count: 0 });
  await filed.submit("x", "exit 1");
  await filed.stop();
  await using again = await Filed.start(filed.place);
  assert.deepEqual(await config(again), {
    ...DEFAULTS,
    max_attempts: 1,
    backoff_base: 0.25,
    max_job_count: 0,
  });
  await again.configure({ max_job_count: 1 });
  await again.event("attempt ended", { job: "x", state: "failed" });
  await assertStarted(again, "x");
});

Deno.test("settings survive the daemon's being killed right after the write", async () => {
  await using filed = await startFiled();
  await ok(filed.sh(`echo '{"max_job_count": 4}' > $M/config.json`));
  filed.signal("SIGKILL");
  await filed.ended();
  await using again = await Filed.start(filed.place);
  assert.deepEqual(await config(again), { ...DEFAULTS, max_job_count: 4 });
});

Deno.test("who reads the settings while they change reads one or the other, whole", async () => {
  await using filed = await startFiled();
  await ok(filed.python(`
import json, threading
def write():
    for n in range(100):
        for value in (7, 1234567890):
            with open(M + "/config.json", "w") as file:
                file.write('{"max_log_bytes": %d}' % value)
writer = threading.Thread(target=write)
writer.start()
while writer.is_alive():
    assert json.loads(open(M + "/config.json").read())["max_log_bytes"] in (7, 1234567890, 16777216)
`));
});
