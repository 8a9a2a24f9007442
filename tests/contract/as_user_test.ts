/** The whole contract once more, for somebody who is not root: root makes such a user, who then runs these tests. */
import assert from "node:assert/strict";
import { ok, Place, rootTest, run } from "../harness.ts";
import { User } from "../users.ts";

/** The contract, and the programs that do more than read and write files. */
const TESTS = ["tests/contract/", "tests/clients/locks_test.ts", "tests/clients/remote_test.ts"];
const TREE = new URL("../..", import.meta.url).pathname;

// Run by a user, this test is left out: that run is what it is for.
rootTest("the contract holds for an ordinary user, who mounts through fusermount3", async () => {
  await using place = await Place.make();
  const home = place.path;
  await using user = await User.at(home);
  await copyInto(home);
  const built = Deno.env.get("FILED");
  if (built) await ok(run(["cp", "--", built, `${home}/filed`]));
  await ok(run(["chown", "-R", user.name, home]));
  const env = {
    DENO_DIR: `${home}/cache`,
    DENO_NO_UPDATE_CHECK: "1",
    NO_COLOR: "1",
    ...built ? { FILED: `${home}/filed` } : {},
    TMPDIR: `${home}/tmp`, // What is left mounted there goes with the place.
  };
  const login = ["setpriv", "--reuid", user.name, "--regid", user.name, "--init-groups", "--reset-env"];
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const command = ["./deno", "test", "-A", "--no-check", ...TESTS];
  const args = ["--mount", "sh", "-c", WITH_FUSE, "sh", ...login, "env", ...variables, ...command];
  const tests = new Deno.Command("unshare", { args, cwd: home, stdin: "null" });
  const { code, stdout, stderr } = await tests.output(); // It takes minutes: no limit.
  assert.equal(code, 0, new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr));
});

/**
 * Runs a program where everybody may open /dev/fuse, as on most machines (not on those without udev). This, and what
 * the program mounts, is seen there only.
 */
const WITH_FUSE = `
set -e
mount -t tmpfs tmpfs dev
mknod -m 666 dev/fuse c 10 229
mount --bind dev/fuse /dev/fuse
exec "$@"`;

/** Copies what the tests need, and nothing that may lie in folders that the user can't read. */
async function copyInto(home: string): Promise<void> {
  const { denoDir } = JSON.parse(await ok(run([Deno.execPath(), "info", "--json"])));
  await ok(
    run([
      "cp",
      "-R",
      "--",
      ...["main.ts", "Makefile", "deno.json", "deno.lock", "src", "tests", "docs"].map((name) => TREE + name),
      home,
    ]),
  );
  await ok(run(["cp", "--", Deno.execPath(), `${home}/deno`]));
  await ok(run(["mkdir", "--", ...["cache", "dev", "tmp"].map((name) => `${home}/${name}`)]));
  await ok(run(["cp", "-R", "--", `${denoDir}/npm`, `${home}/cache/npm`]));
}
