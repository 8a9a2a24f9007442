import { describeLimit, type ReachedLimit } from "./limits.ts";

/** How an attempt ended, or what took its place. */
export type Ending =
  | { kind: "exited"; status: number; limit?: ReachedLimit }
  /** `signal` as in signal(7): "SIGKILL". */
  | { kind: "signaled"; signal: string; limit?: ReachedLimit }
  | { kind: "timed-out"; afterSec: number }
  | { kind: "interrupted" }
  /** `isFinal`: it never will be, however often it is tried. */
  | { kind: "not-started"; reason: string; isFinal: boolean }
  /**
   * It never began, and is not to. `isForParent`: since what it waited for never comes, which holds for who waits
   * for it as well.
   */
  | { kind: "not-run"; reason: string; isForParent?: true }
  /** Moved to failed/ by hand before it ran. */
  | { kind: "withdrawn" }
  /** An older filed did not store it: only the log says so. */
  | { kind: "unknown" };

/** The reason in words, as the log's last line gives it. */
export function describeEnding(ending: Ending): string {
  switch (ending.kind) {
    case "exited":
      return `exit status ${ending.status}${because(ending.limit)}`;
    case "signaled":
      return `signal: ${SIGNAL_WORDS[ending.signal] ?? ending.signal}${because(ending.limit)}`;
    case "timed-out":
      return `timed out after ${ending.afterSec} s`;
    case "interrupted":
      return "interrupted: filed stopped while the job ran";
    case "not-started":
      return `not started: ${ending.reason}`;
    case "not-run":
      return `not run: ${ending.reason}`;
    case "withdrawn":
      return "not run: moved to failed/ by hand";
    case "unknown":
      return "not known";
    default:
      return ending satisfies never;
  }
}

function because(limit: ReachedLimit | undefined): string {
  return limit ? ` (${describeLimit(limit)})` : "";
}

/** In the words of strsignal(3), lower case. */
const SIGNAL_WORDS: Record<string, string> = {
  SIGHUP: "hangup",
  SIGINT: "interrupt",
  SIGQUIT: "quit",
  SIGILL: "illegal instruction",
  SIGTRAP: "trace/breakpoint trap",
  SIGABRT: "aborted",
  SIGBUS: "bus error",
  SIGFPE: "floating point exception",
  SIGKILL: "killed",
  SIGUSR1: "user defined signal 1",
  SIGSEGV: "segmentation fault",
  SIGUSR2: "user defined signal 2",
  SIGPIPE: "broken pipe",
  SIGALRM: "alarm clock",
  SIGTERM: "terminated",
  SIGXCPU: "CPU time limit exceeded",
  SIGXFSZ: "file size limit exceeded",
  SIGSYS: "bad system call",
};
