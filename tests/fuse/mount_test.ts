import assert from "node:assert/strict";
import { clearStale, mount, readMountInfo } from "../../src/fuse/mod.ts";
import { assertRefused, OPTIONS, runProgram, serve, temporaryDirectory, TYPE } from "./harness.ts";
import { startServer } from "./server.ts";

function mountsAt(path: string): number {
  return readMountInfo().filter(({ mountpoint }) => mountpoint === path).length;
}

Deno.test("a mount has the type, source and flags that were asked for", async () => {
  await using served = await serve();
  const { out } = await runProgram("findmnt", ["-no", "FSTYPE,SOURCE,OPTIONS", served.mount.mountpoint]);
  assert.match(
    out,
    /^fuse\.memory memory\s+rw,nosuid,nodev,relatime,user_id=0,group_id=0,default_permissions\n$/,
  );
});

for (const odd of ["a b", "back\\slash", "tâche", "-o"]) {
  Deno.test(`a mount point named ${odd} works`, async () => {
    await using directory = await temporaryDirectory();
    const path = `${directory.path}/${odd}`;
    await Deno.mkdir(path);
    await using mounted = await mount(path, OPTIONS);
    assert.equal(mounted.mountpoint, path);
    await mounted.unmount("lazy");
    assert.equal(mountsAt(path), 0);
  });
}

Deno.test("a mount point that is a symlink is resolved", async () => {
  await using directory = await temporaryDirectory();
  await Deno.mkdir(`${directory.path}/real`);
  await Deno.symlink("real", `${directory.path}/link`);
  await using mounted = await mount(`${directory.path}/link`, OPTIONS);
  assert.equal(mounted.mountpoint, `${directory.path}/real`);
});

Deno.test("a mount point that does not exist, or is no directory, is refused", async () => {
  await using directory = await temporaryDirectory();
  await Deno.writeTextFile(`${directory.path}/file`, "");
  await assertRefused(mount(`${directory.path}/missing`, OPTIONS), "bad-mountpoint", /missing/);
  await assertRefused(mount(`${directory.path}/file`, OPTIONS), "bad-mountpoint", /file/);
});

Deno.test("unmount() leaves alone a mount that covers ours", async () => {
  await using served = await serve();
  await using _above = await mount(served.mount.mountpoint, { ...OPTIONS, subtype: "above" });
  await assertRefused(served.mount.unmount("lazy"), "busy", /covers/);
});

Deno.test("root without CAP_SYS_ADMIN is told what it needs", async () => {
  await using directory = await temporaryDirectory();
  const less = ["setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin"];
  await using server = startServer(directory.path, { prefix: less });
  assert.match(await server.nextLine() ?? "", /^no-permission: .*--cap-add SYS_ADMIN/);
});

Deno.test("a system without /dev/fuse is told what it needs", async () => {
  await using directory = await temporaryDirectory();
  const script = 'mount -t tmpfs none /dev && mknod /dev/null c 1 3 && mknod /dev/urandom c 1 9 && exec "$@"';
  await using server = startServer(directory.path, { prefix: ["unshare", "-m", "sh", "-c", script, "sh"] });
  assert.match(
    await server.nextLine() ?? "",
    /^no-device: No \/dev\/fuse: modprobe fuse, or .*--device \/dev\/fuse$/,
  );
});

Deno.test("what a killed server left is cleared", async () => {
  await using directory = await temporaryDirectory();
  {
    await using server = startServer(directory.path);
    assert.equal(await server.nextLine(), "mounted");
  }
  assert.match((await runProgram("ls", [directory.path])).err, /not connected/);
  await clearStale(directory.path, TYPE);
  assert.equal(mountsAt(directory.path), 0);
});

Deno.test("what two killed servers left, one above the other, is cleared", async () => {
  await using directory = await temporaryDirectory();
  await Deno.symlink(directory.path, `${directory.path}.link`);
  try {
    {
      await using below = startServer(directory.path, { args: ["owner", "stack"] });
      assert.equal(await below.nextLine(), "mounted");
      await using above = startServer(directory.path, { args: ["owner", "stack"] });
      assert.equal(await above.nextLine(), "mounted");
    }
    assert.equal(mountsAt(directory.path), 2);
    await clearStale(`${directory.path}.link`, TYPE);
    assert.equal(mountsAt(directory.path), 0);
  } finally {
    await Deno.remove(`${directory.path}.link`);
  }
});

Deno.test("clearStale() refuses a mount in use", async () => {
  await using served = await serve();
  await assertRefused(clearStale(served.mount.mountpoint, TYPE), "in-use", /in use by a running server/);
  assert.equal(await served.sh("echo x > a; cat a"), "x\n");
});

Deno.test("clearStale() refuses a server that does not answer, and names its abort file", async () => {
  await using directory = await temporaryDirectory();
  await using mounted = await mount(directory.path, OPTIONS);
  const abort = new RegExp(`/sys/fs/fuse/connections/${mounted.connection}/abort`);
  await assertRefused(clearStale(directory.path, TYPE), "hung", abort);
});

Deno.test("clearStale() leaves other mounts, and paths that do not exist", async () => {
  await using directory = await temporaryDirectory();
  assert.equal((await runProgram("mount", ["-t", "tmpfs", "none", directory.path])).code, 0);
  await clearStale(directory.path, TYPE);
  assert.equal(mountsAt(directory.path), 1);
  await clearStale(`${directory.path}/missing/too`, TYPE);
  await assertRefused(clearStale("/etc/passwd/x", TYPE), "bad-mountpoint", /passwd/);
});
