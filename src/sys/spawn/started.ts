import type { ErrnoError } from "../errno.ts";

/** A process just started, for whose end the caller waits; it may not have come to its program yet. */
export interface Started {
  pid: number;
  /** Whether it shares no memory with us: it has executed its program, or ended; or had a copy from the start. */
  hasLeft(): boolean;
  /** Why it has executed nothing, to be asked once it has ended: what failed in execve(2), or before. */
  failure(): ErrnoError | undefined;
}
