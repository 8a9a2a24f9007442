import assert from "node:assert/strict";
import { NO_LIMITS, type ReachedLimit } from "../job/limits.ts";
import type { WaitStatus } from "../sys/processes/wait.ts";
import { limitReached } from "./limit_reached.ts";

const ALL = { maxMemoryMb: 64, maxCpuSec: 2, maxFileMb: 1, maxOpenFiles: 10, nice: 1 };
const exited = (status: number): WaitStatus => ({ kind: "exited", status });
const signaled = (signal: string): WaitStatus => ({ kind: "signaled", signal });

const CASES: [string, WaitStatus, boolean, ReachedLimit | undefined][] = [
  ["a success", exited(0), false, undefined],
  ["a success after a process without memory", exited(0), true, undefined],
  ["a failure", exited(1), false, undefined],
  ["a failure for want of memory", exited(137), true, { name: "max_memory_mb", value: 64 }],
  ["a shell killed for want of memory", signaled("SIGKILL"), true, { name: "max_memory_mb", value: 64 }],
  ["a shell killed for another reason", signaled("SIGKILL"), false, undefined],
  ["SIGXCPU", signaled("SIGXCPU"), false, { name: "max_cpu_sec", value: 2 }],
  ["a shell whose child had SIGXCPU", exited(152), false, { name: "max_cpu_sec", value: 2 }],
  ["SIGXFSZ", signaled("SIGXFSZ"), false, { name: "max_file_mb", value: 1 }],
  ["a shell whose child had SIGXFSZ", exited(153), false, { name: "max_file_mb", value: 1 }],
];

for (const [name, exit, isOutOfMemory, expected] of CASES) {
  Deno.test(`limitReached() by ${name}`, () => {
    assert.deepEqual(limitReached(exit, ALL, isOutOfMemory), expected);
  });
  Deno.test(`limitReached() by ${name} blames no limit that is not set`, () => {
    assert.equal(limitReached(exit, NO_LIMITS, isOutOfMemory), undefined);
  });
}
