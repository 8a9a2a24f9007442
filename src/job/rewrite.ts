import { referencesAlone } from "./dependencies.ts";
import { type Asks, NO_ASKS } from "./header.ts";
import { isDraft } from "./id.ts";
import { changesOfSubmission } from "./submitted.ts";

/** What the rules below look at: a job in pending/. */
export interface Rewritable {
  id: string;
  asks: Asks;
  attempts: number;
  turn: number | null;
  visibleAt: number | null;
  deadlineAt: number | null;
  commandBytes: number;
  isEmpty: boolean;
  held: boolean;
  uid: number;
  gid: number;
  mode: number;
  foreignWriter: number | null;
  writtenAt: number;
  accessedAt: number | null;
}

/** What a text asks for; `unsound`: it can't run as it is, and is open still. */
export type Read = { asks: Asks; isEmpty: boolean } | "unsound";

/**
 * What changes of a job that waits when another is renamed onto it, besides its text: it is rewritten. Its place and its
 * attempts stay; owner, mode and what it asks for are the new file's. What another user's attempts have printed is
 * not for the new owner.
 * @param by The job that is renamed.
 * @param read Gives what the text of that asks for, for one that was not submitted yet.
 * @param now Epoch ms.
 */
export function changesOfRewrite(job: Rewritable, by: Rewritable, read: () => Read, now: number) {
  const { uid, gid, mode, foreignWriter, writtenAt, accessedAt, held } = by;
  const start = startOfRewrite(job, by);
  return {
    ...{ uid, gid, mode, foreignWriter, writtenAt, accessedAt, held, changedAt: now },
    ...uid === job.uid ? {} : { forgetsAttempts: true },
    ...isDraft(job.id)
      ? { turn: null, asks: by.asks, isEmpty: by.isEmpty, deadlineAt: by.deadlineAt, visibleAt: start }
      : submitted(job, by, read, start, now),
  };
}

function submitted(job: Rewritable, by: Rewritable, read: () => Read, visibleAt: number | null, now: number) {
  // What it waited for is what the same names stay, once the new file is written.
  const found: Read = by.turn !== null
    ? by
    : by.commandBytes === 0
    ? { asks: referencesAlone(job.asks), isEmpty: true }
    : read();
  const { asks, isEmpty } = found === "unsound" ? { asks: NO_ASKS, isEmpty: true } : found;
  const changes = changesOfSubmission({ ...job, visibleAt }, asks, now);
  const isTouched = by.turn !== null && asks.startAt !== undefined && by.attempts === 0 && job.attempts === 0;
  return {
    ...{ asks, isEmpty, deadlineAt: null, visibleAt },
    ...changes,
    ...isTouched ? { visibleAt: by.visibleAt } : {},
    // Of two that have a turn, the one that is there stays where it is.
    turn: job.turn ?? by.turn ?? (isEmpty ? null : "first" as const),
  };
}

/** Not before the time that the new file waits for, else not before the old one's; but a retry's is of its attempts. */
function startOfRewrite(job: Rewritable, by: Rewritable): number | null {
  return (by.attempts === 0 ? by.visibleAt : null) ?? job.visibleAt;
}
