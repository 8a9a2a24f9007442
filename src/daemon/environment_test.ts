import assert from "node:assert/strict";
import { type EnvironmentOptions, isSettable } from "../settings.ts";
import { jobEnvironment } from "./environment.ts";

const bytes = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));
const text = (entry: Uint8Array) => String.fromCharCode(...entry);
const PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const DAEMON = [
  "PATH=/bin",
  "LANG=C",
  "FILED_STATE_FILE=/s",
  "NOTIFY_SOCKET=@n",
  "LISTEN_FDS=1",
  "LISTEN_PID=7",
];

const inherited = (...given: EnvironmentOptions["given"]): EnvironmentOptions => ({ base: "daemon", given });
const cleared = (...given: EnvironmentOptions["given"]): EnvironmentOptions => ({ base: "none", given });
const named = (name: string) => ({ name, value: undefined });

const CASES: [string, EnvironmentOptions, string[], string[]][] = [
  ["all but filed's and the service manager's variables", inherited(), DAEMON, ["PATH=/bin", "LANG=C"]],
  ["what only begins like one of those", inherited(), ["FILEDX=1", "NOTIFY_SOCKETS=2"], [
    "FILEDX=1",
    "NOTIFY_SOCKETS=2",
  ]],
  ["a value", inherited({ name: "TZ", value: "UTC" }), ["A=1"], ["A=1", "TZ=UTC"]],
  ["a value instead of the daemon's", inherited({ name: "A", value: "2" }), ["A=1"], ["A=2"]],
  ["an empty value", inherited({ name: "A", value: "" }), ["A=1"], ["A="]],
  ["a variable that is kept back, by its name", inherited(named("LISTEN_FDS")), DAEMON, [
    "PATH=/bin",
    "LANG=C",
    "LISTEN_FDS=1",
  ]],
  ["nothing for a name that the daemon does not have", inherited(named("B")), ["A=1"], ["A=1"]],
  ["the last value of a name", inherited({ name: "A", value: "2" }, { name: "A", value: "3" }), [], ["A=3"]],
  ["a PATH alone, if cleared", cleared(), DAEMON, [PATH]],
  ["the daemon's PATH, if cleared and named", cleared(named("PATH")), DAEMON, ["PATH=/bin"]],
  ["the named ones, if cleared", cleared(named("LANG"), { name: "TZ", value: "a=b" }), DAEMON, [
    PATH,
    "LANG=C",
    "TZ=a=b",
  ]],
  ["bytes that are no UTF-8, and lines", inherited(), ["A=\xff\n\x80", "\xe9=1"], ["A=\xff\n\x80", "\xe9=1"]],
  ["no entry without a name", inherited(), ["=x", "y", "A=1"], ["A=1"]],
];
for (const [what, options, environ, expected] of CASES) {
  Deno.test(`jobs get ${what}`, () => {
    assert.deepEqual([...jobEnvironment(options, environ.map(bytes)).values()].map(text), expected);
  });
}

Deno.test("a name that each job has of its own can't be set", () => {
  const names = ["FILED_JOB_ID", "FILED_ATTEMPT", "FILED_RUN", "FILED_OTHER", "PATH"];
  assert.deepEqual(names.filter(isSettable), ["FILED_OTHER", "PATH"]);
});
