import { parseArgs } from "node:util";
import { translateOriginal } from "./original_options.ts";
import {
  DEFAULT_GRACE_SEC,
  type EnvironmentOptions,
  isSettable,
  LOG_FORMATS,
  LOG_LEVELS,
  type PathRule,
  type PortRule,
  RUN_AS_POLICIES,
  type SandboxOptions,
  type Settings,
} from "../settings.ts";

export type Command =
  | { kind: "run"; settings: Settings }
  /** Print this on standard output, and exit 0. */
  | { kind: "print"; what: "help" | "version" | "manual" };

/** The command line asks for something that can't be done as it stands: exit status 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Of those that mount.fuse3(8) takes after -o. */
const MOUNT_OPTIONS = ["allow_other"] as const;
const PATH_RULES = ["ro", "rw", "exec"] as const;
const PORT_RULES = ["connect", "bind"] as const;
const LAST_PORT = 65_535;

/**
 * Reads the command line.
 * @param args Without the program's name.
 * @param environment Looked up by name.
 * @throws {UsageError}
 */
export function parseCommandLine(args: string[], environment: (name: string) => string | undefined): Command {
  const { values, positionals } = parse(args);
  if (values.help) return { kind: "print", what: "help" };
  if (values.version) return { kind: "print", what: "version" };
  if (values.man) return { kind: "print", what: "manual" };
  const sandbox = parseSandbox(values, environment);
  const [mountpoint, ...more] = positionals;
  if (mountpoint === undefined) {
    throw new UsageError("no MOUNTPOINT given; for example: filed /tmp/filed-jobs");
  }
  if (mountpoint === "") throw new UsageError("the MOUNTPOINT is empty; for example: filed /tmp/filed-jobs");
  if (more.length > 0) throw new UsageError(`one MOUNTPOINT only, and ${quote(more[0])} is a second one`);
  const notifySocket = environment("NOTIFY_SOCKET");
  const openFiles = environment("FILED_OPEN_FILES") ?? "";
  return {
    kind: "run",
    settings: {
      mountpoint,
      ...stateFileFrom(values.state, environment),
      graceMs: parseSeconds("--grace", values.grace) * 1_000,
      admit: admitted(values.o),
      runAs: oneOf("--run-as", values["run-as"], RUN_AS_POLICIES),
      environment: {
        base: values["clear-env"] ? "none" : "daemon",
        given: values.env.map(parseVariable),
      },
      execDirectories: execDirectoriesFrom(values["exec-dir"], environment),
      logLevel: oneOf("--log-level", values["log-level"], LOG_LEVELS),
      logFormat: oneOf("--log-format", values["log-format"], LOG_FORMATS),
      ...sandbox ? { sandbox } : {},
      ...WHOLE_NUMBER.test(openFiles) ? { jobOpenFiles: Number(openFiles) } : {}, // else "unlimited"
      ...notifySocket ? { notifySocket } : {},
    },
  };
}

const WHOLE_NUMBER = /^\d{1,10}$/;

/** Values of `--sandbox=`. We take it out first, as parseArgs knows no option with or without a value. */
const ENFORCEMENTS = ["require"] as const;
const ENFORCEMENT = /^--sandbox=/;

function parse(args: string[]) {
  const line = translateOriginal(args);
  if (line !== undefined) {
    throw new UsageError(`-ro, -rof, -rw and -rwf are options of the original filed; here, write: ${line}`);
  }
  const end = args.indexOf("--");
  const isEnforcement = (arg: string, index: number) => ENFORCEMENT.test(arg) && (end < 0 || index < end);
  const enforcement = args.filter(isEnforcement).map((arg) =>
    oneOf("--sandbox", arg.replace(ENFORCEMENT, ""), ENFORCEMENTS)
  );
  const { values, positionals } = parsePlain(
    args.map((arg, index) => isEnforcement(arg, index) ? "--sandbox" : arg),
  );
  return { values: { ...values, enforcement: enforcement.at(0) }, positionals };
}

function parsePlain(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        state: { type: "string", short: "s" },
        grace: { type: "string", short: "g", default: String(DEFAULT_GRACE_SEC) },
        o: { type: "string", short: "o", multiple: true, default: [] },
        "run-as": { type: "string", default: "owner" },
        env: { type: "string", multiple: true, default: [] },
        "clear-env": { type: "boolean" },
        sandbox: { type: "boolean" },
        ro: { type: "string", multiple: true, default: [] },
        rw: { type: "string", multiple: true, default: [] },
        exec: { type: "string", multiple: true, default: [] },
        connect: { type: "string", multiple: true, default: [] },
        bind: { type: "string", multiple: true, default: [] },
        "exec-dir": { type: "string" },
        "log-level": { type: "string", default: "info" },
        "log-format": { type: "string", default: "text" },
        help: { type: "boolean", short: "h" },
        version: { type: "boolean", short: "V" },
        man: { type: "boolean" },
      },
    });
  } catch (error) {
    // Node's first sentence says what is wrong, the others how to pass what looks like an option.
    throw new UsageError((error as Error).message.replace(/\.( |\n).*$/s, ""));
  }
}

function parseSandbox(
  values: ReturnType<typeof parse>["values"],
  environment: (name: string) => string | undefined,
): SandboxOptions | undefined {
  const paths = PATH_RULES.flatMap((name) => values[name].map((path) => pathRule(`--${name}`, path)));
  const ports = PORT_RULES.flatMap((name) => values[name].map((port) => portRule(`--${name}`, port)));
  if (values.sandbox) {
    const enforcement = values.enforcement ?? "as-far-as-possible";
    return { enforcement, paths, ports, tempDirectory: tempDirectoryFrom(environment) };
  }
  const option = paths[0]?.option ?? ports[0]?.option;
  if (option) {
    throw new UsageError(
      `${option} is a rule of the sandbox and needs --sandbox; for example: filed --sandbox --ro /srv /tmp/filed-jobs`,
    );
  }
  return undefined;
}

function pathRule(option: PathRule["option"], path: string): PathRule {
  if (path === "") throw new UsageError(`${option} is empty; it takes a path, for example: ${option} /srv`);
  return { option, path };
}

function portRule(option: PortRule["option"], text: string): PortRule {
  const port = Number(text);
  if (/^\d+$/.test(text) && port >= 1 && port <= LAST_PORT) return { option, port };
  throw wrongValue(option, text, `a TCP port from 1 to ${LAST_PORT}, for example: ${option} 443`);
}

function stateFileFrom(
  option: string | undefined,
  environment: (name: string) => string | undefined,
): Pick<Settings, "stateFile" | "stateDirectory"> {
  const named = option ?? environment("FILED_STATE_FILE");
  if (named) return { stateFile: named, stateDirectory: "expected" };
  if (option === "") {
    throw new UsageError("--state is empty; it takes a file, for example: --state /var/lib/filed.db");
  }
  const dataHome = environment("XDG_DATA_HOME");
  if (dataHome) return { stateFile: `${dataHome}/filed.db`, stateDirectory: "made" };
  const home = environment("HOME");
  if (home) return { stateFile: `${home}/.local/share/filed.db`, stateDirectory: "made" };
  throw new UsageError(
    "no place for the state file: set --state, FILED_STATE_FILE, XDG_DATA_HOME or HOME; " +
      "for example: filed --state /var/lib/filed.db /tmp/filed-jobs",
  );
}

function execDirectoriesFrom(
  option: string | undefined,
  environment: (name: string) => string | undefined,
): string[] {
  if (option === "") {
    throw new UsageError("--exec-dir is empty; it takes a directory, for example: --exec-dir /run");
  }
  return [...option === undefined ? [] : [option], tempDirectoryFrom(environment)];
}

function tempDirectoryFrom(environment: (name: string) => string | undefined): string {
  return environment("TMPDIR") || "/tmp";
}

function parseSeconds(option: string, text: string): number {
  const seconds = Number(text);
  if (text.trim() === "" || !(seconds >= 0 && seconds <= 1_000_000)) {
    throw wrongValue(option, text, `a number of seconds, for example: ${option} 30`);
  }
  return seconds;
}

/** @param lists As after each `-o`: words, with commas between them. */
function admitted(lists: string[]): Settings["admit"] {
  const words = lists.flatMap((list) => list.split(","));
  for (const word of words) oneOf("-o", word, MOUNT_OPTIONS);
  return words.length > 0 ? "everyone" : "owner";
}

/** `KEY`: as the daemon has it; `KEY=VALUE`. */
function parseVariable(text: string): EnvironmentOptions["given"][number] {
  const [, name = text, value] = /^([^=]*)=(.*)$/s.exec(text) ?? [];
  if (!/^[A-Za-z_]\w*$/.test(name)) {
    throw wrongValue("--env", text, "KEY or KEY=VALUE, for example: --env LANG --env TZ=UTC");
  }
  if (!isSettable(name)) throw new UsageError(`--env is ${quote(text)}; each job has a ${name} of its own`);
  return { name, value };
}

function oneOf<T extends string>(option: string, text: string, choices: readonly T[]): T {
  const choice = choices.find((choice) => choice === text);
  if (choice === undefined) throw wrongValue(option, text, choices.join(", "));
  return choice;
}

function wrongValue(option: string, text: string, takes: string): UsageError {
  return new UsageError(`${option} is ${quote(text)}; it takes ${takes}`);
}

function quote(text: string | undefined): string {
  return JSON.stringify(text);
}
