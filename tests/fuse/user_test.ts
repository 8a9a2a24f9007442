import assert from "node:assert/strict";
import { clearStale } from "../../src/fuse/mod.ts";
import { assertRefused, runProgram, TYPE } from "./harness.ts";
import { makeUser, startServer } from "./server.ts";

Deno.test("an ordinary user mounts, uses and unmounts", async () => {
  await using user = await makeUser();
  await using server = startServer(user.mountpoint, user.server);
  assert.equal(await server.nextLine(), "mounted");
  const { out } = await user.run(
    `cd ${user.mountpoint} && echo hello > a && mv a b && cat b && stat -c %U b`,
  );
  assert.equal(out, `hello\n${user.name}\n`);
  assert.match((await runProgram("ls", [user.mountpoint])).err, /Permission denied/, "root is kept out");
  await assertRefused(clearStale(user.mountpoint, TYPE), "foreign", /another user/);
  server.kill("SIGTERM");
  assert.equal(await server.nextLine(), "unmounted");
});

Deno.test("an ordinary user's stale mount is cleared by that user", async () => {
  await using user = await makeUser();
  {
    await using server = startServer(user.mountpoint, user.server);
    assert.equal(await server.nextLine(), "mounted");
  }
  assert.match((await user.run(`ls ${user.mountpoint}`)).err, /not connected/);
  await using server = startServer(user.mountpoint, user.server);
  assert.equal(await server.nextLine(), "mounted");
  assert.equal((await user.run(`fusermount3 -u ${user.mountpoint}`)).code, 0);
  assert.equal(await server.nextLine(), "unmounted");
});

Deno.test("an ordinary user is told what is missing", async () => {
  await using user = await makeUser();
  const said = async (admit: "owner" | "everyone", path?: string) => {
    const prefix = [...user.server.prefix ?? [], ...(path ? ["env", `PATH=${path}`] : [])];
    await using server = startServer(user.mountpoint, { ...user.server, prefix, args: [admit] });
    return await server.nextLine() ?? "";
  };
  assert.match(await said("owner", "/nowhere"), /^no-fusermount: .*install the package fuse3/);
  const allowed = /^user_allow_other$/m.test(await Deno.readTextFile("/etc/fuse.conf").catch(() => ""));
  // Not where this system's administrator lets users do it.
  if (!allowed) {
    assert.match(await said("everyone"), /^no-allow-other: .*echo user_allow_other >> \/etc\/fuse\.conf$/);
  }
  const { uid, gid } = await Deno.stat(user.mountpoint);
  await Deno.chown(user.mountpoint, 0, 0);
  assert.match(
    await said("owner"),
    /^bad-mountpoint: .*; name a directory of your own, or have this one removed$/,
  );
  await Deno.chown(user.mountpoint, uid, gid);
  await Deno.chmod(user.device, 0o600);
  assert.match(await said("owner"), /^no-permission: .*chmod 666 \/dev\/fuse/);
});
