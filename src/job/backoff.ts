import type { Config } from "./config.ts";

type BackoffConfig = Pick<Config, "backoffBase" | "backoffMult">;

const LONGEST_MS = 10 * 365 * 24 * 3_600_000; // Past this, powers of a large factor leave the range of dates.

/** How long a job waits after its `attempts`-th attempt, counted from 1, failed: `base * mult ^ attempts` seconds. */
export function backoffMs({ backoffBase, backoffMult }: BackoffConfig, attempts: number): number {
  if (backoffBase === 0) return 0; // and not 0 * Infinity
  return Math.min(backoffBase * backoffMult ** attempts * 1_000, LONGEST_MS);
}
