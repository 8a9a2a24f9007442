/**
 * The command line, the environment, and what filed says when it can't start. How a job's command starts is
 * in worker/command_test.ts.
 */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { Filed, mountsBelow, ok, Place, type Ran, run } from "../harness.ts";
import { Program } from "../program.ts";

/** Runs filed to its end in an environment of its own. */
async function filed(args: string[], env: Record<string, string> = {}, prefix: string[] = []): Promise<Ran> {
  await using program = Program.start(args, env, prefix);
  const status = await program.ended();
  return { status, stdout: program.stdout, stderr: program.stderr };
}

/** Asserts one line on standard error, nothing on standard output, and the exit status. */
function assertRefusal({ status, stdout, stderr }: Ran, expected: { status: number; says: RegExp }) {
  assert.match(stderr, /^filed: [^\n]+\n$/);
  assert.match(stderr, expected.says);
  assert.deepEqual({ status, stdout }, { status: expected.status, stdout: "" });
}

const WRONG = [
  [[], /no MOUNTPOINT.*example/],
  [["a", "b"], /MOUNTPOINT/],
  [[""], /MOUNTPOINT/],
  [["--stat", "x", "mnt"], /--stat/],
  [["-x", "mnt"], /-x/],
  [["--state"], /--state/],
  [["--grace", "soon", "mnt"], /--grace.*soon/],
  [["--grace", "-1", "mnt"], /--grace/],
  [["--grace", "", "mnt"], /--grace/],
  [["--log-level", "loud", "mnt"], /--log-level.*loud.*debug, info, warn, error/],
  [["--log-format", "xml", "mnt"], /--log-format.*xml.*text, json/],
] as const;
for (const [args, says] of WRONG) {
  Deno.test(`filed ${args.join(" ")} is a wrong command line: exit status 2, and a line that says why`, async () => {
    await using place = await Place.make();
    assertRefusal(await filed([...args], { HOME: place.path }), { status: 2, says });
    assert.deepEqual([...Deno.readDirSync(place.path)], []);
  });
}

Deno.test("filed --help fits 80 columns, and 32 lines", async () => {
  const { status, stdout, stderr } = await filed(["--help"]);
  const lines = stdout.trimEnd().split("\n");
  assert.deepEqual({ status, stderr }, { status: 0, stderr: "" });
  assert.ok(lines.length <= 32, `${lines.length} lines`);
  assert.deepEqual(lines.filter((line) => line.length > 80), []);
});

for (const option of ["--state", "--grace", "--log-level", "--log-format", "--help", "--version"]) {
  Deno.test(`filed --help tells of ${option}`, async () => {
    assert.match((await filed(["-h"])).stdout, new RegExp(`${option}\\b`));
  });
}

Deno.test("filed --version prints the version", async () => {
  const { status, stdout } = await filed(["--version"]);
  assert.match(stdout, /^filed \d+\.\d+\.\d+\n/);
  assert.equal(status, 0);
});

/** What names the state file, from the strongest on. */
const NAMES = ["--state", "FILED_STATE_FILE", "XDG_DATA_HOME", "HOME"] as const;

for (const [index, strongest] of NAMES.entries()) {
  Deno.test(`the state file is where ${strongest} says, if nothing stronger does`, async () => {
    await using place = await Place.make();
    const paths: Record<typeof NAMES[number], { value: string; file: string }> = {
      "--state": { value: `${place.path}/option.db`, file: `${place.path}/option.db` },
      "FILED_STATE_FILE": { value: `${place.path}/variable.db`, file: `${place.path}/variable.db` },
      "XDG_DATA_HOME": { value: `${place.path}/data`, file: `${place.path}/data/filed.db` },
      "HOME": { value: `${place.path}/home`, file: `${place.path}/home/.local/share/filed.db` },
    };
    const set = NAMES.slice(index);
    const env = Object.fromEntries(
      set.filter((name) => name !== "--state").map((name) => [name, paths[name].value]),
    );
    const args = strongest === "--state" ? ["--state", paths["--state"].value] : [];
    await using program = Program.start([...args, `${place.path}/mnt`], env);
    await program.says(/ready/);
    const made = await Promise.all(
      set.map((name) => Deno.stat(paths[name].file).then(() => name, () => undefined)),
    );
    assert.deepEqual(made.filter(Boolean), [strongest]);
  });
}

Deno.test("with nothing that names a state file, filed says what to set, with an example", async () => {
  await using place = await Place.make();
  const says = /--state.*FILED_STATE_FILE.*XDG_DATA_HOME.*HOME.*example: filed .+/;
  assertRefusal(await filed([`${place.path}/mnt`]), { status: 2, says });
});

Deno.test("a state file is for its owner alone", async () => {
  await using place = await Place.make();
  await using filed = await Filed.start(place);
  const { mode } = await Deno.stat(filed.state);
  assert.equal((mode ?? 0) & 0o777, 0o600);
});

Deno.test("a mount point that is not there is made, with its parents", async () => {
  await using place = await Place.make();
  await using program = Program.start(["--state", `${place.path}/filed.db`, `${place.path}/a/b/mnt`]);
  await program.says(/ready/);
  assert.deepEqual(await mountsBelow(place.path), [`${place.path}/a/b/mnt`]);
});

Deno.test("a mount point may be relative, have a slash at its end, spaces, and be reached by a link", async () => {
  await using place = await Place.make();
  await ok(run(["sh", "-c", `cd ${place.path} && mkdir 'a b' && ln -s 'a b' link`]));
  await using program = Program.start(["--state", `${place.path}/filed.db`, `.${place.path}/link/`]);
  await program.says(/ready/);
  const names = [...Deno.readDirSync(`${place.path}/a b`)].map(({ name }) => name);
  assert.ok(names.includes("pending"), names.join());
});

Deno.test("a mount point that is a file is refused", async () => {
  await using place = await Place.make();
  await Deno.writeTextFile(`${place.path}/file`, "");
  const refused = await filed(["--state", `${place.path}/filed.db`, `${place.path}/file`]);
  assertRefusal(refused, { status: 1, says: /file: it is not a directory; .+/ });
});

Deno.test("a mount point below a file is refused", async () => {
  await using place = await Place.make();
  await Deno.writeTextFile(`${place.path}/file`, "");
  const refused = await filed(["--state", `${place.path}/filed.db`, `${place.path}/file/mnt`]);
  assertRefusal(refused, { status: 1, says: /not a directory; .+/ });
});

Deno.test("a mount point that another filed uses is refused, and that one goes on", async () => {
  await using place = await Place.make();
  await using first = await Filed.start(place);
  const refused = await filed(["--state", `${place.path}/second.db`, first.mount]);
  assertRefusal(refused, { status: 1, says: /mnt is in use/ });
  await first.finish("job", "true");
});

Deno.test("a mount left by a daemon that was killed is cleared", async () => {
  await using place = await Place.make();
  await using first = await Filed.start(place);
  await first.stop("SIGKILL");
  await using second = await Filed.start(place);
  await second.finish("job", "true");
  assert.deepEqual(await mountsBelow(place.path), [second.mount]);
});

Deno.test("a second daemon on the same state file is refused with the first one's pid", async () => {
  await using place = await Place.make();
  await using first = await Filed.start(place);
  const refused = await filed(["--state", first.state, `${place.path}/other`]);
  assertRefusal(refused, {
    status: 1,
    says: new RegExp(`filed\\.db.*another filed.*\\b${first.pid}\\b.*; .+`),
  });
  assert.deepEqual(await mountsBelow(place.path), [first.mount]);
});

Deno.test("a second daemon on a link to the state file is refused as well", async () => {
  await using place = await Place.make();
  await using first = await Filed.start(place);
  await Deno.symlink(first.state, `${place.path}/link.db`);
  const refused = await filed(["--state", `${place.path}/link.db`, `${place.path}/other`]);
  assertRefusal(refused, { status: 1, says: /another filed/ });
});

function writeDatabase(path: string, sql: string): Promise<void> {
  const database = new DatabaseSync(path);
  database.exec(sql);
  database.close();
  return Promise.resolve();
}

const NO_STATE_FILES: [string, (path: string) => Promise<unknown>, RegExp][] = [
  ["text", (path) => Deno.writeTextFile(path, "no database\n".repeat(1_000)), /not a/],
  ["a directory", (path) => Deno.mkdir(path), /is a directory/],
  [
    "the database of another program",
    (path) => writeDatabase(path, "CREATE TABLE other (x)"),
    /another program/,
  ],
  [
    "the database of a newer filed",
    (path) =>
      writeDatabase(path, "PRAGMA application_id = 0x66696c64; PRAGMA user_version = 99; CREATE TABLE x (y)"),
    /newer filed/,
  ],
];
for (const [what, make, says] of NO_STATE_FILES) {
  Deno.test(`a state file that is ${what} is refused, and left as it was`, async () => {
    await using place = await Place.make();
    const state = `${place.path}/other.db`;
    await make(state);
    const content = () => Deno.readFile(state).catch(() => "a directory");
    const before = await content();
    const refused = await filed(["--state", state, `${place.path}/mnt`]);
    assertRefusal(refused, { status: 1, says: new RegExp(`other\\.db: .*${says.source}.*; .+`) });
    assert.deepEqual(await content(), before);
    assert.deepEqual(await mountsBelow(place.path), []);
  });
}

Deno.test("a state file below a file is refused", async () => {
  await using place = await Place.make();
  await Deno.writeTextFile(`${place.path}/file`, "");
  const refused = await filed(["--state", `${place.path}/file/filed.db`, `${place.path}/mnt`]);
  assertRefusal(refused, { status: 1, says: /file.*; .*--state/ });
});

Deno.test("a state file in the mount point is refused", async () => {
  await using place = await Place.make();
  await Deno.mkdir(`${place.path}/mnt`);
  const refused = await filed(["--state", `${place.path}/mnt/filed.db`, `${place.path}/mnt`]);
  assertRefusal(refused, { status: 1, says: /filed\.db is in the mount point; .*--state/ });
});
