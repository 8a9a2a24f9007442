import assert from "node:assert/strict";
import { decodeWaitStatus, type WaitStatus } from "./wait.ts";

const CASES: [string, number, WaitStatus][] = [
  ["exit status 0", 0x0000, { kind: "exited", status: 0 }],
  ["exit status 255", 0xff00, { kind: "exited", status: 255 }],
  ["SIGKILL", 0x0009, { kind: "signaled", signal: "SIGKILL" }],
  ["SIGSEGV with a core dump", 0x008b, { kind: "signaled", signal: "SIGSEGV" }],
  ["SIGSYS, the last with a name", 0x001f, { kind: "signaled", signal: "SIGSYS" }],
  ["a realtime signal", 37, { kind: "signaled", signal: "SIGRTMIN+3" }],
];

for (const [name, status, expected] of CASES) {
  Deno.test(`decodeWaitStatus() of ${name}`, () => assert.deepEqual(decodeWaitStatus(status), expected));
}
