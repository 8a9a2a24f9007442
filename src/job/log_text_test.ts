import assert from "node:assert/strict";
import { describeEnding, type Ending } from "./ending.ts";
import { logEnd, logHeader } from "./log_text.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const NEWLINE = 10;

const HEADERS = [
  ["echo 'hello world'", ">>> echo 'hello world'\n"],
  ["echo x\n", ">>> echo x\n"],
  ["a\nb\n\n", ">>> a\nb\n"],
  ["", ">>> \n"],
] as const;
for (const [command, expected] of HEADERS) {
  Deno.test(`logHeader() of ${JSON.stringify(command)}`, () =>
    assert.equal(text(logHeader(utf8(command), {})), expected));
}

Deno.test("logHeader() of a long command has its beginning, and how much more there is", () => {
  const command = "x".repeat(5_000);
  const expected = `>>> ${"x".repeat(4_096)}\n[filed: 904 more bytes of the command]\n`;
  assert.equal(text(logHeader(utf8(`${command}\n`), {})), expected);
});

Deno.test("logHeader() of a program has its size, and of a command with data the command", () => {
  assert.equal(text(logHeader(utf8("\x7fELF\0\0"), {})), ">>> [filed: a program of 6 bytes]\n");
  const asks = { stdin: { commandBytes: 4, dataAt: 8 } };
  assert.equal(text(logHeader(utf8("cat\nEND\ndata"), asks)), ">>> cat\n");
});

const NOTHING = { droppedBytes: 0, tail: new Uint8Array(), survivors: [] };
const SUCCESS: Ending = { kind: "exited", status: 0 };
const FAILURE: Ending = { kind: "exited", status: 127 };
const ENDS: [string, Parameters<typeof logEnd>[0], number, string][] = [
  ["success adds nothing", { ...NOTHING, ending: SUCCESS }, NEWLINE, ""],
  ["success keeps an unended line", { ...NOTHING, ending: SUCCESS }, 65, ""],
  ["failure", { ...NOTHING, ending: FAILURE }, NEWLINE, "\n\n[System Error]: exit status 127\n"],
  [
    "failure after an unended line",
    { ...NOTHING, ending: FAILURE },
    65,
    "\n\n\n[System Error]: exit status 127\n",
  ],
  [
    "dropped output",
    { ...NOTHING, ending: SUCCESS, droppedBytes: 7, tail: utf8("tail\n") },
    65,
    "\n[filed: 7 bytes dropped]\ntail\n",
  ],
  [
    "dropped output, failure",
    { ...NOTHING, ending: FAILURE, droppedBytes: 7, tail: utf8("tail") },
    NEWLINE,
    "[filed: 7 bytes dropped]\ntail\n\n\n[System Error]: exit status 127\n",
  ],
  [
    "survivors",
    {
      ...NOTHING,
      ending: { kind: "signaled", signal: "SIGKILL" },
      survivors: [{ pid: 7, name: "a\u001bb" }, { pid: 8, name: "c" }],
    },
    NEWLINE,
    "[filed: processes that could not be ended: 7 (a?b), 8 (c)]\n\n\n[System Error]: signal: killed\n",
  ],
];
for (const [name, end, lastByte, expected] of ENDS) {
  Deno.test(`logEnd(): ${name}`, () => assert.equal(text(logEnd(end, lastByte)), expected));
}

const ENDINGS: [Ending, string][] = [
  [{ kind: "exited", status: 1 }, "exit status 1"],
  [{ kind: "signaled", signal: "SIGSEGV" }, "signal: segmentation fault"],
  [{ kind: "signaled", signal: "SIGRTMIN+1" }, "signal: SIGRTMIN+1"],
  [
    { kind: "signaled", signal: "SIGXCPU", limit: { name: "max_cpu_sec", value: 2 } },
    "signal: CPU time limit exceeded (max_cpu_sec: more than 2 s of CPU time)",
  ],
  [
    { kind: "exited", status: 153, limit: { name: "max_file_mb", value: 1 } },
    "exit status 153 (max_file_mb: more than 1 MiB in a file)",
  ],
  [
    { kind: "signaled", signal: "SIGKILL", limit: { name: "max_memory_mb", value: 64 } },
    "signal: killed (max_memory_mb: more than 64 MiB of memory)",
  ],
  [{ kind: "timed-out", afterSec: 180 }, "timed out after 180 s"],
  [{ kind: "interrupted" }, "interrupted: filed stopped while the job ran"],
];
for (const [ending, expected] of ENDINGS) {
  Deno.test(`describeEnding(): ${expected}`, () => assert.equal(describeEnding(ending), expected));
}
