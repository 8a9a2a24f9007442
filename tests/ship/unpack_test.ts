/** How the self-extracting file unpacks, and what it says where it can't. */
import assert from "node:assert/strict";
import { ok, Place, type Ran, run, within } from "../harness.ts";
import { Program } from "../program.ts";
import { FILED, makeTools, selfExtractingRootTest, selfExtractingTest, unpacked } from "./built.ts";
import { User } from "../users.ts";

/** Runs the file, to its end, with no environment but this. */
function start(
  env: Record<string, string>,
  options: { file?: string; prefix?: string[]; args?: string[] } = {},
) {
  const { file = FILED, prefix = [], args = ["--version"] } = options;
  const variables = Object.entries({ PATH: Deno.env.get("PATH") ?? "", ...env });
  return run([
    ...prefix,
    "env",
    "-i",
    ...variables.map(([name, value]) => `${name}=${value}`),
    file,
    ...args,
  ]);
}

function assertStarts({ status, stdout, stderr }: Ran) {
  assert.deepEqual({ status, stderr }, { status: 0, stderr: "" });
  assert.match(stdout, /^filed \d/);
}

/** Asserts one line on standard error, and exit status 1. */
function assertRefuses({ status, stdout, stderr }: Ran, says: RegExp) {
  assert.match(stderr, /^filed: [^\n]+\n$/);
  assert.match(stderr, says);
  assert.deepEqual({ status, stdout }, { status: 1, stdout: "" });
}

/** A file system of its own at a path, unmounted with the place. */
async function mountTmpfs(path: string, options: string): Promise<string> {
  await Deno.mkdir(path, { recursive: true });
  await ok(run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", path]));
  return path;
}

/** Resolves once files of a start that unpacks into a folder are being written. */
async function beginsToUnpack(cache: string): Promise<void> {
  await within("the start to unpack", async () => {
    for (let isUnpacking = false; !isUnpacking;) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      const [folder] = await unpacked(cache).catch(() => []);
      const runtime = folder && await Deno.stat(`${cache}/${folder}/filed`).catch(() => undefined);
      isUnpacking = runtime ? runtime.size > 0 : false;
    }
  });
}

selfExtractingTest(
  "the file unpacks once, with no more than five programs, and writes nowhere else",
  async () => {
    await using place = await Place.make();
    const env = { HOME: place.path, PATH: await makeTools(`${place.path}/bin`), TMPDIR: `${place.path}/tmp` };
    await Deno.mkdir(env.TMPDIR);
    assertStarts(await start(env));
    const cache = `${place.path}/.cache/filed`;
    const [name, ...others] = (await unpacked(cache)).filter((name) => name !== "version");
    assert.match(name ?? "", /^[0-9a-f]{64}$/);
    assert.deepEqual(others, []);
    assert.deepEqual(await unpacked(env.TMPDIR), []);
    assert.deepEqual(await unpacked(place.path), [".cache", "bin", "tmp"]);
    assert.deepEqual(await unpacked(`${place.path}/.cache`), ["filed"]);
    const { ino, mtime, mode } = await Deno.stat(`${cache}/${name}/filed`);
    assertStarts(await start(env));
    const again = await Deno.stat(`${cache}/${name}/filed`);
    assert.deepEqual([again.ino, again.mtime], [ino, mtime]);
    assert.equal((mode ?? 0) & 0o077, 0, "others may read it");
  },
);

selfExtractingTest("of first starts at the same time all work, and one folder is left", async () => {
  await using place = await Place.make();
  const starts = await Promise.all([1, 2, 3].map(() => start({ XDG_CACHE_HOME: place.path })));
  for (const ran of starts) assertStarts(ran);
  assert.equal((await unpacked(`${place.path}/filed`)).length, 1);
});

selfExtractingTest("after a start that was killed half way the next one works, and cleans up", async () => {
  await using place = await Place.make();
  await startAndEnd(place, "SIGKILL");
  assert.match((await unpacked(`${place.path}/filed`)).join(), /^unpack-/);
  assertStarts(await start({ XDG_CACHE_HOME: place.path }));
  assert.match((await unpacked(`${place.path}/filed`)).join(), /^[0-9a-f]{64}$/);
});

selfExtractingTest("a first start that is interrupted ends by that signal, and leaves nothing", async () => {
  await using place = await Place.make();
  assert.equal((await startAndEnd(place, "SIGTERM")).signal, "SIGTERM");
  await within("the folder to be removed", async () => {
    while ((await unpacked(`${place.path}/filed`)).length > 0) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  });
});

selfExtractingTest("a file that was cut short is refused", async () => {
  await using place = await Place.make();
  const file = `${place.path}/filed`;
  const whole = await Deno.readFile(FILED);
  for (const length of [whole.length - 1, 1_000_000]) {
    await Deno.writeFile(file, whole.subarray(0, length), { mode: 0o755 });
    assertRefuses(
      await start({ HOME: place.path }, { file }),
      /damaged or incomplete: download or copy it again/,
    );
  }
  for (const length of [200, 1_000, 3_000]) { // Within the script: sh may have a word to say too.
    await Deno.writeFile(file, whole.subarray(0, length), { mode: 0o755 });
    const { status, stdout, stderr } = await start({ HOME: place.path }, { file });
    assert.match(stderr, /^filed: .*incomplete: download or copy it again$/m);
    assert.deepEqual({ status, stdout }, { status: 1, stdout: "" });
  }
  assert.deepEqual(await unpacked(place.path), ["filed"]);
});

selfExtractingTest("where a program is missing, the file names it", async () => {
  await using place = await Place.make();
  const PATH = await makeTools(`${place.path}/bin`);
  await Deno.remove(`${PATH}/gzip`);
  assertRefuses(await start({ PATH, HOME: place.path }), /needs gzip to unpack its program: install it/);
});

/**
 * The file, which says that it is missing something, in place of a runtime that is: packed anew with another
 * one.
 * @param runtime A shell script.
 */
async function packWith(place: Place, runtime: string): Promise<string> {
  const pack = new URL("../../contrib/portable/pack", import.meta.url).pathname;
  const [program, file] = [`${place.path}/program`, `${place.path}/packed`];
  await Deno.mkdir(program);
  await Deno.writeTextFile(`${program}/main.js`, "");
  await Deno.writeTextFile(`${place.path}/runtime`, runtime, { mode: 0o755 });
  await ok(run([pack, `${place.path}/runtime`, program, "0", "none", "--none", file]));
  return file;
}

const MISSING: [string, string, RegExp][] = [
  [
    "glibc",
    "#!/none/ld-linux.so\n",
    /needs glibc, [^\n]*Alpine[^\n]*: run it on one of those, or in a container/,
  ],
  [
    "libgcc_s",
    "#!/bin/sh\necho 'x: error while loading shared libraries: libgcc_s.so.1: cannot open shared object file' >&2\nexit 127\n",
    /needs libgcc_s\.so\.1 to run: install the package libgcc-s1 /,
  ],
  [
    "a newer glibc",
    '#!/bin/sh\necho "x: libc.so.6: version \\`GLIBC_2.99\' not found (required by x)" >&2\nexit 1\n',
    /needs a newer glibc than there is here \(.*GLIBC_2\.99/,
  ],
];
for (const [what, runtime, says] of MISSING) {
  selfExtractingTest(
    `on a system without ${what} the file says so, and not to choose another folder`,
    async () => {
      await using place = await Place.make();
      const file = await packWith(place, runtime);
      const ran = await start({ XDG_CACHE_HOME: `${place.path}/cache` }, { file });
      assertRefuses(ran, says);
      assert.doesNotMatch(ran.stderr, /XDG_CACHE_HOME/);
      assert.deepEqual(await unpacked(`${place.path}/cache/filed`), []);
    },
  );
}

selfExtractingTest("with too few open files, the file says how many it needs", async () => {
  await using place = await Place.make();
  for (const limit of ["16", "40", "63"]) {
    const prefix = ["sh", "-c", `ulimit -n ${limit}; exec "$@"`, "sh"];
    assertRefuses(
      await start({ XDG_CACHE_HOME: place.path }, { prefix }),
      new RegExp(`Cannot work with ${limit} open files .*needs 64, `),
    );
  }
});

selfExtractingTest("in a directory that was removed, the file says so", async () => {
  await using place = await Place.make();
  await Deno.mkdir(`${place.path}/gone`);
  const prefix = ["sh", "-c", 'cd "$0" && rmdir "$0" && exec "$@"', `${place.path}/gone`];
  const { status, stderr } = await start({ XDG_CACHE_HOME: place.path }, { prefix });
  // dash has its say first.
  assert.match(stderr, /^filed: the directory that it was started in was removed: cd to another one\n/m);
  assert.ok(!stderr.includes("\u001b"), stderr);
  assert.equal(status, 1);
});

selfExtractingTest("folders of other versions are removed, but not those in use", async () => {
  await using place = await Place.make();
  const other = (digit: string) => `${place.path}/filed/${digit.repeat(64)}`;
  for (const digit of ["a", "b"]) {
    await Deno.mkdir(other(digit), { recursive: true });
    await ok(run(["sh", "-c", 'cp "$(command -v sleep)" "$1/filed"', "sh", other(digit)]));
  }
  await Deno.mkdir(`${place.path}/filed/notes`);
  const running = new Deno.Command(`${other("b")}/filed`, { args: ["60"] }).spawn();
  try {
    assertStarts(await start({ XDG_CACHE_HOME: place.path }));
    const left = await unpacked(`${place.path}/filed`);
    const ours = left.filter((name) => /^[0-9a-f]{64}$/.test(name) && name !== "b".repeat(64));
    assert.equal(ours.length, 1);
    assert.deepEqual(left.sort(), [...ours, "b".repeat(64), "notes"].sort());
  } finally {
    running.kill("SIGKILL");
    await running.status;
  }
  assertStarts(await start({ XDG_CACHE_HOME: place.path }));
  assert.equal((await unpacked(`${place.path}/filed`)).length, 2);
});

selfExtractingTest("a version of which files are gone is unpacked anew", async () => {
  await using place = await Place.make();
  assertStarts(await start({ XDG_CACHE_HOME: place.path }));
  const [name] = await unpacked(`${place.path}/filed`);
  await Deno.remove(`${place.path}/filed/${name}/worker.js`);
  assertStarts(await start({ XDG_CACHE_HOME: place.path }));
  assert.deepEqual(await unpacked(`${place.path}/filed`), [name]);
});

selfExtractingTest("a job sees nothing of what the runtime was told", async () => {
  await using place = await Place.make();
  const env = { DENO_DIR: "/my own", DENO_NO_UPDATE_CHECK: "", XDG_CACHE_HOME: place.path };
  const mount = `${place.path}/mnt`;
  await using program = Program.run([
    ...[
      "env",
      "-i",
      `PATH=${Deno.env.get("PATH")}`,
      ...Object.entries(env).map(([name, value]) => `${name}=${value}`),
    ],
    ...[FILED, "--state", `${place.path}/filed.db`, mount],
  ]);
  await program.says(/ready/);
  await Deno.writeTextFile(`${mount}/pending/job`, "env | grep -e DENO -e XDG -e ^FILED | sort");
  await program.says(/attempt ended/);
  const [, ...lines] = (await Deno.readTextFile(`${mount}/complete/job`)).trimEnd().split("\n");
  assert.deepEqual(lines.map((line) => line.replace(/^FILED_RUN=.*/, "FILED_RUN=…")), [
    "DENO_DIR=/my own",
    "DENO_NO_UPDATE_CHECK=",
    "FILED_ATTEMPT=1",
    "FILED_JOB_ID=job",
    "FILED_RUN=…",
    `XDG_CACHE_HOME=${place.path}`,
  ]);
});

selfExtractingRootTest("with no room the file says how much it takes, and leaves nothing", async () => {
  await using place = await Place.make();
  const small = await mountTmpfs(`${place.path}/small`, "size=30m,mode=700");
  assertRefuses(
    await start({ XDG_CACHE_HOME: small, TMPDIR: small }),
    /no room, and it takes \d+ MB.*set XDG_CACHE_HOME to a folder of your own with \d+ MB/,
  );
  assert.deepEqual(await unpacked(`${small}/filed`), []);
});

selfExtractingRootTest("a home that is read-only, or runs no programs, gives way to TMPDIR", async () => {
  await using place = await Place.make();
  const home = await mountTmpfs(`${place.path}/home`, "mode=700,noexec");
  const TMPDIR = `${place.path}/tmp`;
  await Deno.mkdir(TMPDIR);
  assertStarts(await start({ HOME: home, TMPDIR }));
  assert.deepEqual(await unpacked(TMPDIR), ["filed-0"]);
  assert.deepEqual(await unpacked(`${home}/.cache/filed`), []);
  await Deno.remove(TMPDIR, { recursive: true });
  await Deno.mkdir(TMPDIR);
  await ok(run(["mount", "-o", "remount,ro", home]));
  assertStarts(await start({ HOME: home, TMPDIR }));
  await ok(run(["mount", "-o", "remount,rw,noexec", home]));
  assertRefuses(
    await start({ HOME: home, TMPDIR: home }),
    /noexec.*set XDG_CACHE_HOME.*where programs may run/,
  );
});

selfExtractingRootTest("what another user has planted is not run", async () => {
  await using place = await Place.make();
  await using mallory = await User.in(place.path);
  // What is planted has all that it must have, but another program.
  assertStarts(await start({ XDG_CACHE_HOME: `${mallory.home}/own` }, { prefix: mallory.prefix }));
  const [name = ""] = await unpacked(`${mallory.home}/own/filed`);
  const program = `#!/bin/sh\ntouch ${mallory.home}/caught\n`;
  const plant = async (base: string) => {
    const script = 'mkdir -p "$1" && cp -R own/filed/. "$1" && printf %s "$2" >"$1/$3/filed"';
    await ok(
      run([...mallory.prefix, "env", "-C", mallory.home, "sh", "-c", script, "sh", base, program, name]),
    );
  };
  const isCaught = () => Deno.stat(`${mallory.home}/caught`).then(() => true, () => false);

  // Root, with a home and a cache that are mallory's, as after `sudo`.
  await plant(`${mallory.home}/.cache/filed`);
  const mine = `${place.path}/mine`;
  await Deno.mkdir(mine);
  assertStarts(await start({ HOME: mallory.home, TMPDIR: mine }));
  assertStarts(await start({ XDG_CACHE_HOME: `${mallory.home}/.cache`, TMPDIR: mine }));

  // A folder in a place that all may write to, under the name that root would take.
  const shared = `${place.path}/shared`;
  await Deno.mkdir(shared);
  await Deno.chmod(shared, 0o1777);
  await plant(`${shared}/filed-0`);
  assertRefuses(await start({ TMPDIR: shared, HOME: "/proc/none" }), /another user's.*set XDG_CACHE_HOME/);
  await Deno.remove(`${shared}/filed-0`, { recursive: true });
  await ok(run([...mallory.prefix, "ln", "-s", `${mine}/filed-0`, `${shared}/filed-0`]));
  assertRefuses(await start({ TMPDIR: shared, HOME: "/proc/none" }), /another user's.*set XDG_CACHE_HOME/);
  assert.equal(await isCaught(), false);
});

selfExtractingRootTest("without a home, an ordinary user's folder in TMPDIR is private", async () => {
  await using place = await Place.make();
  await using user = await User.in(place.path);
  const TMPDIR = `${place.path}/tmp`;
  await Deno.mkdir(TMPDIR);
  await Deno.chmod(TMPDIR, 0o1777);
  assertStarts(await start({ TMPDIR }, { prefix: user.prefix }));
  const { uid, mode } = await Deno.stat(`${TMPDIR}/filed-${user.uid}`);
  assert.deepEqual({ uid, mode: (mode ?? 0) & 0o7777 }, { uid: user.uid, mode: 0o700 });
});

selfExtractingTest("a systemd unit's own cache folder is taken before any other", async () => {
  await using place = await Place.make();
  await Deno.mkdir(`${place.path}/filed`); // CacheDirectory=filed
  const home = `${place.path}/home`;
  assertStarts(await start({ CACHE_DIRECTORY: `${place.path}/filed`, HOME: home, XDG_CACHE_HOME: home }));
  assert.equal((await unpacked(`${place.path}/filed`)).length, 1);
  assert.deepEqual(await unpacked(place.path), ["filed"]);
});

selfExtractingRootTest("root of a user namespace, where /tmp is nobody's, unpacks too", async () => {
  await using place = await Place.make();
  await using user = await User.in(place.path);
  const prefix = [...user.prefix, "unshare", "--user", "--map-root-user", "--net"];
  assertStarts(await start({ HOME: user.home }, { prefix }));
});

/** A first start, with its cache below `place`, that a signal ends once it has begun to unpack. */
async function startAndEnd(place: Place, signal: Deno.Signal): Promise<Deno.CommandStatus> {
  await using started = new Deno.Command("setsid", {
    args: [FILED, "--version"],
    env: { XDG_CACHE_HOME: place.path },
    stdout: "null",
    stderr: "null",
  }).spawn();
  await beginsToUnpack(`${place.path}/filed`);
  Deno.kill(-started.pid, signal);
  return await started.status;
}
