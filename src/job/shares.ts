import type { Config } from "./config.ts";

/** What a user has in the queue, with all ids that are one account. */
export interface Usage {
  /** In pending/, drafts, held and empty ones as well. */
  pendingJobs: number;
  /** Of the logs that their jobs have. */
  logBytes: number;
}

/** What each user may have at the most; what is absent is not bounded, and not counted. */
export type Share = Partial<Usage>;

const MIB = 1_048_576;

/** @param settings Those that were written, or all. @returns `undefined`: nothing is bounded. */
export function shareOf(settings: Partial<Config>): Share | undefined {
  const { maxPendingPerUser = 0, maxLogMbPerUser = 0 } = settings;
  if (maxPendingPerUser === 0 && maxLogMbPerUser === 0) return undefined;
  return {
    ...maxPendingPerUser === 0 ? {} : { pendingJobs: maxPendingPerUser },
    ...maxLogMbPerUser === 0 ? {} : { logBytes: maxLogMbPerUser * MIB },
  };
}

/** What a submission adds. A draft that is submitted is in pending/ already. */
export type Submitted = "a-new-job" | "a-draft";

/**
 * Whether a user's share has no room for a submission. Logs are as long as they are: who has more than the share
 * submits nothing until there are fewer.
 * @param used What the user has by now; asked for what is bounded alone.
 */
export function isUsedUp(share: Share, what: keyof Usage, used: number, submitted: Submitted): boolean {
  const most = share[what] ?? Infinity;
  return used + (what === "pendingJobs" && submitted === "a-new-job" ? 1 : 0) > most;
}

/** Why a submission is refused, in words. */
export function describeUsedUp(what: keyof Usage, share: Share): string {
  switch (what) {
    case "pendingJobs":
      return `its owner has as many jobs in pending/ as a user may have: ${share.pendingJobs} ` +
        "(max_pending_per_user); some have to start, or to be removed";
    case "logBytes":
      return `the logs of its owner's jobs take more than a user's may: ${(share.logBytes ?? 0) / MIB} MiB ` +
        "(max_log_mb_per_user); some of the jobs have to be removed";
    default:
      return what satisfies never;
  }
}
