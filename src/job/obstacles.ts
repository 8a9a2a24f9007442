import type { Pending } from "./job.ts";
import type { LockObstacle } from "./locks.ts";
import type { PoolObstacle } from "./pools.ts";
import type { HeldUp } from "./turn.ts";

/** Why a pending job can't start now. */
export type Obstacle =
  /** It has no turn: a draft, or never closed with content. */
  | { kind: "not-submitted" }
  | { kind: "empty" }
  /** Somebody has it open for writing, or it has just come. */
  | { kind: "held" }
  /** A job before it has just come, and nothing may pass that one. */
  | { kind: "in-line" }
  | { kind: "time"; at: number }
  /** So many others are to end first. */
  | { kind: "dependency"; open: number }
  /** It was to start by then. */
  | { kind: "deadline"; at: number }
  /** Processes of an earlier run of it, or of its id, are left. */
  | { kind: "leftover" }
  /** Its user may start no more now. */
  | { kind: "share" }
  | LockObstacle
  | PoolObstacle;

/** What around a job decides whether it can start. */
export interface Surroundings {
  heldUp: HeldUp;
  /** Whether processes of an earlier run of the job, or of its id, are left. */
  hasLeftover(job: Pending): boolean;
  /** How many more of a user's jobs may start. */
  room(uid: number): number;
  lock(job: Pending): LockObstacle | undefined;
  pools(job: Pending): PoolObstacle[];
  now: number;
}

/** All that keeps a job from starting; a job with none can start. What searches for such jobs only narrows. */
export function obstacles(
  job: Pending,
  { heldUp, hasLeftover, room, lock, pools, now }: Surroundings,
): Obstacle[] {
  const found: Obstacle[] = [];
  if (job.turn === null) found.push({ kind: "not-submitted" });
  if (job.isEmpty) found.push({ kind: "empty" });
  if (job.held) found.push({ kind: "held" });
  else if (job.turn !== null && heldUp.has(job.turn, job.uid)) found.push({ kind: "in-line" });
  if (job.visibleAt !== null && job.visibleAt > now) found.push({ kind: "time", at: job.visibleAt });
  if (job.deadlineAt !== null && job.deadlineAt <= now) found.push({ kind: "deadline", at: job.deadlineAt });
  if (job.blocked > 0) found.push({ kind: "dependency", open: job.blocked });
  if (hasLeftover(job)) found.push({ kind: "leftover" });
  if (room(job.uid) <= 0) found.push({ kind: "share" });
  const locked = job.asks.lock && lock(job);
  if (locked) found.push(locked);
  if (job.asks.use) found.push(...pools(job));
  return found;
}

/** Whether a job with these obstacles reserves what it wants: nothing but full pools keeps it. */
export function mayReserve(obstacles: readonly Obstacle[]): boolean {
  return obstacles.every((obstacle) => obstacle.kind === "pool" && obstacle.because === "full");
}
