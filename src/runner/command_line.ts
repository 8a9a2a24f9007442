import type { Credentials } from "./accounts.ts";

export interface Wrapping {
  command: Uint8Array;
  /** `undefined`: as the daemon. */
  credentials: Credentials | undefined;
  /** Whether the process first puts itself into the cgroup whose cgroup.procs it has open as descriptor 3. */
  joinsCgroup: boolean;
}

/** A program to execute, by its absolute path, and its arguments, its own name included. */
export interface CommandLine {
  path: string;
  args: (string | Uint8Array)[];
}

const SHELL = "/bin/sh";

/** 0 stands for the writer. A cgroup that can't be joined is done without. It sets no variable: one of that name could be in the environment. */
const JOIN = '{ echo 0 >&3; } 2>/dev/null; exec 3>&-; exec "$@"';

/**
 * What runs `sh -c COMMAND`: each of these programs replaces itself by the next, so that a job is one process. The command's own shell
 * has "sh" as its $0, as its messages begin with that.
 */
export function wrap({ command, credentials, joinsCgroup }: Wrapping): CommandLine {
  if (!credentials && !joinsCgroup) return { path: SHELL, args: ["sh", "-c", "--", command] };
  const shell = [SHELL, "-c", "--", command, "sh"];
  const job = credentials ? [...setpriv(credentials), ...shell] : shell;
  if (joinsCgroup) return { path: SHELL, args: ["sh", "-c", JOIN, "sh", ...job] };
  return { path: SETPRIV, args: job };
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
