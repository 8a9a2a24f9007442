import type { ContentKind } from "../job/content.ts";
import { ErrnoError, type ErrnoName } from "../sys/errno.ts";
import { strerror } from "../sys/libc.ts";

/** Something was missing when a job was to be started; plain data. */
export interface Shortage {
  /** Whose starts wait for it: those of all, or only those of the user that the job runs as. */
  of: "all" | "user";
  /** In words: `file descriptors`. */
  missing: string;
  /** For whoever runs filed: how to mend it. */
  advice: string;
  /** The call that failed, and how: `pipe2: EMFILE`. */
  error: string;
}

/** Why a claimed job has not come to execute its command. */
export type Obstacle =
  /** For want of something, by no fault of the job's. */
  | { kind: "put-off"; shortage: Shortage }
  /** `isFinal`: it never will. */
  | { kind: "not-started"; reason: string; isFinal: boolean };

/** Where it was on its way. */
export interface Point {
  /** `child`: its own process was there, and was its user's by then. */
  in: "filed" | "child";
  /** MiB, 0: no limit. */
  maxMemoryMb: number;
  /** Where it was to start, and nowhere else. */
  directory?: string | undefined;
  executes?: ContentKind;
  /** What a script or a program names to be executed in its place. */
  interpreter?: string | undefined;
  /** Whether it may execute only what rules name. */
  isSandboxed?: boolean;
}

/** What an error names first where the program was to be executed: a NUL in its arguments is found before. */
const EXECUTING = ["execve", "NUL"];

type Want = Omit<Shortage, "error">;

const DESCRIPTORS: Want = {
  of: "all",
  missing: "file descriptors",
  advice: "start filed with a higher limit of open files (ulimit -n, LimitNOFILE=), or lower max_job_count",
};
const FILES: Want = {
  of: "all",
  missing: "open files of the whole system",
  advice: "raise the sysctl fs.file-max, or end what has so many open",
};
const PROCESSES: Want = {
  of: "all",
  missing: "processes and threads",
  advice: "raise what limits those of filed (ulimit -u, TasksMax=, pids.max, kernel.pid_max), or lower " +
    "max_job_count",
};
const PROCESSES_OF_USER: Want = {
  of: "user",
  missing: "processes and threads of the job's user",
  advice: "end some of that user's, or start filed with a higher limit of processes (ulimit -u, LimitNPROC=)",
};
const FILE_SIZE: Want = {
  of: "all",
  missing: "the right to write files as large as a job's content",
  advice: "start filed with a higher limit of file sizes (ulimit -f, LimitFSIZE=)",
};
const MEMORY: Want = {
  of: "all",
  missing: "memory",
  advice: "give filed's control group or the machine more of it, or lower max_job_count",
};
const ROOM: Want = {
  of: "all",
  missing: "room for a directory",
  advice: "make room in the file system that the error names; TMPDIR says where sandboxed jobs have theirs",
};
const QUOTA_OF_USER: Want = {
  of: "user",
  missing: "quota of the job's user",
  advice: "raise that user's quota, of disk space (quota(8)) or of keys (keyrings(7), kernel.keys.maxkeys)",
};
const USER_DATABASE: Want = {
  of: "user",
  missing: "an answer of the user database",
  advice: "look at what nsswitch.conf(5) names for passwd and group; `getent passwd` asks it as filed does",
};
const DIRECTORY: Want = {
  of: "all",
  missing: "a directory that filed had made and somebody removed",
  advice: "leave alone what filed makes; it makes another at the next try",
};

const ANYWHERE: readonly [ErrnoName, Want][] = [
  ["EMFILE", DESCRIPTORS],
  ["ENFILE", FILES],
  ["ENOMEM", MEMORY],
  ["ENOSPC", ROOM],
  ["EDQUOT", QUOTA_OF_USER],
];
const IN_FILED: readonly [ErrnoName, Want][] = [
  ...ANYWHERE,
  ["EAGAIN", PROCESSES],
  ["EFBIG", FILE_SIZE],
  ["ENOENT", DIRECTORY],
  ["ENODEV", DIRECTORY],
  ["ETIMEDOUT", USER_DATABASE],
];
const IN_CHILD: readonly [ErrnoName, Want][] = [...ANYWHERE, ["EAGAIN", PROCESSES_OF_USER]];

/** The command is too long, or no text at all. */
const NEVER: readonly ErrnoName[] = ["E2BIG", "EINVAL"];
/** There is no such thing, or not for this user. */
const NOT_THERE: readonly ErrnoName[] = ["ENOENT", "ENOTDIR", "EACCES", "ELOOP", "ENAMETOOLONG"];
/** It is nothing that this machine executes. */
const NO_PROGRAM: readonly ErrnoName[] = ["ENOEXEC", "ELIBBAD"];

/**
 * Judges a failure on the way from a job's claim to its command. Between the two, what filed lacks is no
 * fault of the job's; but if its own limit of memory can be to blame, its attempts are counted, so that it
 * does not come back for ever.
 */
export function obstacleOf(error: ErrnoError, point: Point): Obstacle {
  const { maxMemoryMb, directory } = point;
  const call = error.what?.split(" ")[0] ?? "";
  const isOfChild = point.in === "child";
  const want = wantOf(error, isOfChild, call);
  const isLimit = want === MEMORY && isOfChild && maxMemoryMb > 0;
  if (want && !isLimit) return { kind: "put-off", shortage: { ...want, error: error.message } };
  return {
    kind: "not-started",
    reason: isLimit
      ? `${reasonOf(error)} (max_memory_mb: ${maxMemoryMb} MiB)`
      : `${subjectOf(error, call, point)}${reasonOf(error)}${hintFor(error, call, point)}`,
    isFinal: EXECUTING.includes(call) && error.is(...NEVER) ||
      call === "execve" && error.is(...NOT_THERE, ...NO_PROGRAM) ||
      call === "chdir" && directory !== undefined && error.is(...NOT_THERE),
  };
}

/** What the error is about, `/usr/bin/pyhton3: `; the shell, which is everywhere, has no name there. */
function subjectOf(error: ErrnoError, call: string, { directory, executes, interpreter }: Point): string {
  if (call === "chdir") return directory === undefined ? "" : `${directory}: `;
  if (call !== "execve" || executes === undefined || executes === "text") return "";
  if (executes === "script") return `${interpreter ?? "its #! line"}: `;
  return interpreter === undefined || error.is("ENOEXEC") ? "the program: " : `${interpreter}: `;
}

function hintFor(error: ErrnoError, call: string, { isSandboxed, executes }: Point): string {
  const isOfRules = call === "execve" && isSandboxed && executes !== "text" && error.is("EACCES");
  return isOfRules ? " (in the sandbox it takes a rule, --exec)" : "";
}

function wantOf(error: ErrnoError, isOfChild: boolean, call: string): Want | undefined {
  // What a child looks for besides its program is the sandbox's.
  if (call === "faccessat" && error.is("ENOENT")) return DIRECTORY;
  const wants = isOfChild ? IN_CHILD : IN_FILED;
  return wants.find(([name]) => error.is(name))?.[1];
}

/** `argument list too long`, as the end of a sentence. */
function reasonOf({ errno }: ErrnoError): string {
  const reason = strerror(errno);
  return reason.slice(0, 1).toLowerCase() + reason.slice(1);
}
