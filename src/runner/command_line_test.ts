import assert from "node:assert/strict";
import { commandLine, commandLineIn } from "./command_line.ts";

const COMMAND = Uint8Array.of(0x74, 0xff);

Deno.test("commandLine() hands the text to sh as it is", () => {
  assert.deepEqual(commandLine(COMMAND), { path: "/bin/sh", args: ["sh", "-c", "--", COMMAND] });
});

Deno.test("commandLineIn() of no directory is the same", () => {
  assert.deepEqual(commandLineIn([], COMMAND), commandLine(COMMAND));
});

Deno.test("commandLineIn() passes directories on as arguments, never as a part of the script", () => {
  const directories = ["/home/$(x)", "/b"];
  const { path, args } = commandLineIn(directories, COMMAND);
  assert.equal(path, "/bin/sh");
  assert.deepEqual(args.slice(3), ["sh", ...directories, "/bin/sh", "-c", "--", COMMAND, "sh"]);
});

const DIRECTORIES: [string, string[], string][] = [
  ["the first that there is", ["/none", "/usr", "/etc"], "/usr"],
  ["the root if there is none", ["/none"], "/"],
];
for (const [what, cwd, expected] of DIRECTORIES) {
  Deno.test(`commandLineIn() has the job begin in ${what}, with nothing else changed`, async () => {
    const command = new TextEncoder().encode('pwd -P; echo "$0"; env | grep -c "^OLDPWD=\\|^PWD=/none"');
    const { path, args } = commandLineIn(cwd, command);
    const texts = args.slice(1).map((arg) => typeof arg === "string" ? arg : new TextDecoder().decode(arg));
    const { stdout } = await new Deno.Command(path, { args: texts }).output();
    assert.equal(new TextDecoder().decode(stdout), `${expected}\nsh\n0\n`);
  });
}
