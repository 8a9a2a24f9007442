import { isDraft } from "./id.ts";
import type { State } from "./state.ts";

/** What utimensat(2) sets, epoch ms; what is absent stays. */
export interface Times {
  modifiedAt?: number;
  accessedAt?: number;
}

/** What changes of a job when its times are set. A pending job's modification time is when it may start. */
export function changesOfTimes(
  job: { id: string; state: State; commandBytes: number },
  { modifiedAt, accessedAt }: Times,
  now: number,
) {
  const changes = { changedAt: now, ...accessedAt === undefined ? {} : { accessedAt } };
  if (modifiedAt === undefined) return changes;
  if (job.state !== "pending") return { ...changes, loggedAt: modifiedAt };
  return {
    ...changes,
    writtenAt: Math.min(modifiedAt, now),
    visibleAt: modifiedAt > now ? modifiedAt : null,
    // A command that a crash found written and not closed waits for a word that it is whole.
    ...job.commandBytes > 0 && !isDraft(job.id) ? { turn: "first" as const } : {},
  };
}
