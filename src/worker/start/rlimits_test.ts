import assert from "node:assert/strict";
import { NO_LIMITS } from "../../job/limits.ts";
import { Inherited, rlimitsOf } from "./rlimits.ts";

const INFINITE = new Inherited(undefined, () => ({ soft: 2 ** 64, hard: 2 ** 64 }));
const LIMITS = { maxMemoryMb: 2, maxCpuSec: 3, maxFileMb: 1, maxOpenFiles: 100, nice: 9 };

Deno.test("rlimitsOf(): 0 is no limit", () => {
  const rlimits = rlimitsOf(NO_LIMITS, INFINITE);
  assert.deepEqual([...rlimits.memory, ...rlimits.others], []);
});

Deno.test("rlimitsOf(): memory and files in bytes, CPU time in seconds with 5 to clean up", () => {
  const rlimits = rlimitsOf(LIMITS, INFINITE);
  assert.deepEqual(rlimits.memory, [{ resource: "DATA", soft: 2_097_152, hard: 2_097_152 }]);
  assert.deepEqual(rlimits.others, [
    { resource: "CPU", soft: 3, hard: 8 },
    { resource: "FSIZE", soft: 1_048_576, hard: 1_048_576 },
    { resource: "NOFILE", soft: 100, hard: 100 },
  ]);
});

Deno.test("rlimitsOf(): what is inherited is never raised", () => {
  const rlimits = rlimitsOf(LIMITS, new Inherited(undefined, () => ({ soft: 2, hard: 5_000 })));
  assert.deepEqual(rlimits.memory, [{ resource: "DATA", soft: 2, hard: 5_000 }]);
  assert.deepEqual(rlimits.others, [
    { resource: "CPU", soft: 2, hard: 8 },
    { resource: "FSIZE", soft: 2, hard: 5_000 },
    { resource: "NOFILE", soft: 2, hard: 100 },
  ]);
});

Deno.test("rlimitsOf(): the largest settings stay whole numbers", () => {
  const most = 1_000_000_000;
  const rlimits = rlimitsOf(
    { maxMemoryMb: most, maxCpuSec: most, maxFileMb: most, maxOpenFiles: most, nice: 0 },
    INFINITE,
  );
  for (const { soft, hard } of [...rlimits.memory, ...rlimits.others]) {
    for (const number of [soft, hard]) assert.ok(Number.isSafeInteger(number), `${number}`);
  }
});

const RAISED = () => ({ soft: 5_000, hard: 5_000 });
const OPEN_FILES: [string, number | undefined, number, unknown[]][] = [
  ["what filed has raised for itself is given back", 1_024, 0, [{
    resource: "NOFILE",
    soft: 1_024,
    hard: 5_000,
  }]],
  ["a setting does not raise it", 1_024, 2_000, [{ resource: "NOFILE", soft: 1_024, hard: 2_000 }]],
  ["a lower setting counts", 1_024, 100, [{ resource: "NOFILE", soft: 100, hard: 100 }]],
  ["nothing is set where it is filed's own", 5_000, 0, []],
  ["nothing is set where nobody knows", undefined, 0, []],
];
for (const [what, openFiles, maxOpenFiles, expected] of OPEN_FILES) {
  Deno.test(`rlimitsOf() open files: ${what}`, () => {
    const rlimits = rlimitsOf({ ...NO_LIMITS, maxOpenFiles }, new Inherited(openFiles, RAISED));
    assert.deepEqual(rlimits.others, expected);
  });
}
