import assert from "node:assert/strict";
import type { Rlimit } from "./rlimits.ts";
import { wrap, type Wrapping } from "./command_line.ts";

const COMMAND = Uint8Array.of(0x74, 0xff);
const PLAIN: Wrapping = {
  command: COMMAND,
  credentials: undefined,
  joinsCgroup: false,
  rlimits: [],
  rlimitsOutside: [],
};
const CPU: Rlimit = { option: "-t", soft: 1, hard: 6 };
const MEMORY: Rlimit = { option: "-d", soft: 8, hard: 8 };
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
  ["limits, one of them for want of a cgroup", { rlimits: [MEMORY], rlimitsOutside: [CPU] }, "/bin/sh", [
    "sh",
    "-c",
    '{ ulimit -S -t 1 && ulimit -H -t 6 && ulimit -S -d 8 && ulimit -H -d 8; } || exit; exec "$@"',
    "sh",
    ...SHELL,
  ]],
  [
    "a user and limits, one of them in place of a cgroup",
    {
      credentials: { ...USER, groups: "own" },
      joinsCgroup: true,
      rlimits: [CPU],
      rlimitsOutside: [MEMORY],
    },
    "/bin/sh",
    [
      "sh",
      "-c",
      "{ echo 0 >&3; } 2>/dev/null || { ulimit -S -d 8 && ulimit -H -d 8; } || exit; exec 3>&-; " +
      '{ ulimit -S -t 1 && ulimit -H -t 6; } || exit; exec "$@"',
      "sh",
      "/usr/bin/setpriv",
      "--reuid=5",
      "--regid=6",
      "--init-groups",
      "--",
      ...SHELL,
    ],
  ],
];

for (const [name, part, path, args] of CASES) {
  Deno.test(`wrap() with ${name}`, () => assert.deepEqual(wrap({ ...PLAIN, ...part }), { path, args }));
}
