/** The Debian package, with this system's own tools. */
import assert from "node:assert/strict";
import { exists, ok, Place, run } from "../harness.ts";
import { FILED, hasProgram } from "./built.ts";

const TREE = new URL("../..", import.meta.url).pathname;
/** What would be lost if a package that somebody uses were purged. */
const STATE = "/var/lib/filed";

/** A package that is installed for a test. */
class Package implements AsyncDisposable {
  async [Symbol.asyncDispose]() {
    await ok(run(["dpkg", "--purge", "filed"]));
  }
}

async function isInUse(): Promise<boolean> {
  return await exists(STATE) || (await run(["dpkg", "-s", "filed"])).status === 0;
}

if (hasProgram("apt-get")) {
  const isSomebodys = await isInUse();
  Deno.test({
    name: "as root: the .deb is installed, upgraded, removed and purged by apt, and leaves nothing" +
      (isSomebodys ? " (not tried: filed is installed)" : ""),
    ignore: isSomebodys || FILED === "" || Deno.uid() !== 0,
    fn: async () => {
      await using place = await Place.make();
      const make = ["env", "-u", "MAKEFLAGS", "make", "-s", "-C", TREE, "-o", FILED];
      await ok(run([...make, "deb", `DEBDIR=${place.path}`]));
      const [deb = ""] = [...Deno.readDirSync(place.path)].map(({ name }) => `${place.path}/${name}`);
      assert.match(deb, /filed_\d+\.\d+\.\d+_\w+\.deb$/);
      assert.match(await ok(run(["dpkg-deb", "--field", deb, "Recommends"])), /^fuse3$/m);

      const options = [
        "-y",
        "--no-install-recommends",
        "-o",
        "DPkg::Lock::Timeout=60",
        "-o",
        "APT::Sandbox::User=root",
      ];
      const apt = (...args: string[]) =>
        ok(run(["apt-get", ...options, ...args], { DEBIAN_FRONTEND: "noninteractive" }));
      await using _package = new Package();
      await apt("install", deb);
      const files = (await ok(run(["dpkg", "-L", "filed"]))).trimEnd().split("\n");
      for (
        const file of [
          "/usr/bin/filed",
          "/usr/share/man/man1/filed.1.gz",
          "/usr/lib/systemd/system/filed@.service",
        ]
      ) {
        assert.ok(files.includes(file), file);
      }
      assert.match(await ok(run(["/usr/bin/filed", "--version"])), /^filed \d/);
      assert.equal(await ok(run(["dpkg", "--verify", "filed"])), "");

      await Deno.mkdir(STATE);
      await Deno.writeTextFile(`${STATE}/srv-jobs.db`, "the queue");
      await ok(run(["dpkg", "-i", deb])); // As an upgrade does.
      await apt("remove", "filed");
      assert.equal(await exists("/usr/bin/filed"), false);
      assert.equal(await Deno.readTextFile(`${STATE}/srv-jobs.db`), "the queue");
      await apt("purge", "filed");
      const left = await Promise.all(
        [STATE, "/var/cache/filed", "/usr/share/doc/filed", ...files.slice(1)].map(exists),
      );
      const folders = await Promise.all(files.slice(1).map((file) => Deno.stat(file).catch(() => undefined)));
      assert.deepEqual(left.slice(0, 3), [false, false, false]);
      assert.deepEqual(folders.filter((found) => found?.isFile), []);
      assert.notEqual((await run(["dpkg", "-s", "filed"])).status, 0);
    },
  });
}
