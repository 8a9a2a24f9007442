/** Who a command runs as, in the wrapper's terms. */
export interface Credentials {
  uid: number;
  gid: number;
  /** "own": those that the user database gives this user; "none" if it has no such user. */
  groups: "own" | "none";
}

export interface Wrapping {
  command: Uint8Array;
  /** `undefined`: as the daemon. */
  credentials: Credentials | undefined;
  /** The cgroup to join; `undefined`: none. */
  cgroup: string | undefined;
  /** The path of setsid(1); `undefined`: the spawn makes the session. */
  setsid: string | undefined;
}

/** Of one argument, in bytes: the kernel takes 131,072 with the final NUL (MAX_ARG_STRLEN, linux/binfmts.h). */
const ARGUMENT_BYTES = 131_000;

/**
 * The arguments of a /bin/sh that makes ready what `sh -c COMMAND` needs and is then replaced by it, so that a job is
 * one process. It sets no variable, since one of that name could be in the environment. The command's own shell has "sh" as
 * its $0, as its messages begin with that.
 */
export function wrap({ command, credentials, cgroup, setsid }: Wrapping): string[] {
  const script = ["exec 2>&1"];
  const parameters: string[] = [];
  if (cgroup !== undefined) {
    // 0 stands for the writer. A cgroup that can't be joined is done without.
    script.push('{ echo 0 >"$1"; } 2>/dev/null', "shift");
    parameters.push(`${cgroup}/cgroup.procs`);
  }
  const text = decodeUtf8(command);
  if (text !== undefined) {
    parameters.push(text);
  } else {
    // A command substitution takes away the newlines at the end: they are the first parameter.
    script.push('set -- "$(shift; printf %b "$@")$1"');
    parameters.push(...escape(command));
  }
  const programs = [...setsid ? [setsid] : [], ...credentials ? setpriv(credentials) : [], "sh"];
  script.push(`exec ${programs.join(" ")} -c -- "$1"`);
  return ["-c", script.join("\n"), "sh", ...parameters];
}

/** @see setpriv(1), of util-linux */
function setpriv({ uid, gid, groups }: Credentials): string[] {
  return [
    "setpriv",
    `--reuid=${uid}`,
    `--regid=${gid}`,
    groups === "own" ? "--init-groups" : "--clear-groups",
    "--",
  ];
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** The final newlines, and then the rest as arguments of `printf %b`: Deno passes on no argument that is not UTF-8. */
function escape(command: Uint8Array): string[] {
  let end = command.length;
  while (command[end - 1] === 0x0a) end--;
  const parameters = ["\n".repeat(command.length - end)];
  let argument = "";
  for (const byte of command.subarray(0, end)) {
    const isPlain = byte < 0x80 && byte !== 0x5c;
    argument += isPlain ? String.fromCharCode(byte) : `\\0${byte.toString(8).padStart(3, "0")}`;
    if (argument.length < ARGUMENT_BYTES) continue;
    parameters.push(argument);
    argument = "";
  }
  return [...parameters, argument];
}
