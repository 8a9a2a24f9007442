/** What can never run: refused as soon as it is known, in whatever way it comes. */
import assert from "node:assert/strict";
import { fails, Filed, ok, Place, rootTest, startFiled } from "../harness.ts";
import { assertHeld, assertStarted, mv, open, read, refuses, startPaused, write } from "./expect.ts";

const INVALID = /Invalid argument|I\/O error/;

/** Each reason that a refusal was logged for, in that order. */
function reasons(filed: Filed, job = "x"): unknown[] {
  const lines = filed.log.filter(({ message, properties }) =>
    message === "content refused" && properties.job === job
  );
  return lines.map(({ properties }) => properties.reason);
}

const CONTENTS: Record<string, [script: string, reason: RegExp]> = {
  "a NUL byte": ["printf 'echo a\\0b\\n'", /^it has a NUL byte \(byte 7\)/],
  "a byte order mark": ["printf '\\357\\273\\277echo a\\n'", /^it begins with a byte order mark/],
  "UTF-16": ["printf '\\377\\376e\\0c\\0h\\0o\\0'", /^it (begins with a byte order mark|has a NUL byte)/],
  "the line ends of Windows": ["printf 'echo a\\r\\necho b\\r\\n'", /^it has a carriage return/],
  "a #! line that ends in a carriage return": [
    "printf '#!/bin/sh\\r\\necho a\\n'",
    /^it has a carriage return/,
  ],
};
for (const [what, [script, reason]] of Object.entries(CONTENTS)) {
  Deno.test(`${what} is refused at the write, nothing is left of it, and one line says why`, async () => {
    await using filed = await startFiled();
    const content = `${filed.place.path}/content`;
    await ok(filed.sh(`${script} > ${content}`));
    await fails(filed.sh(`cat ${content} > $M/pending/x`), INVALID);
    await assertStarted(filed);
    assert.deepEqual(await filed.list("pending"), []);
    assert.equal(reasons(filed).length, 1);
    assert.match(String(reasons(filed)[0]), reason);
    await fails(filed.sh(`dd if=${content} of=$M/pending/x bs=1 status=none`), INVALID);
    await fails(filed.sh(`cp ${content} $M/pending/x`), INVALID);
    assert.deepEqual(await filed.list("pending"), []);
  });

  Deno.test(`${what} in a draft is refused at the rename that submits it, and the draft stays`, async () => {
    await using filed = await startFiled();
    await ok(filed.sh(`${script} > $M/pending/.x`));
    await refuses("EINVAL", mv(filed, ".x", "x"));
    await mv(filed, ".x", "x~");
    await refuses("EINVAL", mv(filed, "x~", "x"));
    await assertHeld(filed, "x~");
    assert.match(String(reasons(filed, "x~")[0]), reason);
    await filed.submit("x~", "echo mended");
    await mv(filed, "x~", "x");
    assert.equal(await filed.finished("x"), ">>> echo mended\nmended\n");
  });
}

Deno.test("a draft written before a restart is looked at, too", async () => {
  await using place = await Place.make();
  await using first = await Filed.start(place);
  await ok(first.sh("printf 'echo \\0a' > $M/pending/.x; printf 'echo a' > $M/pending/.y"));
  await first.stop();
  await using filed = await Filed.start(place);
  await refuses("EINVAL", mv(filed, ".x", "x"));
  await mv(filed, ".y", "y");
  await filed.finished("y");
});

Deno.test("after a refusal every write on the handle fails, and the waiting job stays as it was", async () => {
  await using filed = await startPaused();
  await filed.submit("x", "echo old");
  const said = await ok(filed.python(`
import errno
file = os.open(M + "/pending/x", os.O_WRONLY | os.O_TRUNC)
os.close(os.dup(file)) # as a shell does: it is stored as empty
def tell(call):
    try:
        call()
        print("done")
    except OSError as error:
        print(errno.errorcode[error.errno])
tell(lambda: os.write(file, b"echo new"))
tell(lambda: os.write(file, b"\\0b"))
tell(lambda: os.write(file, b"; echo more"))
tell(lambda: os.close(file))
`));
  assert.equal(said, "done\nEINVAL\nEINVAL\nEINVAL\n");
  assert.equal(await read(filed, "pending/x"), "echo old");
  assert.equal(reasons(filed).length, 1);
  await filed.configure({ max_job_count: 1 });
  assert.equal(await filed.finished("x"), ">>> echo old\nold\n");
});

Deno.test("a job that a first close has made stays as that left it when a second writer is refused", async () => {
  await using filed = await startPaused();
  const first = await open(filed, "pending/x", { create: true, write: true });
  const second = await open(filed, "pending/x", { append: true });
  write(first, "echo whole");
  first.close();
  await refuses("EINVAL", second.write(Uint8Array.of(97, 0, 98)));
  await fails(filed.sh("printf 'a\\0b' >> $M/pending/x"), INVALID);
  second.close();
  await filed.configure({ max_job_count: 1 });
  assert.equal(await filed.finished("x"), ">>> echo whole\nwhole\n");
});

const LEGITIMATE: Record<string, string> = {
  "makes room by its size":
    "os.ftruncate(file, 10); os.pwrite(file, b'cho a', 1); os.pwrite(file, b'e', 0); os.ftruncate(file, 6)",
  "makes room by NUL bytes": "os.pwrite(file, bytes(6), 0); os.pwrite(file, b'echo a', 0)",
  "makes room as posix_fallocate(3) does": "os.posix_fallocate(file, 0, 6); os.pwrite(file, b'echo a', 0)",
  "writes its end first": "os.pwrite(file, b'\\necho b\\r\\n#', 6); os.pwrite(file, b'echo a', 0)",
  "writes to a mapping": `
import mmap
os.ftruncate(file, 6)
with mmap.mmap(file, 6) as shared:
    shared[5:6] = b'a'
    shared.flush()
    shared[0:5] = b'echo '`,
  "writes a carriage return at the end of a piece": "os.write(file, b'echo a\\r'); os.write(file, b' #\\n')",
};
for (const [what, script] of Object.entries(LEGITIMATE)) {
  Deno.test(`who ${what}, and fills it before the last close, submits`, async () => {
    await using filed = await startFiled();
    await ok(filed.python(`
file = os.open(M + "/pending/x", os.O_CREAT | os.O_RDWR | os.O_TRUNC, 0o644)
${script}
os.close(file)
`));
    assert.match(await filed.finished("x"), /\na\r?\n/);
  });
}

Deno.test("room that is never filled is refused at the close", async () => {
  await using filed = await startFiled();
  await fails(
    filed.python(`
file = os.open(M + "/pending/x", os.O_CREAT | os.O_WRONLY)
os.ftruncate(file, 10)
os.close(file)
`),
    INVALID,
  );
  await assertStarted(filed);
  assert.deepEqual(await filed.list("pending"), []);
});

Deno.test("what was written in pieces with a NUL byte is refused at the close, also where it could be mapped", async () => {
  await using filed = await startFiled();
  for (const pieces of ["b'echo a', b'\\0', b'b'", "b'\\0', b'echo a'"]) {
    await fails(
      filed.python(`
file = os.open(M + "/pending/x", os.O_CREAT | os.O_RDWR)
for piece in (${pieces}): os.write(file, piece)
os.close(file)
`),
      INVALID,
    );
  }
  await assertStarted(filed);
  assert.deepEqual(await filed.list("pending"), []);
});

Deno.test("a job that is only made longer is refused that, by name and by a handle, and stays as it was", async () => {
  await using filed = await startPaused();
  await filed.submit("x", "echo old");
  await fails(filed.python('os.truncate(M + "/pending/x", 20)'), INVALID);
  await fails(filed.sh("truncate -s 20 $M/pending/x"), INVALID);
  assert.equal(await read(filed, "pending/x"), "echo old");
});

rootTest("what goes back to what another wrote is still what that other wrote", async () => {
  await using filed = await startPaused();
  await Deno.chmod(filed.place.path, 0o711);
  await ok(filed.sh("chmod 777 $M/pending"));
  await ok(filed.sh("umask 0; echo true > $M/pending/x", { user: "daemon" }));
  await ok(filed.sh("echo 'id -un' > $M/pending/x", { user: "bin" }));
  await fails(filed.sh("printf 'a\\0b' > $M/pending/x", { user: "daemon" }), INVALID);
  assert.equal(await read(filed, "pending/x"), "id -un\n");
  await filed.configure({ max_job_count: 1, max_attempts: 1 });
  assert.match(await filed.finished("x"), /not started: user 2 wrote to it/);
});
