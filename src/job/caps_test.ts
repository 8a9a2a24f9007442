import assert from "node:assert/strict";
import { excessOf, priorityOf, settingsOf } from "./caps.ts";
import { type Config, DEFAULT_CONFIG } from "./config.ts";
import type { Asks } from "./header.ts";

/** What config.json has, what a job asks for, what it gets, and what its submission hears. */
const CASES: [Partial<Config>, Asks, Partial<Config>, RegExp | undefined][] = [
  [{}, { timeoutSec: 86_400 }, { timeoutSec: 86_400 }, undefined],
  [{ atMost: { timeout_sec: 3_600 } }, { timeoutSec: 3_600 }, { timeoutSec: 3_600 }, undefined],
  [
    { atMost: { timeout_sec: 3_600 } },
    { timeoutSec: 3_601 },
    { timeoutSec: 3_600 },
    /^timeout_sec=3601: .* 3600$/,
  ],
  [{ atMost: { timeout_sec: 3_600 } }, { timeoutSec: 0 }, { timeoutSec: 3_600 }, /^timeout_sec=0: /],
  [{ atMost: { timeout_sec: 0 } }, { timeoutSec: 0 }, { timeoutSec: 0 }, undefined],
  [{ atMost: { max_attempts: 5 } }, { maxAttempts: 6 }, { maxAttempts: 5 }, /^max_attempts=6/],
  [{ atMost: { backoff_base: 1 } }, { backoffBase: 2 }, { backoffBase: 1 }, /^backoff_base/],
  [{ atMost: { backoff_mult: 1 } }, { backoffMult: 2 }, { backoffMult: 1 }, /^backoff_mult/],
  [{ maxLogBytes: 100 }, { maxLogBytes: 101 }, { maxLogBytes: 100 }, /^max_log_bytes=101/],
  [{ maxLogBytes: 100 }, { maxLogBytes: 0 }, { maxLogBytes: 0 }, undefined],
  [{ maxMemoryMb: 100 }, { maxMemoryMb: 101 }, { maxMemoryMb: 100 }, /^max_memory_mb=101/],
  [{ maxMemoryMb: 100 }, { maxMemoryMb: 0 }, { maxMemoryMb: 100 }, /^max_memory_mb=0/],
  [{ maxMemoryMb: 0 }, { maxMemoryMb: 100 }, { maxMemoryMb: 100 }, undefined],
  [{ maxCpuSec: 9 }, { maxCpuSec: 10 }, { maxCpuSec: 9 }, /^max_cpu_sec/],
  [{ maxFileMb: 9 }, { maxFileMb: 10 }, { maxFileMb: 9 }, /^max_file_mb/],
  [{ maxOpenFiles: 9 }, { maxOpenFiles: 8 }, { maxOpenFiles: 8 }, undefined],
  [{ nice: 5 }, { nice: 4 }, { nice: 5 }, /^nice=4/],
  [{ nice: 5 }, { nice: 6 }, { nice: 6 }, undefined],
];
for (const [written, asks, expected, excess] of CASES) {
  Deno.test(`with ${JSON.stringify(written)} a job that asks for ${JSON.stringify(asks)} gets what it may`, () => {
    const config = { ...DEFAULT_CONFIG, ...written };
    assert.deepEqual(settingsOf(config, asks, "held-to"), { ...config, ...expected });
    assert.deepEqual(settingsOf(config, asks, "none"), { ...config, ...asks });
    if (excess) assert.match(excessOf(asks, config) ?? "none", excess);
    else assert.equal(excessOf(asks, config), undefined);
  });
}

Deno.test("a priority above 0 is root's to give, unless at_most lets others have it", () => {
  const config = (most?: number) => ({
    ...DEFAULT_CONFIG,
    atMost: most === undefined ? {} : { priority: most },
  });
  assert.match(excessOf({ priority: 1 }, config()) ?? "none", /^priority=1: .* more than 0$/);
  assert.equal(excessOf({ priority: -3 }, config()), undefined);
  assert.equal(excessOf({ priority: 10 }, config(10)), undefined);
  assert.equal(priorityOf({ priority: 11 }, config(10), "held-to"), 10);
  assert.equal(priorityOf({ priority: 11 }, config(10), "none"), 11);
  assert.equal(priorityOf({}, config(-5), "held-to"), 0);
});
