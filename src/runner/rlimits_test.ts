import assert from "node:assert/strict";
import { NO_LIMITS } from "../queue/limits.ts";
import { Rlimits } from "./rlimits.ts";

const INFINITE = () => ({ soft: 2 ** 64, hard: 2 ** 64 });
const LIMITS = { maxMemoryMb: 2, maxCpuSec: 3, maxFileMb: 1, maxOpenFiles: 100, nice: 9 };

Deno.test("Rlimits: 0 is no limit", () => {
  const rlimits = new Rlimits(NO_LIMITS, INFINITE);
  assert.deepEqual([...rlimits.memory(), ...rlimits.others()], []);
});

Deno.test("Rlimits: memory in KiB, CPU time in seconds with 5 to clean up, files in blocks of 512 bytes", () => {
  const rlimits = new Rlimits(LIMITS, INFINITE);
  assert.deepEqual(rlimits.memory(), [{ option: "-d", soft: 2_048, hard: 2_048 }]);
  assert.deepEqual(rlimits.others(), [
    { option: "-t", soft: 3, hard: 8 },
    { option: "-f", soft: 2_048, hard: 2_048 },
    { option: "-n", soft: 100, hard: 100 },
  ]);
});

Deno.test("Rlimits: what is inherited is never raised", () => {
  const rlimits = new Rlimits(LIMITS, () => ({ soft: 2, hard: 5_000 }));
  assert.deepEqual(rlimits.memory(), [{ option: "-d", soft: 0, hard: 4 }]);
  assert.deepEqual(rlimits.others(), [
    { option: "-t", soft: 2, hard: 8 },
    { option: "-f", soft: 0, hard: 9 },
    { option: "-n", soft: 2, hard: 100 },
  ]);
});

Deno.test("Rlimits: the largest settings stay whole numbers, in digits", () => {
  const most = 1_000_000_000;
  const rlimits = new Rlimits(
    { maxMemoryMb: most, maxCpuSec: most, maxFileMb: most, maxOpenFiles: most, nice: 0 },
    INFINITE,
  );
  for (const { soft, hard } of [...rlimits.memory(), ...rlimits.others()]) {
    for (const number of [soft, hard]) assert.match(String(number), /^\d+$/);
  }
});
