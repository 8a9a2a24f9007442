import type { Credentials } from "./credentials.ts";
import type { Restriction } from "./restriction.ts";
import type { Rlimit } from "../processes/rlimit.ts";

/** A program to start, and all that its process is to have. */
export interface SpawnSpec {
  /** The absolute path of the program. */
  path: string;
  /**
   * "just written": another thread may be starting a process, which has what we wrote open for writing until
   * it executes its own program. Until then the kernel refuses ours (ETXTBSY), and the child tries again.
   */
  program?: "just written" | undefined;
  /** Its arguments, with its own name first. */
  args: readonly (string | Uint8Array)[];
  /** Its environment, each as `NAME=VALUE`. */
  env: readonly (string | Uint8Array)[];
  /**
   * It begins in the first of these directories that it can enter, as its user; in `/` if it can enter none.
   * Only the child waits for a directory that does not answer.
   */
  cwd: readonly string[];
  /** It begins in this directory instead, or not at all. */
  onlyIn?: string | undefined;
  /** Our descriptors that it gets as its 0, 1, 2 and so on. It gets no other. */
  fds: readonly number[];
  restriction: Restriction | undefined;
  /** By how much it is nicer than this process, 0 to 19. */
  nice: number;
  /** The limits of each of its processes. None is higher than ours. */
  rlimits: readonly Rlimit[];
  /** Whom it becomes; `undefined`: it stays who we are. */
  credentials: Credentials | undefined;
  /** "limited": its cgroup limits it. */
  memory?: "limited" | undefined;
}

/** For a program of the system that works for us: it runs as we do, but for what the caller adds. */
export const AS_WE_ARE = {
  env: [],
  cwd: [],
  restriction: undefined,
  nice: 0,
  rlimits: [],
  credentials: undefined,
} as const satisfies Partial<SpawnSpec>;
