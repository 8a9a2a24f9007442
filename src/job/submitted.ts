import type { Asks } from "./header.ts";

/** What the rules below look at: a job that waits. */
interface Waiting {
  asks: Asks;
  attempts: number;
  visibleAt: number | null;
  deadlineAt: number | null;
}

/**
 * What a submission changes of a job that waits, besides its content and its turn: what it asks for, and what
 * comes of that for when it starts. Rewriting it changes these; a time that was set by hand, or that a retry
 * waits for, stays.
 */
export function changesOfSubmission(job: Waiting, asks: Asks, now: number) {
  if (isNone(asks) && isNone(job.asks)) return {};
  const { startAt, deadlineAt = null } = asks;
  const isOfHeader = job.visibleAt !== null && job.visibleAt === job.asks.startAt;
  const isFirst = job.attempts === 0;
  const visibleAt = startAt !== undefined && isFirst
    ? startAt > now ? startAt : null
    : isOfHeader
    ? null
    : job.visibleAt;
  return { asks, visibleAt, deadlineAt: isFirst ? deadlineAt : null };
}

/** What a job asks for once somebody tries it again by hand: its first attempt may be at any time. */
export function asksOfRetry({ startAt: _start, deadlineAt: _deadline, ...asks }: Asks): Asks {
  return asks;
}

function isNone(asks: Asks): boolean {
  return Object.keys(asks).length === 0;
}
