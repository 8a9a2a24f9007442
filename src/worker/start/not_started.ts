import type { Limits } from "../../job/limits.ts";
import { type Obstacle, obstacleOf } from "../../run/shortage.ts";
import { ErrnoError } from "../../sys/errno.ts";
import { RuleError } from "../sandbox/paths.ts";

/** A command could not be started; there is no process. */
export class NotStarted extends Error {
  override readonly name = "NotStarted";

  constructor(readonly obstacle: Obstacle, options?: ErrorOptions) {
    super("not started", options);
  }
}

/** @returns A `NotStarted` for a failure that is expected before a spawn; any other error as it is. */
export function asNotStarted(error: unknown, { maxMemoryMb }: Limits): unknown {
  const cause = error instanceof RuleError ? error.cause : error;
  const obstacle = cause instanceof ErrnoError ? obstacleOf(cause, { in: "filed", maxMemoryMb }) : undefined;
  if (!(error instanceof RuleError)) return obstacle ? new NotStarted(obstacle, { cause: error }) : error;
  const isShortage = obstacle?.kind === "put-off";
  const rule: Obstacle = { kind: "not-started", reason: error.message, isFinal: false };
  return new NotStarted(isShortage ? obstacle : rule, { cause: error });
}
