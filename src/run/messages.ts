import type { Leftover, RunToken, RunTraces } from "../job/attempt.ts";
import type { ContentKind } from "../job/content.ts";
import type { Limits, ReachedLimit } from "../job/limits.ts";
import type { Slots } from "../job/pools.ts";
import type { LogEnd, Survivor } from "../job/log_text.ts";
import type { SandboxSettings } from "./sandbox_rules.ts";
import type { Obstacle } from "./shortage.ts";

/** Messages between the main thread and the worker that runs jobs, some at a time: plain data, cloned. */

/** The user a job runs as, when that is not the daemon's own. */
export interface TargetUser {
  uid: number;
  /** For a user that the user database does not have; the others get their own. */
  gid: number;
}

/** The first message. */
export interface SetupMessage {
  kind: "setup";
  /** "unused": runs get no group of their own even where the daemon may make some. */
  cgroups: "used" | "unused";
  /** The state file's, by which a daemon's groups are known: `q` and hexadecimal digits. */
  identity: string;
  /** Each job's environment begins with these: `NAME=value`, by its name. */
  environment: ReadonlyMap<string, Uint8Array>;
  /** The soft limit of open files that jobs inherit; `undefined`: the daemon's. */
  openFiles?: number | undefined;
  /** Where files may be that jobs are executed from, in the order of preference. */
  execDirectories: readonly string[];
  /** Where large standard inputs are; `undefined`: in memory. */
  dataDirectory?: string | undefined;
}

export interface StartMessage {
  kind: "start";
  run: RunToken;
  jobId: string;
  /** Counted from 1. */
  attempt: number;
  /** What is run, byte for byte. A NUL makes text unrunnable. */
  content: Uint8Array;
  how: ContentKind;
  /** Its standard input; `undefined`: nothing. */
  stdin: Uint8Array | undefined;
  /** Where it starts, or it does not; `undefined`: where its user's jobs do. */
  cwd: string | undefined;
  /** What it has of pools. */
  slots: Slots;
  /** `undefined`: as the daemon. */
  runAs: TargetUser | undefined;
  /** 0: no limit. */
  timeoutMs: number;
  /** Its process group gets SIGUSR1 so long before its timeout. 0, or not less than that: it does not. */
  warnMs: number;
  maxLogBytes: number;
  limits: Limits;
}

/**
 * Ends all of a run: SIGTERM, and after `graceMs` SIGKILL (0: at once). Answered by `ended`, as if it ended
 * itself. For a run that is being ended already, the earlier SIGKILL and the shorter time count; a run that
 * is over is left alone.
 */
export interface EndMessage {
  kind: "end";
  run: RunToken;
  graceMs: number;
  /** Processes that SIGKILL has not ended after so long are named, and waited for no longer. */
  killingMs: number;
}

/** What is left so long after SIGKILL waits in the kernel for what does not come, or has another's rights. */
export const KILLING_MS = 2_000;

export type ToWorker =
  | SetupMessage
  /** Has jobs sandboxed from now on. Answered by `confined`. */
  | { kind: "confine"; sandbox: SandboxSettings }
  | StartMessage
  | EndMessage
  /** We have taken `bytes` of a run's output; the worker reads on once little enough is on its way. */
  | { kind: "taken"; run: RunToken; bytes: number }
  /** Ends what a dead daemon's runs left behind. Answered by `swept`, in the order asked. */
  | { kind: "sweep"; runs: Leftover[] }
  /**
   * Has runs started again. After one is put off by a shortage that is all's, those that were asked for until
   * then are put off as well: so no job overtakes another.
   */
  | { kind: "resume" }
  /** Ends all runs at once, each answered by `ended`, and then the worker. Answered by `stopped`. */
  | { kind: "stop" };

/**
 * Whose processes the run has, for the next daemon to find if this one is killed. Posted 4 ms after the
 * start, and before the run is ended by anybody else; a run that is over before has none. The next daemon
 * finds such a run by the mark on its cgroup, or FILED_RUN. Output may come first. The process may not have
 * come to the command yet.
 */
export interface StartedMessage extends RunTraces {
  kind: "started";
  run: RunToken;
  uid: number;
}

/** Bytes for the log, in the order written; never more than `maxLogBytes` of a run in all. */
export interface OutputMessage {
  kind: "output";
  run: RunToken;
  bytes: Uint8Array;
}

/** How the command itself ended, or why it did not begin. */
export type Exit =
  | { kind: "exited"; status: number; limit?: ReachedLimit }
  | { kind: "signaled"; signal: string; limit?: ReachedLimit } // "SIGKILL", "SIGRTMIN+3"
  | { kind: "timed-out" }
  | Obstacle;

/** The run is over: no process of it is left but `survivors`, and all of its output was posted before. */
export interface EndedMessage extends Omit<LogEnd, "ending"> {
  kind: "ended";
  run: RunToken;
  exit: Exit;
}

/** Why jobs can't be sandboxed; else where the rules' paths and the temporary folders really are. */
export type Confined = { problem: string } | { rules: string[]; tempDirectory: string };

/** By run, those that have some. */
export type Survivors = Map<RunToken, Survivor[]>;

export type FromWorker =
  | StartedMessage
  | OutputMessage
  | EndedMessage
  | { kind: "confined"; outcome: Confined }
  | { kind: "swept"; survivors: Survivors }
  /** The last of a run's survivors is gone: after `ended`, or after the sweep that named them. */
  | { kind: "gone"; run: RunToken }
  /** Something that the log of the daemon is to say. */
  | { kind: "warned"; message: string; fields: Record<string, unknown> }
  | { kind: "stopped" };
