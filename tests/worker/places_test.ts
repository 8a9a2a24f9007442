/** Where the files are that scripts and programs are executed from; what they do is in worker/content_test.ts. */
import assert from "node:assert/strict";
import { exists, ok, Place, rootTest, run, until } from "../harness.ts";
import { HungMount } from "../hung_mount.ts";
import { User } from "../users.ts";
import { Workshop } from "./workshop.ts";

const SAY = '#!/bin/sh\necho "$0"\n';

/** The folder that a script says it is in, but for our own part of it. */
async function placeOf(workshop: Workshop, rest: Parameters<Workshop["start"]>[1] = {}): Promise<string> {
  const job = workshop.start(SAY, rest);
  assert.deepEqual(await job.exit(), { kind: "exited", status: 0 });
  return job.text.trim().replace(/\/filed-exec-.*/, "");
}

/** A folder with a file system of its own on it. */
async function mounted(place: Place, name: string, options: string): Promise<string> {
  const path = `${place.path}/${name}`;
  await Deno.mkdir(path);
  await ok(run(["mount", "-t", "tmpfs", "-o", `mode=755,${options}`, "none", path]));
  return path;
}

Deno.test("the first directory counts, by its name without links", async () => {
  await using place = await Place.make();
  await Deno.mkdir(`${place.path}/real`);
  await Deno.symlink("real", `${place.path}/link`);
  await using workshop = new Workshop({ execDirectories: [`${place.path}/link`, "/tmp"] });
  assert.equal(await placeOf(workshop), `${place.path}/real`);
});

Deno.test("nothing is made before the first script, and nothing stays", async () => {
  await using place = await Place.make();
  const list = () => [...Deno.readDirSync(place.path)].length;
  {
    await using workshop = new Workshop({ execDirectories: [place.path] });
    assert.deepEqual(await workshop.start("echo x").exit(), { kind: "exited", status: 0 });
    assert.equal(list(), 0);
    await placeOf(workshop);
    assert.equal(list(), 1);
  }
  assert.equal(list(), 0);
});

const UNFIT: [name: string, make: (place: Place) => Promise<string>][] = [
  ["is not there", ({ path }) => Promise.resolve(`${path}/none`)],
  ["is a file", async ({ path }) => {
    await Deno.writeTextFile(`${path}/file`, "");
    return `${path}/file`;
  }],
  ["others may write", async ({ path }) => {
    await Deno.mkdir(`${path}/open`);
    await Deno.chmod(`${path}/open`, 0o777);
    return `${path}/open`;
  }],
  ["is of the kernel", () => Promise.resolve("/proc")],
];
for (const [name, make] of UNFIT) {
  Deno.test(`a directory that ${name} is passed over`, async () => {
    await using place = await Place.make();
    await Deno.mkdir(`${place.path}/next`);
    await using workshop = new Workshop({ execDirectories: [await make(place), `${place.path}/next`] });
    assert.equal(await placeOf(workshop), `${place.path}/next`);
  });
}

rootTest("a directory in which nothing can be executed is passed over", async () => {
  await using place = await Place.make();
  await Deno.mkdir(`${place.path}/next`);
  const noexec = await mounted(place, "noexec", "noexec");
  await using workshop = new Workshop({ execDirectories: [noexec, `${place.path}/next`] });
  assert.equal(await placeOf(workshop), `${place.path}/next`);
  assert.deepEqual([...Deno.readDirSync(noexec)], []);
});

rootTest("a directory of another user is passed over", async () => {
  await using place = await Place.make();
  await using user = await User.in(place.path);
  await Deno.mkdir(`${place.path}/next`);
  await using workshop = new Workshop({ execDirectories: [user.home, `${place.path}/next`] });
  assert.equal(await placeOf(workshop), `${place.path}/next`);
});

rootTest("a directory that never answers keeps no other job waiting, and is passed over", async () => {
  await using place = await Place.make();
  await Promise.all(["hung", "next"].map((name) => Deno.mkdir(`${place.path}/${name}`)));
  await using hung = await HungMount.make(`${place.path}/hung`, 0);
  await using workshop = new Workshop({ execDirectories: [hung.path, `${place.path}/next`] });
  await hung.asked(); // Whether anything was left there.
  const script = placeOf(workshop);
  await hung.asked();
  assert.deepEqual(await workshop.start("echo x").exit(), { kind: "exited", status: 0 });
  assert.equal(await script, `${place.path}/next`);
});

rootTest("what has no room in a directory is in the next, and what has is in the first", async () => {
  await using place = await Place.make();
  const small = await mounted(place, "small", "size=64k");
  await Deno.mkdir(`${place.path}/next`);
  await using workshop = new Workshop({ execDirectories: [small, `${place.path}/next`] });
  const large = `${SAY}${"#".repeat(100_000)}`;
  const jobs = [large, large, SAY].map((content) => workshop.start(content));
  for (const job of jobs) assert.deepEqual(await job.exit(), { kind: "exited", status: 0 });
  const [first = "", second = "", third = ""] = jobs.map(({ text }) => text);
  assert.match(first, /^\/proc\/self\/fd\/3\n$/); // The next had not been tried out.
  assert.ok(second.startsWith("/proc/self/fd/3") || second.startsWith(`${place.path}/next/`), second);
  assert.ok(third.startsWith(`${small}/`), third);
  const later = workshop.start(large);
  await later.exit();
  assert.ok(later.text.startsWith(`${place.path}/next/`), later.text);
  await until("nothing is left", () => Promise.resolve(list(small) + list(`${place.path}/next`) === 0));
});

/** How many attempts have a folder there. */
function list(directory: string): number {
  const roots = [...Deno.readDirSync(directory)];
  return roots.reduce((sum, { name }) => sum + [...Deno.readDirSync(`${directory}/${name}`)].length, 0);
}

rootTest("a directory that others can't pass through is for the jobs of our own user only", async () => {
  await using place = await Place.make();
  await using user = await User.at("/nonexistent");
  await Deno.chmod(place.path, 0o755);
  await Deno.mkdir(`${place.path}/private`, { mode: 0o700 });
  await Deno.mkdir(`${place.path}/public`);
  await using workshop = new Workshop({ execDirectories: [`${place.path}/private`, `${place.path}/public`] });
  assert.equal(await placeOf(workshop), `${place.path}/private`);
  const runAs = { uid: user.uid, gid: user.gid };
  assert.equal(await placeOf(workshop, { runAs }), `${place.path}/public`);
});

const GONE: [name: string, change: (root: string) => Promise<void>][] = [
  ["removed", (root) => Deno.remove(root, { recursive: true })],
  ["moved", (root) => Deno.rename(root, `${root}-away`)],
  ["replaced", async (root) => {
    await Deno.remove(root, { recursive: true });
    await Deno.writeTextFile(root, "");
  }],
];
for (const [what, change] of GONE) {
  Deno.test(`the folder of the files is made anew where somebody has ${what} it`, async () => {
    await using place = await Place.make();
    await using workshop = new Workshop({ execDirectories: [place.path] });
    await placeOf(workshop);
    const [root] = [...Deno.readDirSync(place.path)];
    await change(`${place.path}/${root?.name}`);
    assert.equal(await placeOf(workshop), place.path);
  });
}

Deno.test("without a directory, scripts, programs and long text are executed from memory", async () => {
  await using workshop = new Workshop({ execDirectories: ["/nonexistent"] });
  const expected = "/proc/self/fd/3\n";
  const contents = [
    SAY,
    `echo "$0"; ${"#".repeat(131_072)}`,
    "#!/usr/bin/env -S perl -w\nprint qq($0\\n)",
    '#!/usr/bin/awk -f\nBEGIN { while ((getline line < ARGV[1]) > 0) n++; print "/proc/self/fd/3" }\n',
  ];
  for (const content of contents) {
    const job = workshop.start(content);
    assert.deepEqual(await job.exit(), { kind: "exited", status: 0 });
    assert.equal(job.text, expected);
  }
  assert.deepEqual(await workshop.start(await Deno.readFile("/bin/true")).exit(), {
    kind: "exited",
    status: 0,
  });
  assert.deepEqual(await workshop.start("#!/bin/none\n").exit(), {
    kind: "not-started",
    reason: "/bin/none: no such file or directory",
    isFinal: true,
  });
});

rootTest("what is in memory is the job's user's alone", async () => {
  await using workshop = new Workshop({ execDirectories: [] });
  await using user = await User.at("/nonexistent");
  const job = workshop.start('#!/bin/sh\nid -u; stat -Lc "%u %a" "$0"\n', {
    runAs: { uid: user.uid, gid: user.gid },
  });
  assert.deepEqual(await job.exit(), { kind: "exited", status: 0 });
  assert.equal(job.text, `${user.uid}\n${user.uid} 500\n`);
});

Deno.test("what a daemon that was killed has left is removed, and what one that lives has is not", async () => {
  await using place = await Place.make();
  await using living = new Workshop({ execDirectories: [place.path] });
  await placeOf(living);
  const [root] = [...Deno.readDirSync(place.path)];
  const dead = `${place.path}/filed-exec-dead`;
  await Deno.mkdir(`${dead}/1.${Deno.uid()}`, { recursive: true });
  await Deno.writeTextFile(`${dead}/1.${Deno.uid()}/-rf`, SAY, { mode: 0o500 });
  await Deno.writeTextFile(`${dead}/x`, "");
  await Deno.writeTextFile(`${place.path}/other`, "");
  await using _workshop = new Workshop({ execDirectories: [place.path] });
  await until("it is gone", async () => !await exists(dead));
  assert.deepEqual([...Deno.readDirSync(place.path)].map(({ name }) => name).sort(), [root?.name, "other"]);
});
