import { type Limits, NO_LIMITS } from "./limits.ts";

/** The settings of a queue. */
export interface Config extends Limits {
  maxAttempts: number;
  /** 0: no limit. */
  timeoutSec: number;
  /** 0: nothing starts. */
  maxJobCount: number;
  /** Seconds. */
  backoffBase: number;
  backoffMult: number;
  maxLogBytes: number;
}

export const DEFAULT_CONFIG: Readonly<Config> = {
  maxAttempts: 3,
  timeoutSec: 180,
  maxJobCount: 20,
  backoffBase: 2,
  backoffMult: 2,
  maxLogBytes: 16_777_216,
  ...NO_LIMITS,
};

interface Rule {
  key: string;
  kind: "whole" | "fraction";
  min: number;
  max: number;
}

/** How each setting is spelled in config.json, in the order shown, and what it may be. */
const RULES: Record<keyof Config, Rule> = {
  maxAttempts: { key: "max_attempts", kind: "whole", min: 1, max: 1_000_000 },
  timeoutSec: { key: "timeout_sec", kind: "whole", min: 0, max: 1_000_000_000 },
  maxJobCount: { key: "max_job_count", kind: "whole", min: 0, max: 10_000 },
  backoffBase: { key: "backoff_base", kind: "fraction", min: 0, max: 1_000_000_000 },
  backoffMult: { key: "backoff_mult", kind: "fraction", min: 1, max: 1_000_000 },
  maxLogBytes: { key: "max_log_bytes", kind: "whole", min: 0, max: 2_147_483_647 },
  maxMemoryMb: { key: "max_memory_mb", kind: "whole", min: 0, max: 1_000_000_000 },
  maxCpuSec: { key: "max_cpu_sec", kind: "whole", min: 0, max: 1_000_000_000 },
  maxFileMb: { key: "max_file_mb", kind: "whole", min: 0, max: 1_000_000_000 },
  maxOpenFiles: { key: "max_open_files", kind: "whole", min: 0, max: 1_000_000_000 },
  nice: { key: "nice", kind: "whole", min: 0, max: 19 },
};
const SETTINGS = Object.entries(RULES) as [keyof Config, Rule][];

/** The settings as config.json shows them: every key, indented, ending in a newline. */
export function formatConfig(config: Config): string {
  const shown = Object.fromEntries(SETTINGS.map(([name, { key }]) => [key, config[name]]));
  return JSON.stringify(shown, null, 2) + "\n";
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
    const setting = SETTINGS.find(([, rule]) => rule.key === key);
    if (!setting) {
      const known = SETTINGS.map(([, rule]) => rule.key).join(", ");
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

function obeys(value: unknown, { kind, min, max }: Rule): value is number {
  return typeof value === "number" && value >= min && value <= max &&
    (kind === "fraction" || Number.isInteger(value));
}

function expectation({ kind, min, max }: Rule): string {
  return `a ${kind === "whole" ? "whole number" : "number"} from ${min} to ${max}`;
}

/** Whether V8's JSON.parse failed for want of more text, and not at something in it. */
function isCutShort(text: string, message: string): boolean {
  const position = /at position (\d+)/.exec(message)?.[1];
  return /^Unexpected end of|^Unterminated string in/.test(message) ||
    position !== undefined && Number(position) >= text.length;
}
