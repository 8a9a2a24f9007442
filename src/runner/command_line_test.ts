import assert from "node:assert/strict";
import { wrap, type Wrapping } from "./command_line.ts";

const PLAIN = { command: bytes("true"), credentials: undefined, cgroup: undefined, setsid: undefined };
const USER = { uid: 5, gid: 6 };

const SCRIPTS: [string, Partial<Wrapping>, string, string[]][] = [
  ["nothing else", {}, 'exec 2>&1\nexec sh -c -- "$1"', ["true"]],
  ["setsid", { setsid: "/bin/setsid" }, 'exec 2>&1\nexec /bin/setsid sh -c -- "$1"', ["true"]],
  [
    "a user",
    { credentials: { ...USER, groups: "own" } },
    'exec 2>&1\nexec setpriv --reuid=5 --regid=6 --init-groups -- sh -c -- "$1"',
    ["true"],
  ],
  [
    "a uid without a user",
    { credentials: { ...USER, groups: "none" } },
    'exec 2>&1\nexec setpriv --reuid=5 --regid=6 --clear-groups -- sh -c -- "$1"',
    ["true"],
  ],
  [
    "a cgroup, which is joined before the user changes",
    { cgroup: "/cg/x", credentials: { ...USER, groups: "own" } },
    'exec 2>&1\n{ echo 0 >"$1"; } 2>/dev/null\nshift\nexec setpriv --reuid=5 --regid=6 --init-groups -- sh -c -- "$1"',
    ["/cg/x/cgroup.procs", "true"],
  ],
];

for (const [name, part, script, parameters] of SCRIPTS) {
  Deno.test(`wrap() with ${name}`, () => {
    assert.deepEqual(wrap({ ...PLAIN, ...part }), ["-c", script, "sh", ...parameters]);
  });
}

const COMMANDS: [string, Uint8Array, string[]][] = [
  ["text as it is", bytes("echo 'ü' \\n\n"), ["echo 'ü' \\n\n"]],
  ["a byte order mark as it is", Uint8Array.of(0xef, 0xbb, 0xbf, 0x61), ["\ufeffa"]],
  ["other bytes escaped", Uint8Array.of(0x61, 0xff, 0x31), ["", "a\\03771"]],
  ["a backslash beside them escaped", Uint8Array.of(0x5c, 0xff), ["", "\\0134\\0377"]],
  ["newlines at the end apart", Uint8Array.of(0xff, 0x0a, 0x61, 0x0a, 0x0a), ["\n\n", "\\0377\na"]],
];

for (const [name, command, parameters] of COMMANDS) {
  Deno.test(`wrap() passes ${name}`, () => {
    assert.deepEqual(wrap({ ...PLAIN, command }).slice(3), parameters);
  });
}

Deno.test("wrap() splits what is too long for one argument", () => {
  const [newlines, ...rest] = wrap({ ...PLAIN, command: new Uint8Array(131_071).fill(0xff) }).slice(3);
  assert.equal(newlines, "");
  assert.equal(rest.join(""), "\\0377".repeat(131_071));
  assert.ok(rest.every(({ length }) => length < 131_072));
});

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
