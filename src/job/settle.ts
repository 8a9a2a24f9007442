import { backoffMs } from "./backoff.ts";
import type { Config } from "./config.ts";
import type { Ending } from "./ending.ts";
import type { Asks } from "./header.ts";

/** What becomes of a job. */
export type Settled =
  | { state: "complete" | "failed"; attempts: number }
  | { state: "pending"; attempts: number; visibleAt: number };

/**
 * What follows an attempt.
 * @param attempts Made so far, this one counted.
 * @param config With what the job has asked for.
 * @param now Epoch ms.
 */
export function settle(
  attempts: number,
  ending: Ending,
  config: Config,
  { finalStatuses = [] }: Asks,
  now: number,
): Settled {
  if (ending.kind === "exited" && ending.status === 0) return { state: "complete", attempts };
  const isFinal = ending.kind === "not-started" && ending.isFinal ||
    ending.kind === "exited" &&
      finalStatuses.some(([from, to]) => from <= ending.status && ending.status <= to);
  if (isFinal || attempts >= config.maxAttempts) return { state: "failed", attempts };
  return { state: "pending", attempts, visibleAt: now + backoffMs(config, attempts) };
}
