/** Jobs of up to 16 MiB: written in any way, changed, run. store/ shows how they are kept, floods/ what they cost. */
import assert from "node:assert/strict";
import { fails, Filed, ok, Place, startFiled, until } from "../harness.ts";
import { assertStarted, mv, open, read, refuses, resume, startPaused } from "./expect.ts";

const MEBIBYTE = 1_048_576;
/** Bytes of all kinds, among them what could be taken for an end. */
const DATA = `
import random
random.seed(7)
data = b"#filed nice=99\\n<<END\\nEND \\n END\\n\\0\\r\\n" + random.randbytes(10_000_000) + b"\\nEND\\n#filed nise=1\\nEND"
`;

/** Files to submit: what each is, by its name. */
async function makeFiles(filed: Filed & { place: Place }) {
  await ok(filed.python(`
${DATA}
F = "${filed.place.path}/"
open(F + "data", "wb").write(data)
open(F + "with-data", "wb").write(b"#filed stdin=END\\ncat > " + (F + "got").encode() + b"\\nEND\\n" + data)
line = b"# a line of a script that is long\\n"
open(F + "script", "wb").write(b"#!/bin/sh\\n" + line * (5_000_000 // len(line)) + b"echo the last of $0\\n")
open(F + "text", "wb").write(line * (5_000_000 // len(line)) + b"echo the last\\n")
longest = b"echo longest; exit\\n"
open(F + "longest", "wb").write(longest + random.randbytes(${
    16 * MEBIBYTE
  }).replace(b"\\0", b"1")[len(longest):])
`));
}

const same = (filed: Filed & { place: Place }) =>
  ok(filed.sh(`cmp ${filed.place.path}/data ${filed.place.path}/got`));

const WAYS: [string, string][] = [
  ["cp", "cp $F $M/pending/x"],
  ["dd in blocks of 4 KiB", "dd if=$F of=$M/pending/x bs=4k status=none"],
  ["rsync", "rsync $F $M/pending/x"],
  ["rsync --inplace", "rsync --inplace $F $M/pending/x"],
  [
    "cat, in two parts",
    "head -c 3333333 $F > $M/pending/.x; tail -c +3333334 $F >> $M/pending/.x; mv $M/pending/.x $M/pending/x",
  ],
  [
    "the last part first",
    "dd if=$F of=$M/pending/.x bs=1M skip=4 seek=4 status=none; dd if=$F of=$M/pending/.x bs=1M count=4 conv=notrunc status=none; mv $M/pending/.x $M/pending/x",
  ],
];
for (const [how, script] of WAYS) {
  Deno.test(`10 MB of any bytes behind stdin=END come to the job as they are, by ${how}`, async () => {
    await using filed = await startFiled();
    await makeFiles(filed);
    await ok(filed.sh(`F=${filed.place.path}/with-data; ${script}`));
    const log = await filed.finished("x");
    assert.equal(log, `>>> #filed stdin=END\ncat > ${filed.place.path}/got\n`);
    await same(filed);
  });
}

Deno.test("a job that does not read its 10 MB ends normally", async () => {
  await using filed = await startFiled();
  await makeFiles(filed);
  await ok(
    filed.sh(`{ printf '#filed stdin=END\\ntrue\\nEND\\n'; cat ${filed.place.path}/data; } > $M/pending/x`),
  );
  assert.equal(await filed.finished("x"), ">>> #filed stdin=END\ntrue\n");
  assert.deepEqual(await filed.list("complete"), ["x"]);
});

Deno.test("text and scripts of 5 MB, and a job of 16 MiB, run to their end, and the log shows their beginning", async () => {
  await using filed = await startFiled();
  await makeFiles(filed);
  for (
    const [file, output] of [["script", /^the last of .*\/script$/m], ["text", /^the last$/m], [
      "longest",
      /^longest$/m,
    ]] as const
  ) {
    await ok(filed.sh(`cp ${filed.place.path}/${file} $M/pending/${file}`));
    const log = await filed.finished(file);
    assert.ok(log.length < 5_000, `the log has ${log.length} characters`);
    assert.match(log, /^\[filed: \d+ more bytes of the command\]$/m);
    assert.match(log, output);
    assert.deepEqual(await filed.list("failed"), []);
  }
});

Deno.test("one byte more than 16 MiB is refused, nothing is left of it, and why/ says the reason", async () => {
  await using filed = await startPaused();
  await makeFiles(filed);
  const longer = `cat ${filed.place.path}/longest; /bin/echo`;
  await fails(filed.sh(`{ ${longer}; } > $M/pending/x`), /File too large/);
  assert.deepEqual(await filed.list("pending"), []);
  assert.match(await read(filed, "why/x"), /it is longer than 16 MiB \(max_job_mb\)/);
  await filed.submit("x", "echo old");
  await fails(filed.sh(`{ ${longer}; } > $M/pending/x`), /File too large/);
  await fails(filed.sh(`{ ${longer}; } > $M/pending/.y`), /File too large/);
  await fails(filed.sh("truncate -s 17M $M/pending/x"), /File too large/);
  assert.equal(await read(filed, "pending/x"), "echo old");
  assert.deepEqual(await filed.list("pending"), ["x"]);
});

Deno.test("what is there when max_job_mb is lowered stays, can be read, changed, renamed and run, and gets no longer", async () => {
  await using filed = await startPaused();
  await makeFiles(filed);
  const file = `${filed.place.path}/text`;
  await ok(filed.sh(`cp ${file} $M/pending/x; cp ${file} $M/pending/.y`));
  await filed.configure({ max_job_mb: 1 });
  await ok(filed.sh(`cmp ${file} $M/pending/x; mv $M/pending/.y $M/pending/y; mv $M/pending/x $M/pending/z`));
  await fails(filed.sh("/bin/echo >> $M/pending/z"), /File too large/);
  assert.match(await read(filed, "why/z"), /it is longer than 1 MiB \(max_job_mb\)/);
  await ok(filed.sh("printf : | dd of=$M/pending/z bs=1 seek=2000000 conv=notrunc status=none"));
  await ok(filed.sh("truncate -s 4M $M/pending/z"));
  await fails(filed.sh("truncate -s 5M $M/pending/z"), /File too large/);
  await resume(filed);
  for (const id of ["y", "z"]) await filed.finished(id);
  assert.deepEqual((await filed.list("complete")).sort(), ["y", "z"]);
});

Deno.test("a job of 5 MB that was killed with filed while it was rewritten is as it was closed last, and the other is held", async () => {
  await using place = await Place.make();
  {
    await using filed = Object.assign(await Filed.start(place, { config: { max_job_count: 0 } }), { place });
    await makeFiles(filed);
    await ok(filed.sh(`cp ${place.path}/text $M/pending/x`));
    using file = await open(filed, "pending/x", { write: true });
    using fresh = await open(filed, "pending/fresh", { write: true, create: true });
    const block = new Uint8Array(MEBIBYTE).fill(0x23);
    for (let at = 0; at < 3; at++) for (const one of [file, fresh]) one.writeSync(block);
    await filed.stop("SIGKILL");
  }
  await using filed = Object.assign(await Filed.start(place, { config: { max_job_count: 0 } }), { place });
  await ok(filed.sh(`cmp ${place.path}/text $M/pending/x`));
  assert.match(await read(filed, "pending/fresh"), /^#+$/);
  await resume(filed);
  await filed.finished("x");
  await assertStarted(filed, "x");
});

Deno.test("what one writes of a long job another reads, and what is appended, cut and filled is there", async () => {
  await using filed = await startPaused();
  await ok(filed.python(`
P = M + "/pending/.x"
expected = bytearray()
writer = os.open(P, os.O_CREAT | os.O_RDWR)
reader = os.open(P, os.O_RDONLY)
appender = os.open(P, os.O_WRONLY | os.O_APPEND)
def check():
    assert os.fstat(writer).st_size == len(expected), (os.fstat(writer).st_size, len(expected))
    for at in (0, 65535, 131072 - 7, 1 << 20, len(expected) - 9):
        assert os.pread(reader, 70000, at) == expected[at:at + 70000], at
import random
random.seed(3)
def put(at, data):
    expected.extend(b"\\0" * max(0, at + len(data) - len(expected)))
    expected[at:at + len(data)] = data
for step in range(120):
    kind = random.randrange(5)
    data = random.randbytes(random.choice([1, 4096, 65536, 131072, 300000]))
    if kind < 2:
        at = random.randrange(len(expected) + 200000)
        os.pwrite(writer, data, at)
        put(at, data)
    elif kind == 2:
        os.write(appender, data)
        put(len(expected), data)
    elif kind == 3 and expected:
        size = random.randrange(len(expected) + 300000)
        os.ftruncate(writer, size)
        del expected[size:]
        put(size, b"")
    else:
        os.fsync(writer)
    if len(expected) > 12_000_000:
        os.ftruncate(writer, 70_001)
        del expected[70_001:]
    check()
for file in (writer, appender, reader):
    os.close(file)
assert open(P, "rb").read() == expected
`));
});

Deno.test("a long job can be refused by its last line, and is then as it was", async () => {
  await using filed = await startPaused();
  await makeFiles(filed);
  await ok(filed.sh(`cp ${filed.place.path}/text $M/pending/x`));
  await fails(
    filed.sh(`cat ${filed.place.path}/longest ${filed.place.path}/data > $M/pending/x`),
    /File too large|Invalid/,
  );
  await refuses(
    "EINVAL",
    Deno.writeFile(
      `${filed.mount}/pending/x`,
      new Uint8Array(6 * MEBIBYTE).fill(97).with(6 * MEBIBYTE - 1, 0),
    ),
  );
  await ok(filed.sh(`cmp ${filed.place.path}/text $M/pending/x`));
  await ok(filed.sh(`{ cat ${filed.place.path}/text; printf 'a\\0b'; } > $M/pending/.y`));
  await refuses("EINVAL", mv(filed, ".y", "y"));
});

Deno.test("the room of long jobs that are removed leaves the state file", async () => {
  await using filed = await startPaused();
  await makeFiles(filed);
  for (const id of ["x", "y"]) await ok(filed.sh(`cp ${filed.place.path}/with-data $M/pending/${id}`));
  await ok(filed.sh("rm $M/pending/x; : > $M/pending/y"));
  await until("a small state file", async () => (await Deno.stat(filed.state)).size < 6_000_000);
});
