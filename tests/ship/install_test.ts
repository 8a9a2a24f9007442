/** make install and uninstall, the manual, the completions and the systemd unit. */
import assert from "node:assert/strict";
import { HELP } from "../../src/cli/help.ts";
import { ok, Place, run } from "../harness.ts";
import { builtTest, FILED, testWith } from "./built.ts";

const TREE = new URL("../..", import.meta.url).pathname;
/** The long options, in the order of the help. */
const OPTIONS = [...new Set(HELP.match(/--[a-z]+(-[a-z]+)*/g))];

/** Runs make with the file under test as it is; what an outer make has said is not for this one. */
function make(...args: string[]): Promise<string> {
  return ok(run(["env", "-u", "MAKEFLAGS", "make", "-s", "-C", TREE, "-o", FILED, ...args]));
}

async function filesBelow(folder: string): Promise<string[]> {
  return (await ok(run(["find", folder, "!", "-type", "d", "-printf", "%P\n"]))).trimEnd().split("\n").sort();
}

builtTest(
  "make install puts its files below PREFIX, and make uninstall removes them and no others",
  async () => {
    await using place = await Place.make();
    await Deno.mkdir(`${place.path}/usr/bin`, { recursive: true });
    await Deno.writeTextFile(`${place.path}/usr/bin/other`, "");
    await make("install", `DESTDIR=${place.path}`, "PREFIX=/usr");
    assert.deepEqual(await filesBelow(place.path), [
      "usr/bin/filed",
      "usr/bin/other",
      "usr/lib/systemd/system/filed@.service",
      "usr/share/bash-completion/completions/filed",
      "usr/share/fish/vendor_completions.d/filed.fish",
      "usr/share/man/man1/filed.1",
      "usr/share/zsh/site-functions/_filed",
    ]);
    assert.match(await ok(run([`${place.path}/usr/bin/filed`, "--version"])), /^filed \d/);
    await make("uninstall", `DESTDIR=${place.path}`, "PREFIX=/usr");
    assert.deepEqual(await filesBelow(place.path), ["usr/bin/other"]);
  },
);

testWith("systemd-analyze", "the systemd unit is right", async () => {
  await using place = await Place.make();
  await Deno.copyFile("/bin/true", `${place.path}/filed`); // The unit names a program that has to be there.
  const unit = await Deno.readTextFile(`${TREE}contrib/filed@.service.in`);
  await Deno.writeTextFile(`${place.path}/filed@.service`, unit.replaceAll("@BINDIR@", place.path));
  const verify = ["systemd-analyze", "verify", "--man=no", `${place.path}/filed@srv-jobs.service`];
  await Deno.symlink("filed@.service", `${place.path}/filed@srv-jobs.service`);
  const { status, stdout, stderr } = await run(verify);
  const ours = (stdout + stderr).split("\n").filter((line) =>
    line.includes(place.path) || line.includes("filed@")
  );
  assert.deepEqual({ status, ours }, { status: 0, ours: [] });
});

Deno.test("completions for bash name every option and its values", async () => {
  const complete = async (...words: string[]) => {
    const script = `. "${TREE}contrib/completions/filed.bash"; complete -p filed >/dev/null || exit
      COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _filed; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return (await ok(run(["bash", "--norc", "-c", script, "bash", "filed", ...words]))).trimEnd().split("\n");
  };
  assert.deepEqual(await complete("--"), OPTIONS);
  assert.deepEqual(await complete("--log-format", ""), ["text", "json"]);
  assert.deepEqual(await complete("-o", ""), ["allow_other"]);
  assert.deepEqual(await complete("--run-as", "=", "d"), ["daemon"]);
  assert.deepEqual(await complete("--log-level", "=", "w"), ["warn"]);
  assert.deepEqual(await complete("/pro"), ["/proc"]);
});

testWith("zsh", "completions for zsh name every option", async () => {
  const file = `${TREE}contrib/completions/_filed`;
  // compinit registers what the first line says; the function runs with _arguments, which tells what it was given.
  const script = `fpath=(${TREE}contrib/completions $fpath); autoload -Uz compinit; compinit -D -u
    print -r -- "$_comps[filed]"; _arguments() { print -rl -- "$@" }; source ${file}`;
  const output = await ok(run(["zsh", "-f", "-c", script]));
  assert.match(output, /^_filed\n/);
  for (const option of OPTIONS) assert.ok(output.includes(option), option);
});

testWith("fish", "completions for fish name every option and its values", async () => {
  await using place = await Place.make();
  const complete = (line: string) =>
    ok(
      run([
        "fish",
        "--no-config",
        "-c",
        `source ${TREE}contrib/completions/filed.fish; complete -C "${line}"`,
      ], {
        HOME: place.path, // It makes its folders there.
      }),
    );
  const output = await complete("filed --");
  for (const option of OPTIONS) assert.match(output, new RegExp(`^${option}\\b`, "m"));
  assert.deepEqual((await complete("filed --log-level ")).replaceAll(/\t.*/g, "").trim().split("\n"), [
    "debug",
    "error",
    "info",
    "warn",
  ]);
});

builtTest("filed --man prints the manual page, which man shows and mandoc finds no fault with", async () => {
  await using place = await Place.make();
  const page = `${place.path}/filed.1`; // Of the section that the page says it is of.
  const show = 'set -e; "$1" --man >"$2"; mandoc -Tlint -Wwarning "$2" >&2; "$1" --man | man -l - | col -b';
  const text = await ok(run(["sh", "-c", show, "sh", FILED, page], { MANWIDTH: "80", MANPAGER: "cat" }));
  assert.match(text, /^NAME\n\s+filed - job queue in a directory$/m);
  for (const option of OPTIONS) assert.ok(text.includes(option), option);
});

builtTest("filed --version names version, commit, Deno and SQLite", async () => {
  const text = await ok(run([FILED, "--version"]));
  assert.match(
    text,
    /^filed \d+\.\d+\.\d+\ncommit (unknown|[0-9a-f]{12}\+?)\nDeno \d+\.\d+\.\d+\nSQLite 3\.\d+\.\d+\n$/,
  );
});
