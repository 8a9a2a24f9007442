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
