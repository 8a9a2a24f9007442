import assert from "node:assert/strict";
import { MountWatch } from "../../src/fuse/mod.ts";
import { runProgram, serve, temporaryDirectory } from "./harness.ts";
import { startServer } from "./server.ts";

Deno.test("a lazy unmount is noticed while a file is open, which the session does not hear of", async () => {
  await using served = await serve();
  const { mountpoint } = served.mount;
  await served.sh("echo x > file");
  const reader = new Deno.Command("tail", {
    args: ["-f", `${mountpoint}/file`],
    cwd: "/",
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  try {
    const output = reader.stdout.getReader();
    await output.read(); // it has the file open
    await using watch = new MountWatch(served.mount);
    await runProgram("umount", ["-l", mountpoint]);
    await watch.gone;
    assert.equal(await Promise.race([served.end, Promise.resolve("still served")]), "still served");
    await output.cancel();
  } finally {
    reader.kill("SIGKILL");
    await reader.status;
  }
  assert.equal(await served.end, "unmounted");
});

Deno.test("a watch of what is unmounted already says so, and one that is disposed of says nothing", async () => {
  await using served = await serve();
  const early = new MountWatch(served.mount);
  await early[Symbol.asyncDispose]();
  let isGone = false;
  early.gone.then(() => isGone = true);
  await runProgram("umount", [served.mount.mountpoint]);
  await using late = new MountWatch(served.mount);
  await late.gone;
  assert.equal(isGone, false);
});

Deno.test({
  name: "a watch looks again where no descriptor is left",
  ignore: Deno.uid() !== 0,
  async fn() {
    await using mountpoint = await temporaryDirectory();
    await using other = await temporaryDirectory();
    await using server = startServer(mountpoint.path, { args: ["owner", "watch"] });
    assert.equal(await server.nextLine(), "mounted");
    const script = `set -e
      limit=$(prlimit --pid $1 --nofile --output SOFT --noheadings --raw)
      prlimit --pid $1 --nofile=3:
      mount -t tmpfs none $2; sleep 0.2; umount $2; sleep 0.2
      prlimit --pid $1 --nofile=$limit:
      echo x > $3/file; umount -l $3`;
    const { path } = mountpoint;
    const { code, err } = await runProgram("sh", ["-c", script, "sh", `${server.pid}`, other.path, path]);
    assert.equal(code, 0, err);
    assert.deepEqual([await server.nextLine(), await server.nextLine()].sort(), ["gone", "unmounted"]);
  },
});
