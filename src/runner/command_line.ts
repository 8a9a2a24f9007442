import type { Credentials } from "./accounts.ts";
import type { Rlimit } from "./rlimits.ts";

export interface Wrapping {
  command: Uint8Array;
  /** `undefined`: as the daemon. */
  credentials: Credentials | undefined;
  /** Whether the process first puts itself into the cgroup whose cgroup.procs it has open as descriptor 3. */
  joinsCgroup: boolean;
  /** What each of its processes is limited to. */
  rlimits: readonly Rlimit[];
  /** The same, but only if it joins no cgroup, which limits it otherwise. */
  rlimitsOutside: readonly Rlimit[];
}

/** A program to execute, by its absolute path, and its arguments, its own name included. */
export interface CommandLine {
  path: string;
  args: (string | Uint8Array)[];
}

const SHELL = "/bin/sh";

/** 0 stands for the writer. A cgroup that can't be joined is done without. */
const JOIN = "{ echo 0 >&3; } 2>/dev/null";

/**
 * What runs `sh -c COMMAND`: each of these programs replaces itself by the next, so that a job is one process. The command's own shell
 * has "sh" as its $0, as its messages begin with that.
 */
export function wrap(wrapping: Wrapping): CommandLine {
  const { command, credentials } = wrapping;
  const steps = stepsOf(wrapping);
  if (!credentials && steps.length === 0) return { path: SHELL, args: ["sh", "-c", "--", command] };
  const shell = [SHELL, "-c", "--", command, "sh"];
  const job = credentials ? [...setpriv(credentials), ...shell] : shell;
  if (steps.length === 0) return { path: SETPRIV, args: job };
  return { path: SHELL, args: ["sh", "-c", [...steps, 'exec "$@"'].join("; "), "sh", ...job] };
}

/**
 * What a shell does before it becomes the job. It sets no variable: one of that name could be in the environment. The limits come last,
 * as they hold the shell too; if one can't be set, there is no job.
 */
function stepsOf({ joinsCgroup, rlimits, rlimitsOutside }: Wrapping): string[] {
  const always = joinsCgroup ? rlimits : [...rlimitsOutside, ...rlimits];
  const outside = rlimitsOutside.length === 0 ? "" : ` || ${settingOf(rlimitsOutside)} || exit`;
  return [
    ...joinsCgroup ? [`${JOIN}${outside}`, "exec 3>&-"] : [],
    ...always.length === 0 ? [] : [`${settingOf(always)} || exit`],
  ];
}

function settingOf(rlimits: readonly Rlimit[]): string {
  const calls = rlimits.flatMap(({ option, soft, hard }) => [
    `ulimit -S ${option} ${soft}`,
    `ulimit -H ${option} ${hard}`,
  ]);
  return `{ ${calls.join(" && ")}; }`;
}

const SETPRIV = "/usr/bin/setpriv";

/** @see setpriv(1), of util-linux */
function setpriv({ uid, gid, groups }: Credentials): string[] {
  return [
    SETPRIV,
    `--reuid=${uid}`,
    `--regid=${gid}`,
    groups === "own" ? "--init-groups" : "--clear-groups",
    "--",
  ];
}
