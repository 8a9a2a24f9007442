/** What is in the directory that filed mounts on. */
import assert from "node:assert/strict";
import { ErrnoError, mount, ROOT_NODE, S_IFDIR, Session } from "../../src/fuse/mod.ts";
import { Filed, Place, rootTest } from "../harness.ts";
import { Program } from "../program.ts";

const HIDES = "the mount hides files that were written while filed was down, and that do not run: " +
  "stop filed, move them away, start it, and submit them again";

Deno.test("jobs that were written below the mount point while filed was down are named in a warning, and stay", async () => {
  await using place = await Place.make();
  const pending = `${place.path}/mnt/pending`;
  await Deno.mkdir(pending, { recursive: true });
  for (const id of ["one", "two"]) await Deno.writeTextFile(`${pending}/${id}`, "true");
  await Deno.writeTextFile(`${place.path}/mnt/config.json`, "{}");
  await using filed = await Filed.start(place);
  const line = await filed.event(HIDES, { files: 3 });
  assert.equal(line.level, "WARN");
  assert.deepEqual(line.properties.directories, [`${place.path}/mnt`, pending]);
  assert.deepEqual(await filed.list("pending"), []);
  await filed.stop();
  assert.equal(await Deno.readTextFile(`${pending}/one`), "true");
});

Deno.test("a mount point without files is nothing to warn of", async () => {
  await using place = await Place.make();
  await Deno.mkdir(`${place.path}/mnt/pending`, { recursive: true });
  await using filed = await Filed.start(place);
  assert.deepEqual(filed.log.filter(({ level }) => level !== "INFO"), []);
});

const OPTIONS = { fsname: "memory", subtype: "memory", admit: "owner" } as const;
const DIRECTORY = {
  ino: ROOT_NODE,
  mode: S_IFDIR | 0o755,
  nlink: 2,
  sizeBytes: 0,
  uid: 0,
  gid: 0,
  atimeMs: 0,
  mtimeMs: 0,
  ctimeMs: 0,
  blockSizeBytes: 4_096,
};

rootTest("a directory that never lists what is in it is refused as a mount point, in time", async () => {
  await using place = await Place.make();
  const listed = Promise.withResolvers<void>();
  await Deno.mkdir(`${place.path}/mnt`);
  await using mounted = await mount(`${place.path}/mnt`, OPTIONS);
  await using session = new Session(mounted.fd, {
    lookup: () => {
      throw new ErrnoError("ENOENT");
    },
    getattr: () => ({ attributes: DIRECTORY, attributesValidMs: 60_000 }),
    readdir: () => listed.promise,
  }, { onError: (error) => assert.fail(String(error)) });
  const served = session.run();
  await using program = Program.start(["--state", `${place.path}/filed.db`, `${place.path}/mnt`]);
  assert.equal(await program.ended(), 1);
  assert.match(
    program.stderr,
    /^filed: Cannot mount on \S+\/mnt: it does not answer; name a directory, [^\n]+\n$/,
  );
  listed.resolve(); // Whoever still waits for it would keep the mount.
  await mounted.unmount("lazy");
  await served;
});

rootTest("a mount point on a file system that does not answer is refused in time", async () => {
  await using place = await Place.make();
  await Deno.mkdir(`${place.path}/hung`);
  await using _hung = await mount(`${place.path}/hung`, OPTIONS); // Nobody serves it.
  await using program = Program.start(["--state", `${place.path}/filed.db`, `${place.path}/hung/mnt`]);
  assert.equal(await program.ended(), 1);
  assert.match(
    program.stderr,
    /^filed: Cannot mount on \S+\/hung\/mnt: it does not answer; name a directory, [^\n]+\n$/,
  );
});

rootTest("links in the mount point to a file system that does not answer are not followed", async () => {
  await using place = await Place.make();
  await Deno.mkdir(`${place.path}/hung`);
  await using _hung = await mount(`${place.path}/hung`, OPTIONS); // Nobody serves it.
  await Deno.mkdir(`${place.path}/mnt`);
  for (const name of ["job", "pending"]) {
    await Deno.symlink(`${place.path}/hung`, `${place.path}/mnt/${name}`);
  }
  await using filed = await Filed.start(place);
  await filed.event(HIDES, { files: 2 });
});

rootTest("a state file on a file system that does not answer is refused in time", async () => {
  await using place = await Place.make();
  await Deno.mkdir(`${place.path}/hung`);
  await using _hung = await mount(`${place.path}/hung`, OPTIONS); // Nobody serves it.
  await using program = Program.start(["--state", `${place.path}/hung/filed.db`, `${place.path}/mnt`]);
  assert.equal(await program.ended(), 1);
  assert.match(
    program.stderr,
    /^filed: Cannot open the state file \S+: it does not answer; name another [^\n]+\n$/,
  );
});

rootTest("a state file whose directory can't be made, as nobody answers, is refused in time", async () => {
  await using place = await Place.make();
  await Deno.mkdir(`${place.path}/hung`);
  await using mounted = await mount(`${place.path}/hung`, OPTIONS);
  const unanswered = Promise.withResolvers<never>();
  await using session = new Session(mounted.fd, {
    getattr: () => ({ attributes: DIRECTORY, attributesValidMs: 60_000 }),
    lookup: () => {
      throw new ErrnoError("ENOENT");
    },
    mkdir: () => unanswered.promise,
  }, { onError: (error) => assert.fail(String(error)) });
  const served = session.run();
  await using program = Program.start([`${place.path}/mnt`], { XDG_DATA_HOME: `${place.path}/hung/share` });
  await program.says(/^filed: Cannot open the state file \S+: it does not answer; name another [^\n]+\n$/);
  unanswered.reject(new ErrnoError("EIO")); // Who waits in the kernel can't end.
  assert.equal(await program.ended(), 1);
  await mounted.unmount("lazy");
  await served;
});
