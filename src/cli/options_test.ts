import assert from "node:assert/strict";
import { HELP } from "./help.ts";
import { parseCommandLine, UsageError } from "./options.ts";

const parse = (args: string[], environment: Record<string, string> = { HOME: "/home/ann" }) =>
  parseCommandLine(args, (name) => environment[name]);

Deno.test("the command line's defaults", () => {
  assert.deepEqual(parse(["/mnt"]), {
    kind: "run",
    settings: {
      mountpoint: "/mnt",
      stateFile: "/home/ann/.local/share/filed.db",
      stateDirectory: "made",
      graceMs: 10_000,
      admit: "owner",
      runAs: "owner",
      environment: { base: "daemon", given: [] },
      execDirectories: ["/tmp"],
      logLevel: "info",
      logFormat: "text",
    },
  });
});

const PLACES: [string, string[], Record<string, string>, string][] = [
  ["--state", ["--state", "/a.db"], { FILED_STATE_FILE: "/b", XDG_DATA_HOME: "/c", HOME: "/d" }, "/a.db"],
  ["-s", ["-s", "/a.db"], {}, "/a.db"],
  ["FILED_STATE_FILE", [], { FILED_STATE_FILE: "/b", XDG_DATA_HOME: "/c", HOME: "/d" }, "/b"],
  ["XDG_DATA_HOME", [], { XDG_DATA_HOME: "/c", HOME: "/d" }, "/c/filed.db"],
  ["HOME", [], { HOME: "/d" }, "/d/.local/share/filed.db"],
  [
    "HOME, where the others are empty",
    [],
    { FILED_STATE_FILE: "", XDG_DATA_HOME: "", HOME: "/d" },
    "/d/.local/share/filed.db",
  ],
];
for (const [name, args, environment, expected] of PLACES) {
  Deno.test(`the state file is found by ${name}`, () => {
    const command = parse([...args, "/mnt"], environment);
    assert.equal(command.kind === "run" && command.settings.stateFile, expected);
  });
}

Deno.test("what is executed is in --exec-dir, then in TMPDIR", () => {
  const command = parse(["--exec-dir", "/run/x", "/mnt"], { HOME: "/home/ann", TMPDIR: "/var/tmp" });
  assert.deepEqual(command.kind === "run" && command.settings.execDirectories, ["/run/x", "/var/tmp"]);
});

Deno.test("the rules of the sandbox are repeatable, and taken in with where temporary files are", () => {
  const args = [
    "--sandbox",
    "--ro",
    "/a",
    "--ro=b",
    "--rw",
    "/c",
    "--exec",
    "/d",
    "--connect",
    "1",
    "--bind=65535",
  ];
  const command = parse([...args, "/mnt"], { HOME: "/home/ann", TMPDIR: "/var/tmp" });
  assert.deepEqual(command.kind === "run" && command.settings.sandbox, {
    enforcement: "as-far-as-possible",
    paths: [
      { option: "--ro", path: "/a" },
      { option: "--ro", path: "b" },
      { option: "--rw", path: "/c" },
      { option: "--exec", path: "/d" },
    ],
    ports: [{ option: "--connect", port: 1 }, { option: "--bind", port: 65_535 }],
    tempDirectory: "/var/tmp",
  });
});

Deno.test("--sandbox=require is a sandbox that has to be whole; temporary files are in /tmp", () => {
  const command = parse(["--sandbox=require", "/mnt"]);
  assert.deepEqual(command.kind === "run" && command.settings.sandbox, {
    enforcement: "require",
    paths: [],
    ports: [],
    tempDirectory: "/tmp",
  });
});

Deno.test("after -- there are no options", () => {
  const command = parse(["--", "--sandbox=require"]);
  assert.equal(command.kind === "run" && command.settings.mountpoint, "--sandbox=require");
  assert.equal(command.kind === "run" && command.settings.sandbox, undefined);
});

Deno.test("a service manager's socket is found in the environment", () => {
  const command = parse(["/mnt"], { HOME: "/home/ann", NOTIFY_SOCKET: "/run/notify" });
  assert.equal(command.kind === "run" && command.settings.notifySocket, "/run/notify");
});

Deno.test("-o allow_other admits everyone, and --run-as says whom jobs run as", () => {
  const command = parse(["-o", "allow_other", "--run-as", "daemon", "/mnt"]);
  assert.ok(command.kind === "run");
  const { admit, runAs } = command.settings;
  assert.deepEqual({ admit, runAs }, { admit: "everyone", runAs: "daemon" });
});

Deno.test("--env and --clear-env say what jobs get of the environment", () => {
  const command = parse(["--clear-env", "--env", "LANG", "--env=A==b", "/mnt"]);
  assert.deepEqual(command.kind === "run" && command.settings.environment, {
    base: "none",
    given: [{ name: "LANG", value: undefined }, { name: "A", value: "=b" }],
  });
});

for (const [option, what] of [["--version", "version"], ["-V", "version"], ["--man", "manual"]] as const) {
  Deno.test(`${option} needs nothing else to be right`, () => {
    assert.deepEqual(parse([option], {}), { kind: "print", what });
  });
}

const WRONG: [string, string[], RegExp, Record<string, string>?][] = [
  ["no mount point", [], /no MOUNTPOINT given; for example: filed \/tmp\/filed-jobs/],
  ["an empty mount point", [""], /MOUNTPOINT is empty/],
  ["two mount points", ["/a", "/b"], /"\/b" is a second one/],
  ["an unknown option", ["--nope", "/a"], /Unknown option '--nope'$/],
  [
    "a command line of the original",
    ["-rof", "/usr/bin/echo", "-ro", "/lib", "/jobs"],
    /here, write: filed --sandbox --exec \/usr\/bin\/echo --exec \/lib \/jobs$/,
  ],
  ["an option without its value", ["/a", "--state"], /--state/],
  ["a grace that is no number", ["--grace", "soon", "/a"], /--grace is "soon"; it takes a number of seconds/],
  [
    "a value that looks like an option",
    ["--grace", "-1", "/a"],
    /^Option '-g, --grace <value>' argument is ambiguous|--grace/,
  ],
  ["a negative grace", ["--grace=-1", "/a"], /--grace is "-1"/],
  ["an empty grace", ["--grace=", "/a"], /--grace is ""/],
  ["an unknown level", ["--log-level", "loud", "/a"], /it takes debug, info, warn, error/],
  ["an unknown format", ["--log-format", "xml", "/a"], /it takes text, json/],
  ["an unknown mount option", ["-o", "allow_other,rw", "/a"], /-o is "rw"; it takes allow_other$/],
  ["an empty mount option", ["-o", "", "/a"], /-o is ""; it takes allow_other$/],
  ["somebody else to run as", ["--run-as", "ann", "/a"], /--run-as is "ann"; it takes owner, daemon$/],
  [
    "a variable without a name",
    ["--env", "=x", "/a"],
    /--env is "=x"; it takes KEY or KEY=VALUE, for example/,
  ],
  ["a variable's name with a space", ["--env", "A B=x", "/a"], /--env is "A B=x"; it takes KEY or KEY=VALUE/],
  ["a variable that is a job's own", ["--env", "FILED_RUN=x", "/a"], /each job has a FILED_RUN of its own/],
  [
    "a rule without a sandbox",
    ["--rw", "/srv", "/a"],
    /^--rw is a rule of the sandbox and needs --sandbox; for example/,
  ],
  [
    "a port without a sandbox",
    ["--bind", "80", "/a"],
    /^--bind is a rule of the sandbox and needs --sandbox/,
  ],
  ["a sandbox of an unknown kind", ["--sandbox=maybe", "/a"], /^--sandbox is "maybe"; it takes require$/],
  [
    "an empty path",
    ["--sandbox", "--ro=", "/a"],
    /^--ro is empty; it takes a path, for example: --ro \/srv$/,
  ],
  ["port 0", ["--sandbox", "--bind", "0", "/a"], /^--bind is "0"; it takes a TCP port from 1 to 65535/],
  ["a port too high", ["--sandbox", "--connect", "65536", "/a"], /^--connect is "65536"/],
  ["a port that is no number", ["--sandbox", "--connect", "https", "/a"], /^--connect is "https"/],
  ["an empty state file", ["--state=", "/a"], /--state is empty/],
  [
    "no place for the state file",
    ["/a"],
    /set --state, FILED_STATE_FILE, XDG_DATA_HOME or HOME; for example: filed/,
    {},
  ],
];
for (const [name, args, message, environment] of WRONG) {
  Deno.test(`${name} is a usage error that says what to do`, () => {
    assert.throws(() => parse(args, environment), (error) => {
      assert.ok(error instanceof UsageError);
      assert.match(error.message, message);
      assert.doesNotMatch(error.message, /\n/);
      return true;
    });
  });
}

Deno.test("--help is short, and needs nothing else to be right", () => {
  assert.deepEqual(parse(["--help"], {}), { kind: "print", what: "help" });
  const lines = HELP.trimEnd().split("\n");
  assert.ok(lines.length <= 40, `${lines.length} lines`);
  for (const line of lines) assert.ok(line.length <= 80, line);
});
