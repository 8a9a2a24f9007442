/** Temporary files without a dot: the mark of mkstemp(3), and the second in which they may be renamed. */
import assert from "node:assert/strict";
import { type Filed, ok, startFiled } from "../harness.ts";
import { assertHeld, assertStarted, mv, open, write } from "./expect.ts";

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

const AT_ONCE = {
  "another-mode": { ...MKSTEMP, mode: "0o644" },
  "another-mode-that-the-umask-makes-0600": { ...MKSTEMP, mode: "0o666", umask: "0o177" },
  "only-to-write": { ...MKSTEMP, flags: "os.O_EXCL | os.O_WRONLY" },
  "not-exclusive": { ...MKSTEMP, flags: "os.O_RDWR" },
};

Deno.test("what lacks a part of that mark starts at once, before what was closed earlier and has it", async () => {
  await using filed = await startFiled();
  await make(filed, { tmp1234: MKSTEMP, tmp5678: { ...MKSTEMP, umask: "0o277" }, ...AT_ONCE });
  assert.deepEqual(await startedAll(filed, 6), [...Object.keys(AT_ONCE), "tmp1234", "tmp5678"]);
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
