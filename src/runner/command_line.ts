/** A program to execute, by its absolute path, and its arguments, its own name included. */
export interface CommandLine {
  path: string;
  args: (string | Uint8Array)[];
}

const SHELL = "/bin/sh";

/** What runs a job's text. Its shell has "sh" as its $0, as its messages begin with that. */
export function commandLine(command: Uint8Array): CommandLine {
  return { path: SHELL, args: ["sh", "-c", "--", command] };
}

/**
 * The same for a process that can't enter its directory before it executes a program: a shell enters it, and
 * becomes the job.
 * @param cwd The first that it can enter is taken, `/` if there is none.
 */
export function commandLineIn(cwd: readonly string[], command: Uint8Array): CommandLine {
  if (cwd.length === 0) return commandLine(command);
  const entering = cwd.map((_, i) => `cd -- "$${i + 1}" 2>/dev/null`);
  // cd sets these; the job is to have them as it would have had them without.
  const script = `${entering.join(" || ")} || cd /; shift ${cwd.length}; unset OLDPWD PWD; exec "$@"`;
  return { path: SHELL, args: ["sh", "-c", script, "sh", ...cwd, SHELL, "-c", "--", command, "sh"] };
}
