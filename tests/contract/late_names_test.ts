/** Files whose last name comes when their job has started: what write-file-atomic and the like do. */
import assert from "node:assert/strict";
import { type Filed, ok, rootTest, startFiled } from "../harness.ts";
import { assertStarted, Gate, read } from "./expect.ts";

/**
 * Writes a job as such programs do, waits until it has come as far as `gate`, and renames it.
 * @returns What that came to.
 */
const writeAtomically = (filed: Filed, gate: Gate, { from = "x.1310408140", to = "x", end = "" } = {}) =>
  filed.python(`
import errno
path = M + "/pending/"
file = os.open(path + "${from}", os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o666)
os.write(file, b"""echo $FILED_ATTEMPT; ${end ? "" : gate.waiting}""")
os.fsync(file)
os.close(file)
${end ? `while not os.path.exists(M + "/${end}/${from}"): pass` : `open("${gate.reached}").read()`}
try:
    os.rename(path + "${from}", path + "${to}")
    print("renamed")
except OSError as error:
    print(errno.errorcode[error.errno])
`);

Deno.test("a job that runs under its temporary name gets its last one, and runs once", async () => {
  await using filed = await startFiled();
  using gate = await Gate.make(filed.place);
  assert.equal(await ok(writeAtomically(filed, gate)), "renamed\n");
  assert.deepEqual([await filed.list("pending"), await filed.list("active")], [[], ["x"]]);
  gate.open();
  assert.match(await filed.finished("x"), /^>>> echo [^\n]*\n1\n$/);
  await assertStarted(filed, "x.1310408140");
  assert.deepEqual((await filed.list("complete")).filter((id) => id.startsWith("x")), ["x"]);
});

Deno.test("a job that has ended under its temporary name gets its last one", async () => {
  await using filed = await startFiled();
  using gate = await Gate.make(filed.place);
  assert.equal(await ok(writeAtomically(filed, gate, { end: "complete" })), "renamed\n");
  assert.deepEqual(await filed.list("complete"), ["x"]);
  await assertStarted(filed, "x.1310408140");
});

Deno.test("the last name of another job that waits is taken over, and that one is gone", async () => {
  await using filed = await startFiled();
  using gate = await Gate.make(filed.place);
  await ok(filed.sh("cd $M/pending; echo 'echo old' > .x; touch -d '+1 hour' .x; mv .x x"));
  assert.equal(await ok(writeAtomically(filed, gate, { from: "x.4711" })), "renamed\n");
  assert.deepEqual([await filed.list("pending"), await filed.list("active")], [[], ["x"]]);
  gate.open();
  await filed.finished("x");
});

Deno.test("who lists pending/ meanwhile does not keep a job from getting its last name", async () => {
  await using filed = await startFiled();
  await ok(filed.python(`
path = M + "/pending/"
file = os.open(path + "x.4711", os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o666)
os.write(file, b"echo new")
os.system("ls -l " + path)
os.close(file)
while not os.path.exists(M + "/complete/x.4711"): pass
os.rename(path + "x.4711", path + "x")`));
  assert.equal(await read(filed, "complete/x"), ">>> echo new\nnew\n");
});

Deno.test("the last name of a job that has ended, or runs, is not taken over", async () => {
  await using filed = await startFiled();
  using gate = await Gate.make(filed.place);
  using other = await Gate.make(filed.place, "other");
  await filed.finish("x", "echo old");
  assert.equal(await ok(writeAtomically(filed, gate)), "EEXIST\n");
  assert.equal(await read(filed, "complete/x"), ">>> echo old\nold\n");
  gate.open();
  await filed.finished("x.1310408140");
  await filed.submit("y", other.waiting);
  await other.closedOn();
  assert.equal(await ok(writeAtomically(filed, gate, { from: "y.1", to: "y" })), "EEXIST\n");
  assert.deepEqual(await filed.list("active"), ["y", "y.1"]);
  for (const one of [gate, other]) one.open();
  for (const id of ["y", "y.1"]) await filed.finished(id);
});

Deno.test("a job that has started can't become a draft", async () => {
  await using filed = await startFiled();
  using gate = await Gate.make(filed.place);
  assert.equal(await ok(writeAtomically(filed, gate, { to: "x~" })), "ENOENT\n");
  gate.open();
  await filed.finished("x.1310408140");
});

rootTest("nobody else renames in pending/ what has left it", async () => {
  await using filed = await startFiled();
  using gate = await Gate.make(filed.place);
  await Deno.chmod(filed.place.path, 0o711);
  await ok(filed.sh("chmod 777 $M/pending"));
  await filed.submit("x", gate.waiting);
  await gate.closedOn();
  const { status } = await filed.sh("mv -T $M/pending/x $M/pending/y", { user: "bin" });
  assert.notEqual(status, 0);
  assert.deepEqual(await filed.list("active"), ["x"]);
  gate.open();
  await filed.finished("x");
});

for (const name of [".fuse_hidden0000000300000001", ".nfs00000000000000130000000a"]) {
  Deno.test(`a rename in active/ to ${name.replace(/0.*/, "…")} ends the job`, async () => {
    await using filed = await startFiled();
    using gate = await Gate.make(filed.place);
    await filed.submit("x", gate.waiting);
    await gate.closedOn();
    await Deno.rename(`${filed.mount}/active/x`, `${filed.mount}/active/${name}`);
    await filed.event("attempt ended", { job: "x", state: "taken away" });
    for (const state of ["pending", "active", "complete", "failed"]) {
      assert.deepEqual(await filed.list(state), []);
    }
  });
}
