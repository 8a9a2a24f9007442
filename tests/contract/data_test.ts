/** Names and contents are data: to the shell, to the log, to the state file, and to whatever else filed calls. */
import assert from "node:assert/strict";
import { type Filed, ok, Place, run, startFiled } from "../harness.ts";
import { Program } from "../program.ts";

/** Ids that mean something to a program that they reach as anything but data. */
const HOSTILE = [
  "-rf",
  "--",
  "--help",
  "-n x",
  "$(touch x)",
  "`touch x`",
  "; touch x;",
  "|touch x&",
  "a b  c",
  "'; touch x; '",
  '"; touch x; "',
  "'; DROP TABLE jobs; --",
  "%s%n%d",
  "\\n\\x41\\",
  "*",
  "?[a-z]",
  "FILED_RUN=x",
  "x=1 y",
  '{"level":"ERROR"}',
  "a\u2028b\u2029c",
  "\u202egpj.exe",
  "\u200f\u2066x",
  "\u{e0001}tag",
  "𝒳🙂",
];

/** Fails if anything was made where filed and its jobs run. */
async function assertNothingMade(folder: string): Promise<void> {
  assert.equal(await ok(run(["ls", "-A", folder])), "");
}

Deno.test("whatever an id says, the job is run, renamed, tried again and removed, and nothing else is done", async () => {
  await using place = await Place.make();
  const cwd = `${place.path}/cwd`;
  await Deno.mkdir(cwd);
  await using filed = await startFiled({ cwd, config: { max_attempts: 1 } });
  const command = 'printf %s "$FILED_JOB_ID"; exit 1';
  for (const id of HOSTILE) await filed.submit(id, command);
  for (const id of HOSTILE) {
    assert.equal(await filed.finished(id), `>>> ${command}\n${id}\n\n\n[System Error]: exit status 1\n`, id);
    await Deno.rename(`${filed.mount}/failed/${id}`, `${filed.mount}/failed/${id}+`);
    await Deno.rename(`${filed.mount}/failed/${id}+`, `${filed.mount}/pending/${id}+`);
  }
  for (const id of HOSTILE) await filed.event("attempt ended", { job: `${id}+` });
  assert.deepEqual(await filed.list("failed"), HOSTILE.map((id) => `${id}+`).sort());
  for (const id of HOSTILE) await Deno.remove(`${filed.mount}/failed/${id}+`);
  assert.deepEqual(await filed.list("failed"), []);
  await assertNothingMade(cwd);
  assert.equal(await filed.finish("still", "true"), ">>> true\n");
});

const COMMANDS: [string, string, string][] = [
  ["quotes", `printf '%s' "it's"`, "it's"],
  ["a leading dash", "-x 2>/dev/null; echo 1", "1\n"],
  ["an option of sh", "--version 2>/dev/null; echo 1", "1\n"],
  ["newlines", "echo 1\n\necho 2", "1\n2\n"],
  ["what is no UTF-8 of one character", "printf '\\303'", "\ufffd"],
  ["a shell's own text", "printf '%s' '$(touch x)`touch x`'", "$(touch x)`touch x`"],
  ["SQL", 'echo "\'); DROP TABLE jobs; --"', "'); DROP TABLE jobs; --\n"],
  ["escapes of a terminal", "printf '\x1b[2J\x9b31m'", "\x1b[2J\x9b31m"],
  ["what a log looks like", "printf '[System Error]: x\\n>>> y\\n'", "[System Error]: x\n>>> y\n"],
];

Deno.test("whatever a command says, one sh gets it, as it is", async () => {
  await using place = await Place.make();
  const cwd = `${place.path}/cwd`;
  await Deno.mkdir(cwd);
  await using filed = await startFiled({ cwd });
  for (const [index, [what, command, output]] of COMMANDS.entries()) {
    assert.equal(await filed.finish(String(index), command), `>>> ${command}\n${output}`, what);
  }
  await assertNothingMade(cwd);
});

/** Runs filed, and in it a job of each of those ids and some bad settings. @returns Its log. */
async function logOf(format: "text" | "json"): Promise<string> {
  await using place = await Place.make();
  const mount = `${place.path}/mnt`;
  await using program = Program.start(["--state", `${place.path}/filed.db`, "--log-format", format, mount]);
  await program.says(/ready/);
  for (const id of HOSTILE) await Deno.writeTextFile(`${mount}/pending/${id}`, "true");
  for (const id of HOSTILE) {
    await ok(run(["sh", "-c", 'until [ -e "$X" ]; do :; done'], { X: `${mount}/complete/${id}` }));
  }
  const bad = [{ "x\n2000-01-01T00:00:00.000Z ERROR forged": 1 }, { "\x7f\x9b31m\u202e": 1 }];
  for (const settings of bad) {
    await assert.rejects(Deno.writeTextFile(`${mount}/config.json`, JSON.stringify(settings)));
  }
  program.signal("SIGTERM");
  assert.equal(await program.ended(), 0);
  return program.stderr;
}

function assertPlain(log: string) {
  assert.doesNotMatch(log.replaceAll("\n", ""), /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
}

Deno.test("no id and no content starts a line of the text log, or writes to a terminal what it obeys", async () => {
  const log = await logOf("text");
  assertPlain(log);
  for (const line of log.trimEnd().split("\n")) assert.match(line, /^20[2-9]\d-\S+Z (INFO|WARN) [a-z]/);
  for (const id of HOSTILE.filter((id) => /^[ -~]+$/.test(id))) {
    assert.ok(log.includes(` INFO attempt started job=${JSON.stringify(id)} attempt=1\n`), id);
  }
});

Deno.test("the same holds for the JSON log, from which each id can be read as it is", async () => {
  const log = await logOf("json");
  assertPlain(log);
  const lines: Filed["log"] = log.trimEnd().split("\n").map((line) => JSON.parse(line));
  const started = lines.filter(({ message }) => message === "attempt started");
  assert.deepEqual(started.map(({ properties }) => properties.job).sort(), [...HOSTILE].sort());
  assert.ok(lines.every(({ level }) => level === "INFO" || level === "WARN"));
});
