/**
 * What any program reads of a pending command and of a log, however it reads. clients/reading_test.ts has
 * real programs.
 */
import assert from "node:assert/strict";
import { type Filed, ok, startFiled } from "../harness.ts";
import { assertHeld, open, read, resume, startPaused, stat, write } from "./expect.ts";

/** Longer than a page and than a READ of 128 KiB less one, with ends that tell a shift. */
const TEXT = "begin\n" + "0123456789abcde\n".repeat(8_000) + "end";

const READERS = {
  "cat": "cat $P",
  "cat of a redirection": "cat < $P",
  "cp": "cp $P $F && cat $F",
  "cp -p": "cp -p $P $F && cat $F",
  "dd in small pieces": "dd if=$P bs=1000 status=none",
  "dd past the page cache": "dd if=$P bs=4096 iflag=direct status=none",
  "head and tail": "head -c 1000 $P; tail -c +1001 $P",
  "tail from the end": "head -c -1000 $P; tail -c 1000 $P",
  "sed": "sed -n p $P",
  "grep": "grep -z '' $P | tr -d '\\0'",
  "tee": "tee < $P",
  "Python's read": `python3 -c 'print(open("'$P'").read(), end="")'`,
  "Python's copyfile (sendfile)": `python3 -c 'import shutil; shutil.copyfile("'$P'", "'$F'")' && cat $F`,
  "a private mapping": `python3 -c '
import mmap, os, sys
memory = mmap.mmap(os.open("'$P'", os.O_RDONLY), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
sys.stdout.buffer.write(memory[:])'`,
  "a shared mapping": `python3 -c '
import mmap, os, sys
memory = mmap.mmap(os.open("'$P'", os.O_RDONLY), 0, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ)
sys.stdout.buffer.write(memory[:])'`,
  "splice": `python3 -c '
import os
file, (out, into) = os.open("'$P'", os.O_RDONLY), os.pipe()
while os.splice(file, into, 4096): os.write(1, os.read(out, 4096))'`,
};

const DRAFT = { what: "a pending command", path: "pending/.x" };
const LOG = { what: "a log", path: "complete/x" };

for (const { what, path } of [DRAFT, LOG]) {
  Deno.test(`${what} reads the same by every program`, async () => {
    await using filed = await startFiled();
    if (path === DRAFT.path) await filed.submit(".x", TEXT);
    else await filed.finish("x", `cat ${await textFile(filed)}`);
    const expected = path === DRAFT.path ? TEXT : `>>> cat ${filed.place.path}/text\n${TEXT}`;
    for (const [reader, script] of Object.entries(READERS)) {
      const text = await ok(filed.sh(`P=$M/${path} F=${filed.place.path}/copy; rm -f $F; ${script}`));
      assert.equal(text === expected, true, `${reader}: ${text.length} of ${expected.length} characters`);
    }
  });

  Deno.test(`wc, stat, cmp and test -s agree about ${what}`, async () => {
    await using filed = await startFiled();
    if (path === DRAFT.path) await filed.submit(".x", TEXT);
    else await filed.finish("x", `cat ${await textFile(filed)}`);
    const script = `P=$M/${path}; test -s $P; cmp $P $P; wc -c < $P; stat -c %s $P; cat $P | wc -c`;
    const sizes = new Set((await ok(filed.sh(script))).trim().split("\n"));
    assert.equal(sizes.size, 1, [...sizes].join(" "));
  });
}

async function textFile(filed: Filed & { place: { path: string } }): Promise<string> {
  await Deno.writeTextFile(`${filed.place.path}/text`, TEXT);
  return `${filed.place.path}/text`;
}

Deno.test("a read past the end of a pending command is empty", async () => {
  await using filed = await startPaused();
  await filed.submit("x", "true");
  await ok(filed.python(`
file = os.open(M + "/pending/x", os.O_RDONLY)
assert os.pread(file, 10, 2) == b"ue"
assert os.pread(file, 10, 4) == b""
assert os.pread(file, 10, 1 << 40) == b""
assert os.lseek(file, 0, os.SEEK_END) == 4
`));
});

Deno.test("what is written to a pending command is there to read at once, by all", async () => {
  await using filed = await startPaused();
  using writer = await open(filed, "pending/x", { create: true, write: true });
  using reader = await open(filed, "pending/x", { read: true });
  const bytes = new Uint8Array(100);
  for (const piece of ["echo a", "; echo b", "; echo c"]) {
    write(writer, piece);
    const length = await reader.read(bytes) ?? 0;
    assert.equal(new TextDecoder().decode(bytes.subarray(0, length)), piece);
  }
  assert.equal(await read(filed, "pending/x"), "echo a; echo b; echo c");
  assert.equal((await stat(filed, "pending/x")).size, 22);
});

Deno.test("a handle that reads and writes sees its own text", async () => {
  await using filed = await startPaused();
  await ok(filed.python(`
with open(M + "/pending/x", "w+") as file:
    file.write("echo a")
    file.seek(0)
    assert file.read() == "echo a"
    file.seek(5)
    file.write("b")
    file.seek(0)
    assert file.read() == "echo b"
`));
});

Deno.test("a pending job can be copied to another, and a log to a draft", async () => {
  await using filed = await startPaused();
  await filed.submit("x", "echo $FILED_JOB_ID");
  await ok(filed.sh("cp $M/pending/x $M/pending/y"));
  await resume(filed);
  assert.equal(await filed.finished("y"), ">>> echo $FILED_JOB_ID\ny\n");
  await filed.finished("x");
  await ok(filed.sh("cp $M/complete/x $M/pending/.log"));
  assert.equal(await read(filed, "pending/.log"), ">>> echo $FILED_JOB_ID\nx\n");
  await assertHeld(filed, ".log");
});

Deno.test("a command of any bytes but NUL reads back as written", async () => {
  await using filed = await startPaused();
  const bytes = Uint8Array.from({ length: 1_020 }, (_, index) => 1 + index % 255);
  await Deno.writeFile(`${filed.mount}/pending/x`, bytes);
  assert.deepEqual(await Deno.readFile(`${filed.mount}/pending/x`), bytes);
});
