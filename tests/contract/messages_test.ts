/** The log on standard error, and refusals that only an ordinary user gets. */
import assert from "node:assert/strict";
import { filedCommand, ok, Place, rootTest, run } from "../harness.ts";
import { DENO_DIR, Program } from "../program.ts";

const TREE = new URL("../..", import.meta.url).pathname;

/** What makes an ordinary user of root; nothing if one runs this. */
const AS_USER = Deno.uid() === 0 ? ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"] : [];

/**
 * Whether that user may read filed and its runtime at all, which of a source tree in root's own home it may
 * not.
 */
async function canRun(): Promise<boolean> {
  const [program] = filedCommand([]);
  const readable = Deno.env.get("FILED") ? [program] : [program, `${TREE}main.ts`, DENO_DIR];
  const tests = [`test -x "$0"`, ...readable.map((_, index) => `test -r "\${${index}}"`)];
  const { status } = await run([...AS_USER, "sh", "-c", tests.join(" && "), ...readable]);
  return status === 0;
}

/** A test in which filed runs as an ordinary user. */
function userTest(name: string, act: (place: Place) => Promise<void>) {
  Deno.test({
    name,
    ignore: !MAY_RUN,
    async fn() {
      await using place = await Place.make();
      await Deno.chmod(place.path, 0o1777);
      await act(place);
    },
  });
}

const MAY_RUN = await canRun();

/** All the programs that filed needs, and its self-extracting file. */
const TOOLS = ["stat", "sh", "tail", "tar", "gzip", "sha256sum"].map((name) => `"$(command -v ${name})"`)
  .join(" ");

userTest("without fusermount3 an ordinary user is told what to install", async (place) => {
  await ok(run(["sh", "-c", `mkdir ${place.path}/bin && ln -s ${TOOLS} ${place.path}/bin`]));
  const args = ["--state", `${place.path}/filed.db`, `${place.path}/mnt`];
  const prefix = [...AS_USER, "env", `PATH=${place.path}/bin`];
  await using program = Program.start(args, { HOME: place.path }, prefix);
  assert.equal(await program.ended(), 1);
  assert.match(program.stderr, /^filed: fusermount3 is not installed: install the package fuse3[^\n]*\n$/);
});

userTest("a state file of somebody else is refused, with what to do", async (place) => {
  await Deno.writeTextFile(`${place.path}/filed.db`, "");
  await Deno.chmod(`${place.path}/filed.db`, 0o000);
  const args = ["--state", `${place.path}/filed.db`, `${place.path}/mnt`];
  await using program = Program.start(args, { HOME: place.path }, AS_USER);
  assert.equal(await program.ended(), 1);
  assert.match(program.stderr, /^filed: [^\n]*filed\.db: permission denied; [^\n]+\n$/);
});

userTest("a state file in a directory of somebody else is refused, with what to do", async (place) => {
  await Deno.mkdir(`${place.path}/closed`);
  await Deno.chmod(`${place.path}/closed`, 0o500);
  const args = ["--state", `${place.path}/closed/filed.db`, `${place.path}/mnt`];
  await using program = Program.start(args, { HOME: place.path }, AS_USER);
  assert.equal(await program.ended(), 1);
  assert.match(program.stderr, /^filed: [^\n]*closed[^\n]*permission denied[^\n]*; [^\n]+\n$/i);
});

userTest("a mount point that may not be made is refused, with what to do", async (place) => {
  await Deno.mkdir(`${place.path}/closed`);
  await Deno.chmod(`${place.path}/closed`, 0o500);
  const args = ["--state", `${place.path}/filed.db`, `${place.path}/closed/mnt`];
  await using program = Program.start(args, { HOME: place.path }, AS_USER);
  assert.equal(await program.ended(), 1);
  assert.match(program.stderr, /^filed: [^\n]*closed\/mnt: [^\n]*permission denied[^\n]*; [^\n]+\n$/i);
});

/** Runs filed, to its end, where /dev holds no more than its script makes. */
async function startWithDevices(place: Place, script: string, prefix: string[]): Promise<Program> {
  const isolate = `mount -t tmpfs tmpfs /dev && mknod -m 666 /dev/null c 1 3 && { ${script}; } && exec "$@"`;
  const args = ["--state", `${place.path}/filed.db`, `${place.path}/mnt`];
  const program = Program.start(args, { HOME: place.path }, [
    "unshare",
    "-m",
    "sh",
    "-c",
    isolate,
    "sh",
    ...prefix,
  ]);
  assert.equal(await program.ended(), 1);
  return program;
}

const DEVICES = [
  ["there is no /dev/fuse", "true", /\/dev\/fuse.*(modprobe fuse|--device)/],
  [
    "/dev/fuse may not be opened",
    "mknod -m 600 /dev/fuse c 10 229",
    /\/dev\/fuse.*(chmod|root)/,
  ],
] as const;
for (const [what, script, says] of DEVICES) {
  for (const [who, prefix] of [["root", []], ["an ordinary user", AS_USER]] as const) {
    if (who === "root" && script !== "true") continue; // Root may.
    rootTest(`where ${what} ${who} is told what to do, in one line`, async () => {
      await using place = await Place.make();
      await Deno.chmod(place.path, 0o1777);
      await using program = await startWithDevices(place, script, [...prefix]);
      assert.match(program.stderr, /^filed: [^\n]+\n$/);
      assert.match(program.stderr, says);
    });
  }
}

/** Runs filed and one job in it, and stops it. @returns What it wrote. */
async function runOneJob(...options: string[]): Promise<{ stdout: string; stderr: string }> {
  await using place = await Place.make();
  const mount = `${place.path}/mnt`;
  await using program = Program.start(["--state", `${place.path}/filed.db`, ...options, mount]);
  await ok(run(["sh", "-c", `until mountpoint -q ${mount}; do :; done; echo true > ${mount}/pending/job`]));
  await ok(
    run(["sh", "-c", `until [ -e ${mount}/complete/job ]; do :; done; ! echo bad > ${mount}/config.json`]),
  );
  program.signal("SIGTERM");
  assert.equal(await program.ended(), 0);
  return program;
}

const LEVELS: [string, RegExp[], RegExp[]][] = [
  ["debug", [/ DEBUG /, / INFO /, / WARN /], []],
  ["info", [/ INFO /, / WARN /], [/ DEBUG /]],
  ["warn", [/ WARN /], [/ DEBUG /, / INFO /]],
  ["error", [], [/ DEBUG /, / INFO /, / WARN /]],
];
for (const [level, shown, hidden] of LEVELS) {
  Deno.test(`--log-level ${level} shows what is as grave, and nothing less`, async () => {
    const { stderr } = await runOneJob("--log-level", level);
    for (const pattern of shown) assert.match(stderr, pattern);
    for (const pattern of hidden) assert.doesNotMatch(stderr, pattern);
  });
}

Deno.test("the log is text, one line an event, with time, level and fields", async () => {
  const { stderr } = await runOneJob();
  assert.match(stderr, /^\d{4}-\d\d-\d\dT[\d:.]+Z INFO attempt ended job="job" attempt=1 .*status=0/m);
  for (const line of stderr.trimEnd().split("\n")) assert.match(line, /^\d{4}-\S+Z (INFO|WARN) \w/);
});

Deno.test("--log-format json makes each line of the log a JSON object", async () => {
  const { stderr } = await runOneJob("--log-format", "json");
  const messages = stderr.trimEnd().split("\n").map((line) => JSON.parse(line).message);
  for (const message of ["ready", "attempt started", "attempt ended"]) {
    assert.ok(messages.includes(message), message);
  }
});

for (const format of ["text", "json"]) {
  Deno.test(`the log as ${format} has no ANSI codes where standard error is no terminal`, async () => {
    const { stderr } = await runOneJob("--log-format", format, "--log-level", "debug");
    assert.equal(stderr.includes("\u001b"), false);
  });
}

Deno.test("filed writes nothing on standard output", async () => {
  assert.equal((await runOneJob()).stdout, "");
});

Deno.test("a job's id can not forge a line of the log, nor speak to the terminal", async () => {
  await using place = await Place.make();
  const mount = `${place.path}/mnt`;
  await using program = Program.start(["--state", `${place.path}/filed.db`, mount]);
  await program.says(/ready/);
  await Deno.writeTextFile(`${mount}/pending/a" b="\u2028c`, "true");
  await program.says(/attempt ended/);
  assert.match(program.stderr, /attempt ended job="a\\" b=\\"[^]*?c" attempt=1/);
});

Deno.test("the log tells no environment and no command", async () => {
  await using place = await Place.make();
  const mount = `${place.path}/mnt`;
  const args = ["--state", `${place.path}/filed.db`, "--log-level", "debug", mount];
  await using program = Program.start(args, { FILED_TEST_SECRET: "hush-1" });
  await program.says(/ready/);
  await Deno.writeTextFile(`${mount}/pending/job`, ": hush-2");
  await program.says(/attempt ended/);
  assert.doesNotMatch(program.stderr, /hush/);
});

Deno.test("--grace is 10 s if not said", async () => {
  await using place = await Place.make();
  await using program = Program.start(["--state", `${place.path}/filed.db`, `${place.path}/mnt`]);
  await program.says(/ready/);
  await Deno.writeTextFile(`${place.path}/mnt/pending/job`, "exec sleep 60");
  await program.says(/attempt started/);
  program.signal("SIGTERM");
  await program.says(/waiting for jobs running=1 graceSec=10\n/);
  program.signal("SIGTERM");
  assert.equal(await program.ended(), 0);
});
