import assert from "node:assert/strict";
import { wrap, type Wrapping } from "./command_line.ts";

const COMMAND = Uint8Array.of(0x74, 0xff);
const PLAIN: Wrapping = { command: COMMAND, credentials: undefined, joinsCgroup: false };
const USER = { uid: 5, gid: 6 };
const JOIN = ["sh", "-c", '{ echo 0 >&3; } 2>/dev/null; exec 3>&-; exec "$@"', "sh"];
const SHELL = ["/bin/sh", "-c", "--", COMMAND, "sh"];

const CASES: [string, Partial<Wrapping>, string, unknown[]][] = [
  ["nothing else", {}, "/bin/sh", ["sh", "-c", "--", COMMAND]],
  ["a cgroup to join", { joinsCgroup: true }, "/bin/sh", [...JOIN, ...SHELL]],
  [
    "a user",
    { credentials: { ...USER, groups: "own" } },
    "/usr/bin/setpriv",
    ["/usr/bin/setpriv", "--reuid=5", "--regid=6", "--init-groups", "--", ...SHELL],
  ],
  [
    "a uid without a user, and a cgroup, which is joined first",
    { credentials: { ...USER, groups: "none" }, joinsCgroup: true },
    "/bin/sh",
    [...JOIN, "/usr/bin/setpriv", "--reuid=5", "--regid=6", "--clear-groups", "--", ...SHELL],
  ],
];

for (const [name, part, path, args] of CASES) {
  Deno.test(`wrap() with ${name}`, () => assert.deepEqual(wrap({ ...PLAIN, ...part }), { path, args }));
}
