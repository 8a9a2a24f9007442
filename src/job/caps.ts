import { type Config, PRIORITY, RULES } from "./config.ts";
import { type Asks, OWN_SETTINGS } from "./header.ts";

/** What a job can have at the most of something, and how its asking for more is found. */
interface Cap {
  key: string;
  /** As it is in config.json; `undefined`: any. */
  most(config: Config): number | undefined;
  /** How much a value is; what is more than the cap's is capped. */
  amount(value: number): number;
}

const asIs = (value: number) => value;
const zeroIsNone = (value: number) => value === 0 ? Infinity : value;
const isNicer = (value: number) => -value;

/** Caps are at_most's, or the setting itself is one. */
const CAPS: Record<typeof OWN_SETTINGS[number] | "priority", Cap> = {
  timeoutSec: { key: "timeout_sec", most: ({ atMost }) => atMost.timeout_sec, amount: zeroIsNone },
  maxAttempts: { key: "max_attempts", most: ({ atMost }) => atMost.max_attempts, amount: asIs },
  backoffBase: { key: "backoff_base", most: ({ atMost }) => atMost.backoff_base, amount: asIs },
  backoffMult: { key: "backoff_mult", most: ({ atMost }) => atMost.backoff_mult, amount: asIs },
  maxLogBytes: itself("maxLogBytes", asIs),
  maxMemoryMb: itself("maxMemoryMb", zeroIsNone),
  maxCpuSec: itself("maxCpuSec", zeroIsNone),
  maxFileMb: itself("maxFileMb", zeroIsNone),
  maxOpenFiles: itself("maxOpenFiles", zeroIsNone),
  nice: itself("nice", isNicer),
  priority: { key: PRIORITY.key, most: ({ atMost }) => atMost.priority ?? 0, amount: asIs },
};
const NAMES = Object.keys(CAPS) as (keyof typeof CAPS)[];

function itself(name: typeof OWN_SETTINGS[number], amount: Cap["amount"]): Cap {
  return { key: RULES[name].key, most: (config) => config[name], amount };
}

/** What a job asks for that is more than its owner may have, in words; `undefined`: nothing. */
export function excessOf(asks: Asks, config: Config): string | undefined {
  for (const name of NAMES) {
    const { key, most } = CAPS[name];
    const value = asks[name];
    if (value === undefined || capped(name, value, config) === value) continue;
    return `${key}=${value}: only jobs of root and of filed's own user may have more than ${most(config)}`;
  }
  return undefined;
}

/**
 * The settings of an attempt.
 * @param caps `none`: those of root and of filed's own user have what they ask for.
 */
export function settingsOf(config: Config, asks: Asks, caps: "held-to" | "none"): Config {
  const own = { ...config };
  for (const name of OWN_SETTINGS) {
    const value = asks[name];
    if (value !== undefined) own[name] = caps === "none" ? value : capped(name, value, config);
  }
  return own;
}

/** A job's turn comes by this. */
export function priorityOf({ priority }: Asks, config: Config, caps: "held-to" | "none"): number {
  if (priority === undefined) return 0;
  return caps === "none" ? priority : capped("priority", priority, config);
}

function capped(name: keyof typeof CAPS, value: number, config: Config): number {
  const { most, amount } = CAPS[name];
  const cap = most(config);
  return cap === undefined || amount(value) <= amount(cap) ? value : cap;
}
