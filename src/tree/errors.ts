import {
  type AskingFault,
  type Bound,
  CircleError,
  type Refusal,
  type Result,
  StoreError,
} from "../queue/queue.ts";
import { ErrnoError, type ErrnoName } from "../fuse/mod.ts";

/** The one place where a refusal of the queue gets its errno. */
const ERRNO_OF: Record<Refusal["kind"], ErrnoName> = {
  missing: "ENOENT",
  taken: "EEXIST",
  busy: "EBUSY",
  forbidden: "EPERM",
  share: "EDQUOT",
  circle: "EDEADLK",
};

/** The same for what a job asks for. */
export const ERRNO_OF_FAULT: Record<AskingFault["kind"], ErrnoName> = {
  "not-allowed": "EPERM",
  impossible: "EINVAL",
  "too-many": "EDQUOT",
};

/** The same where a job can't wait for what it names. */
export const ERRNO_OF_UNBOUND: Record<Exclude<Bound["kind"], "bound">, ErrnoName> = {
  missing: "ENOENT",
  circle: "EDEADLK",
  "too-many": "EINVAL",
};

/** The value, or the refusal as what the kernel must hear. @throws {ErrnoError} */
export function granted<T>(result: Result<T>): T {
  if (!result.ok) throw new ErrnoError(ERRNO_OF[result.refusal.kind]);
  return result.value;
}

/** What the kernel hears of a fault: of the store's, what a disk of its own would have said. */
export function errnoOf(error: unknown): ErrnoName {
  if (error instanceof CircleError) return "EDEADLK";
  if (!(error instanceof StoreError)) return "EIO";
  return error.kind === "full" ? "ENOSPC" : error.kind === "read-only" ? "EROFS" : "EIO";
}
