import assert from "node:assert/strict";
import { DEFAULT_CONFIG, formatConfig, parseConfig } from "./config.ts";

Deno.test("formatConfig() shows every key, indented, and parseConfig() reads it back", () => {
  const text = formatConfig(DEFAULT_CONFIG);
  assert.equal(
    text,
    `{
  "max_attempts": 3,
  "timeout_sec": 180,
  "max_job_count": 20,
  "max_job_count_per_user": 0,
  "max_pending_per_user": 0,
  "max_log_mb_per_user": 0,
  "backoff_base": 2,
  "backoff_mult": 2,
  "max_log_bytes": 16777216,
  "max_job_mb": 16,
  "max_memory_mb": 0,
  "max_cpu_sec": 0,
  "max_file_mb": 0,
  "max_open_files": 0,
  "nice": 0,
  "fail_dependants": false,
  "at_most": {},
  "pools": {}
}
`,
  );
  assert.deepEqual(parseConfig(text), { kind: "settings", settings: { ...DEFAULT_CONFIG } });
});

const SETTINGS = [
  ["{}", {}],
  ['{"max_job_count": 4}\n', { maxJobCount: 4 }],
  ['{"max_job_count": 0}', { maxJobCount: 0 }],
  ['{"max_job_count_per_user": 10000}', { maxJobCountPerUser: 10_000 }],
  ['{"max_pending_per_user": 1, "max_log_mb_per_user": 2}', { maxPendingPerUser: 1, maxLogMbPerUser: 2 }],
  ['  {"backoff_base": 0.25, "backoff_mult": 1}', { backoffBase: 0.25, backoffMult: 1 }],
  ['{"timeout_sec": 0, "max_attempts": 1}', { timeoutSec: 0, maxAttempts: 1 }],
  ['{"max_memory_mb": 64, "nice": 19}', { maxMemoryMb: 64, nice: 19 }],
  ['{"at_most": {"timeout_sec": 86400, "priority": 10}}', { atMost: { timeout_sec: 86_400, priority: 10 } }],
  ['{"fail_dependants": true}', { failDependants: true }],
  ['{"at_most": {}}', { atMost: {} }],
  ['{"pools": {"gpu": 2, "api": 0}}', { pools: { gpu: 2, api: 0 } }],
  ['{"pools": {}}', { pools: {} }],
] as const;
for (const [text, settings] of SETTINGS) {
  Deno.test(`parseConfig() takes ${JSON.stringify(text)}`, () => {
    assert.deepEqual(parseConfig(text), { kind: "settings", settings });
  });
}

const INCOMPLETE = [
  "",
  " ",
  "{",
  '{"max',
  '{"max_attempts"',
  '{"max_attempts":',
  '{"max_attempts": 1',
  '{"a": tr',
  "nul",
];
for (const text of INCOMPLETE) {
  Deno.test(`parseConfig() waits for more after ${JSON.stringify(text)}`, () => {
    assert.deepEqual(parseConfig(text), { kind: "incomplete" });
  });
}

const INVALID = [
  ['{"fail_dependants": 1}', /^fail_dependants is 1; it takes true or false$/],
  ["{x", /not JSON/],
  ["max_attempts=3", /not JSON/],
  ['{"max_attempts": 1}}', /not JSON/],
  ["5", /not a JSON object/],
  ["null", /not a JSON object/],
  ["[1]", /not a JSON object/],
  ['"text"', /not a JSON object/],
  ['{"max_atempts": 1}', /unknown key "max_atempts"; the keys are max_attempts, timeout_sec/],
  ['{"__proto__": 1}', /unknown key "__proto__"/],
  ['{"max_attempts": 0}', /max_attempts is 0; it takes a whole number from 1 to/],
  ['{"max_attempts": 1.5}', /max_attempts is 1\.5; it takes a whole number/],
  ['{"max_attempts": "3"}', /max_attempts is "3"; it takes a whole number/],
  ['{"max_attempts": null}', /max_attempts is null/],
  ['{"timeout_sec": -1}', /timeout_sec is -1/],
  ['{"backoff_base": -0.1}', /backoff_base is -0\.1; it takes a number from 0/],
  ['{"backoff_mult": 0.9}', /backoff_mult is 0\.9; it takes a number from 1/],
  ['{"max_log_bytes": 1e300}', /max_log_bytes is 1e\+300/],
  ['{"max_memory_mb": 0.5}', /max_memory_mb is 0\.5; it takes a whole number from 0 to 1000000000/],
  ['{"max_cpu_sec": -1}', /max_cpu_sec is -1/],
  ['{"max_file_mb": "1"}', /max_file_mb is "1"/],
  ['{"max_open_files": 1e10}', /max_open_files is 10000000000/],
  ['{"nice": 20}', /nice is 20; it takes a whole number from 0 to 19/],
  ['{"nice": -1}', /nice is -1/],
  ['{"at_most": 3}', /at_most is 3; it takes an object/],
  ['{"at_most": [3]}', /at_most is \[3\]; it takes an object/],
  ['{"at_most": {"nice": 3}}', /at_most: unknown key "nice"; the keys are timeout_sec, max_attempts/],
  ['{"at_most": {"timeout_sec": "3"}}', /at_most: timeout_sec is "3"; it takes a whole number/],
  ['{"at_most": {"priority": 101}}', /at_most: priority is 101; it takes a whole number from -100 to 100/],
  ['{"pools": {"gpu": -1}}', /pools: gpu is -1; it takes a whole number from 0 to 1000/],
  ['{"pools": 3}', /pools is 3; it takes an object/],
  ['{"max_job_count": 4, "nope": 1}', /unknown key "nope"/],
] as const;
for (const [text, reason] of INVALID) {
  Deno.test(`parseConfig() refuses ${JSON.stringify(text)}, and says why`, () => {
    const parsed = parseConfig(text);
    assert.equal(parsed.kind, "invalid");
    assert.match(parsed.kind === "invalid" ? parsed.reason : "", reason);
  });
}
