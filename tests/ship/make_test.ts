/**
 * What make does where something that it fetches, or is told to use, is not there; for other machines; and for those who
 * want some of the tests.
 */
import assert from "node:assert/strict";
import { Place, type Ran, run } from "../harness.ts";
import { builtTest, testWith } from "./built.ts";

const TREE = new URL("../..", import.meta.url).pathname;

/** Runs make; what an outer make has said is not for this one. */
function make(args: string[], env: Record<string, string> = {}): Promise<Ran> {
  return run(["env", "-u", "MAKEFLAGS", "make", "-s", "-C", TREE, ...args], env);
}

builtTest("a runtime to compile with that is not there is refused in one line", async () => {
  const { status, stderr } = await make(["-o", "build/program/main.js", "compile"], {
    DENORT_BIN: "/nonexistent",
  });
  assert.equal(status, 2);
  assert.match(stderr, /^make: DENORT_BIN is no file: \/nonexistent; .*\nmake: \*\*\* .*\n$/);
});

/** Accepts connections, and never says a word. */
function silentRegistry(): Disposable & { url: string } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connections: Deno.Conn[] = [];
  (async () => {
    for await (const connection of listener) connections.push(connection);
  })();
  return {
    url: `http://127.0.0.1:${listener.addr.port}/`,
    [Symbol.dispose]() {
      listener.close();
      for (const connection of connections) connection.close();
    },
  };
}

testWith("npm", "npm's packages that never come are waited for so long, and then make says so", async () => {
  await using place = await Place.make();
  using registry = silentRegistry();
  const tools = `${place.path}/tools`;
  const { status, stderr } = await make([`TOOLS=${tools}`, `${tools}/node_modules/deno/deno`], {
    NPM_LIMIT: "2",
    npm_config_registry: registry.url,
  });
  assert.equal(status, 2);
  assert.match(stderr, new RegExp(`^make: npm did not end within 2 s .*${registry.url}`, "m"));
});

/** What `make test ONLY=...` runs: the tests' files, and what it says of them in the end. */
async function testOnly(only: string): Promise<{ files: string[]; summary: string }> {
  const { status, stdout, stderr } = await make(["test", `ONLY=${only}`], { NO_COLOR: "1" });
  assert.equal(status, 0, stdout + stderr);
  const files = [...stdout.matchAll(/^running \d+ tests? from \.\/(.*)$/gm)].map(([, file = ""]) => file);
  return { files, summary: stdout.trimEnd().split("\n").at(-1) ?? "" };
}

Deno.test("make test ONLY=FOLDER/NAME... runs those tests alone", async () => {
  const { files, summary } = await testOnly("src/job/config tests/house_test.ts src/cli");
  assert.deepEqual(files.filter((file) => !file.startsWith("src/cli/")).sort(), [
    "src/job/config_test.ts",
    "tests/house_test.ts",
  ]);
  assert.ok(files.includes("src/cli/options_test.ts"));
  assert.match(summary, /^[1-9]\d* passed, 0 failed, 0 skipped$/);
});

builtTest("make test ONLY=contract/NAME runs it on the file that is built", async () => {
  assert.deepEqual((await testOnly("contract/environment")).files, ["tests/contract/environment_test.ts"]);
});

Deno.test("make test ONLY=... says which name is of no test, and runs none", async () => {
  const { status, stdout, stderr } = await make(["test", "ONLY=contract/moving contract/none"]);
  assert.equal(status, 2);
  assert.match(
    stderr,
    /ONLY: contract\/none is no test and no folder of tests, in tests\/ or here\. +Stop\.\n$/,
  );
  assert.equal(stdout, "");
});

Deno.test("what make test-unit runs is there", async () => {
  const { stdout } = await make(["-n", "test-unit"]);
  const paths = (stdout.split(" --allow-all ")[1] ?? "").split(/[\s\\]+/)
    .filter((word) => word !== "" && !word.startsWith("--"));
  assert.ok(paths.includes("src/"), stdout);
  for (const path of paths) await Deno.stat(TREE + path);
});

const OTHER = Deno.build.arch === "aarch64" ? "amd64" : "arm64";

/**
 * Makes a package for machines of the other kind, without the 90 MB of their runtime.
 * @returns Its name in the place.
 */
async function packForOther(place: Place): Promise<string> {
  const [runtime, portable] = [`${place.path}/runtime`, `${place.path}/filed`];
  await Deno.writeTextFile(runtime, "of that kind");
  const names = [`ARCH=${OTHER}`, `RUNTIME=${runtime}`, `PORTABLE=${portable}`, `DEBDIR=${place.path}`];
  const { status, stderr } = await make(["deb", ...names]);
  assert.equal(status, 0, stderr);
  const deb = [...Deno.readDirSync(place.path)].find(({ name }) => name.endsWith(".deb"));
  return deb?.name ?? "";
}

testWith("dpkg-deb", "make deb makes a package for machines of the other kind", async () => {
  await using place = await Place.make();
  const deb = await packForOther(place);
  assert.match(deb, new RegExp(`^filed_\\d+\\.\\d+\\.\\d+_${OTHER}\\.deb$`));
  const script = `set -e; cd "$1"; dpkg-deb --field "$2" Architecture; dpkg-deb -x "$2" out
    sed '1,/^main "/d' out/usr/bin/filed | tar -xzO filed`;
  const { stdout, stderr } = await run(["sh", "-c", script, "sh", place.path, deb]);
  assert.equal(stdout, `${OTHER}\nof that kind`, stderr);
});

testWith(
  "lintian",
  "lintian finds no fault with the package, but those for which it has a reason",
  async () => {
    await using place = await Place.make();
    const deb = await packForOther(place);
    const args = ["--allow-root", "--fail-on", "error,warning", `${place.path}/${deb}`];
    const lintian = new Deno.Command("lintian", { args, stdin: "null" });
    const { code, stdout } = await lintian.output(); // It takes a minute and more: no limit.
    assert.deepEqual({ code, said: new TextDecoder().decode(stdout) }, { code: 0, said: "" });
  },
);
