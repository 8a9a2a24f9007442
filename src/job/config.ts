import { type Limits, NO_LIMITS } from "./limits.ts";
import { faultOfPools, type Pools } from "./pools.ts";
import type { Unit } from "./units.ts";

/** The settings of a queue. */
export interface Config extends Limits {
  maxAttempts: number;
  /** 0: no limit. */
  timeoutSec: number;
  /** 0: nothing starts. */
  maxJobCount: number;
  /** Of one user; 0: as many as of all. */
  maxJobCountPerUser: number;
  /** Jobs in pending/ of one user; 0: any number. */
  maxPendingPerUser: number;
  /** All logs of one user's jobs; 0: any number. */
  maxLogMbPerUser: number;
  /** Seconds. */
  backoffBase: number;
  backoffMult: number;
  maxLogBytes: number;
  /** Whether who waits for a job by `after=` fails with it. */
  failDependants: boolean;
  /** Of a job's content. */
  maxJobMb: number;
  /** What jobs may ask for, by the names of config.json. */
  atMost: Caps;
  pools: Pools;
}

/** The settings that a job may ask for more of than config.json has; the others are the most themselves. */
export const CAPPED = ["timeout_sec", "max_attempts", "backoff_base", "backoff_mult", "priority"] as const;
/** What is absent has no cap; but priority, of which it is 0. */
export type Caps = Partial<Record<typeof CAPPED[number], number>>;

export const DEFAULT_CONFIG: Readonly<Config> = {
  maxAttempts: 3,
  timeoutSec: 180,
  maxJobCount: 20,
  maxJobCountPerUser: 0,
  maxPendingPerUser: 0,
  maxLogMbPerUser: 0,
  backoffBase: 2,
  backoffMult: 2,
  maxLogBytes: 16_777_216,
  maxJobMb: 16,
  ...NO_LIMITS,
  failDependants: false,
  atMost: {},
  pools: {},
};

/** What a setting may be. */
export interface Rule {
  key: string;
  kind: "whole" | "fraction";
  min: number;
  max: number;
  /** What it counts, where somebody may say it with a unit. */
  unit?: Unit;
}

/** How each setting is spelled in config.json, in the order shown, and what it may be. */
export const RULES: Record<Exclude<keyof Config, "atMost" | "failDependants" | "pools">, Rule> = {
  maxAttempts: { key: "max_attempts", kind: "whole", min: 1, max: 1_000_000 },
  timeoutSec: { key: "timeout_sec", kind: "whole", min: 0, max: 1_000_000_000, unit: "seconds" },
  maxJobCount: { key: "max_job_count", kind: "whole", min: 0, max: 10_000 },
  maxJobCountPerUser: { key: "max_job_count_per_user", kind: "whole", min: 0, max: 10_000 },
  maxPendingPerUser: { key: "max_pending_per_user", kind: "whole", min: 0, max: 1_000_000_000 },
  maxLogMbPerUser: { key: "max_log_mb_per_user", kind: "whole", min: 0, max: 1_000_000_000 },
  backoffBase: { key: "backoff_base", kind: "fraction", min: 0, max: 1_000_000_000, unit: "seconds" },
  backoffMult: { key: "backoff_mult", kind: "fraction", min: 1, max: 1_000_000 },
  maxLogBytes: { key: "max_log_bytes", kind: "whole", min: 0, max: 2_147_483_647, unit: "bytes" },
  maxJobMb: { key: "max_job_mb", kind: "whole", min: 1, max: 16 },
  maxMemoryMb: { key: "max_memory_mb", kind: "whole", min: 0, max: 1_000_000_000, unit: "mebibytes" },
  maxCpuSec: { key: "max_cpu_sec", kind: "whole", min: 0, max: 1_000_000_000, unit: "seconds" },
  maxFileMb: { key: "max_file_mb", kind: "whole", min: 0, max: 1_000_000_000, unit: "mebibytes" },
  maxOpenFiles: { key: "max_open_files", kind: "whole", min: 0, max: 1_000_000_000 },
  nice: { key: "nice", kind: "whole", min: 0, max: 19 },
};
const SETTINGS = Object.entries(RULES) as [keyof typeof RULES, Rule][];
const FAIL_DEPENDANTS = "fail_dependants";
const AT_MOST = "at_most";
const POOLS = "pools";
/** A job's place before others, which is no setting. */
export const PRIORITY: Rule = { key: "priority", kind: "whole", min: -100, max: 100 };

/** The settings as config.json shows them: every key, indented, ending in a newline. */
export function formatConfig(config: Config): string {
  const shown = Object.fromEntries(SETTINGS.map(([name, { key }]) => [key, config[name]]));
  const others = {
    [FAIL_DEPENDANTS]: config.failDependants,
    [AT_MOST]: config.atMost,
    [POOLS]: config.pools,
  };
  return JSON.stringify({ ...shown, ...others }, null, 2) + "\n";
}

export type ParsedConfig =
  | { kind: "settings"; settings: Partial<Config> }
  /** It can still become JSON, by more text. */
  | { kind: "incomplete" }
  /** `reason` says what is wrong and what would be right. */
  | { kind: "invalid"; reason: string };

/** Reads what somebody wrote into config.json: some of the keys, or all. */
export function parseConfig(text: string): ParsedConfig {
  let written: unknown;
  try {
    written = JSON.parse(text);
  } catch (error) {
    const { message } = error as SyntaxError;
    return isCutShort(text, message)
      ? { kind: "incomplete" }
      : { kind: "invalid", reason: `not JSON: ${message}` };
  }
  if (typeof written !== "object" || written === null || Array.isArray(written)) {
    return { kind: "invalid", reason: 'not a JSON object, such as {"max_job_count": 4}' };
  }
  const settings: Partial<Config> = {};
  for (const [key, value] of Object.entries(written)) {
    if (key === FAIL_DEPENDANTS) {
      if (typeof value === "boolean") settings.failDependants = value;
      else return { kind: "invalid", reason: `${key} is ${JSON.stringify(value)}; it takes true or false` };
      continue;
    }
    if (key === AT_MOST) {
      const fault = faultOfCaps(value);
      if (fault !== undefined) return { kind: "invalid", reason: fault };
      settings.atMost = value as Caps;
      continue;
    }
    if (key === POOLS) {
      const fault = faultOfPools(value);
      if (fault !== undefined) return { kind: "invalid", reason: fault };
      settings.pools = value as Pools;
      continue;
    }
    const setting = SETTINGS.find(([, rule]) => rule.key === key);
    if (!setting) {
      const known = [...SETTINGS.map(([, rule]) => rule.key), FAIL_DEPENDANTS, AT_MOST, POOLS].join(", ");
      return { kind: "invalid", reason: `unknown key ${JSON.stringify(key)}; the keys are ${known}` };
    }
    const [name, rule] = setting;
    if (!obeys(value, rule)) {
      return { kind: "invalid", reason: `${key} is ${JSON.stringify(value)}; it takes ${expectation(rule)}` };
    }
    settings[name] = value;
  }
  return { kind: "settings", settings };
}

function faultOfCaps(caps: unknown): string | undefined {
  if (typeof caps !== "object" || caps === null || Array.isArray(caps)) {
    return `${AT_MOST} is ${JSON.stringify(caps)}; it takes an object, such as {"timeout_sec": 86400}`;
  }
  for (const [key, value] of Object.entries(caps)) {
    if (!(CAPPED as readonly string[]).includes(key)) {
      return `${AT_MOST}: unknown key ${JSON.stringify(key)}; the keys are ${CAPPED.join(", ")}`;
    }
    const rule = [...Object.values(RULES), PRIORITY].find((rule) => rule.key === key);
    if (rule && !obeys(value, rule)) {
      return `${AT_MOST}: ${key} is ${JSON.stringify(value)}; it takes ${expectation(rule)}`;
    }
  }
  return undefined;
}

export function obeys(value: unknown, { kind, min, max }: Rule): value is number {
  return typeof value === "number" && value >= min && value <= max &&
    (kind === "fraction" || Number.isInteger(value));
}

export function expectation({ kind, min, max }: Rule): string {
  return `a ${kind === "whole" ? "whole number" : "number"} from ${min} to ${max}`;
}

/** Whether V8's JSON.parse failed for want of more text, and not at something in it. */
function isCutShort(text: string, message: string): boolean {
  const position = /at position (\d+)/.exec(message)?.[1];
  return /^Unexpected end of|^Unterminated string in/.test(message) ||
    position !== undefined && Number(position) >= text.length;
}
