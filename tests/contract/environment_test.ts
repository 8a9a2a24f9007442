/** What of the daemon's environment its jobs get. */
import assert from "node:assert/strict";
import { ok, Place, rootTest, run } from "../harness.ts";
import { Program } from "../program.ts";

/** The environment that a command starts with, as `/proc` has it: shells add to their own. */
const PRINT = "tr '\\0' '\\n' < /proc/$$/environ";
/** That filed's own PATH is not the one that --clear-env gives: root's often is. */
const OWN_PATH = { PATH: `${Deno.env.get("PATH")}:/nowhere` };
/** What filed has in any case. */
const ALWAYS = ["PATH", "DENO_DIR", "TMPDIR", "XDG_CACHE_HOME"];
const JOBS_OWN = ["FILED_ATTEMPT=1", "FILED_JOB_ID=job"];
const DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * Runs filed and one job in it.
 * @param script Runs `"$@"`, which is filed, with more in its environment.
 * @param prepare Done before the job is submitted.
 * @returns The variables that the job has, sorted, but those that filed has in any case, and FILED_RUN.
 */
async function variablesOf(script: string, options: string[], prepare = "true"): Promise<string[]> {
  await using place = await Place.make();
  const mount = `${place.path}/mnt`;
  await using program = Program.start(["--state", `${place.path}/filed.db`, ...options, mount], OWN_PATH, [
    "sh",
    "-c",
    script,
    "sh",
  ]);
  await program.says(/ ready /);
  await ok(
    run([
      "sh",
      "-c",
      `${prepare}; printf '%s' "$1" > $M/pending/.job; mv $M/pending/.job $M/pending/job`,
      "sh",
      PRINT,
    ], { M: mount }),
  );
  await program.says(/attempt ended job="job"/);
  const log = await Deno.readFile(`${mount}/complete/job`);
  const lines = new TextDecoder("latin1").decode(log).trimEnd().split("\n").slice(1);
  const isShown = (line: string) =>
    ![...ALWAYS, "FILED_RUN", "PWD", "_"].includes(line.split("=")[0] as string);
  return lines.filter((line) => isShown(line) || line === DEFAULT_PATH).sort();
}

const SERVICE =
  "NOTIFY_SOCKET=/nowhere LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=x FILED_SECRET=s FILED_RUN=r";

const CASES: [string, string, string[], string[]][] = [
  ["all of it", 'A="two  words" exec "$@"', [], ["A=two  words"]],
  ["any bytes", 'A=$(printf "\\377") exec "$@"', [], ["A=\xff"]],
  ["nothing that is filed's or its service manager's", `${SERVICE} exec "$@"`, [], []],
  ["what --env adds and names", `${SERVICE} exec "$@"`, ["--env", "B=1", "--env", "LISTEN_FDS"], [
    "B=1",
    "LISTEN_FDS=1",
  ]],
  ["with --clear-env a PATH", 'A=1 exec "$@"', ["--clear-env"], [DEFAULT_PATH]],
  ["with --clear-env what --env names", 'A=1 B=2 exec "$@"', ["--clear-env", "--env", "A"], [
    "A=1",
    DEFAULT_PATH,
  ]],
];
for (const [what, script, options, expected] of CASES) {
  Deno.test(`jobs get of filed's environment: ${what}`, async () => {
    assert.deepEqual(await variablesOf(script, options), [...expected, ...JOBS_OWN].sort());
  });
}

rootTest(
  "another user's job gets that user's HOME, USER, LOGNAME and SHELL, also with --clear-env",
  async () => {
    const prepare = "touch $M/pending/.job && chown daemon $M/pending/.job";
    const [home, shell] = (await ok(run(["getent", "passwd", "daemon"]))).trim().split(":").slice(-2);
    const theirs = [`HOME=${home}`, "LOGNAME=daemon", `SHELL=${shell}`, "USER=daemon"];
    const filed = 'HOME=/root USER=root LOGNAME=root SHELL=/bin/bash A=1 exec "$@"';
    assert.deepEqual(await variablesOf(filed, [], prepare), ["A=1", ...JOBS_OWN, ...theirs]);
    assert.deepEqual(
      await variablesOf(filed, ["--clear-env"], prepare),
      [...JOBS_OWN, ...theirs, DEFAULT_PATH].sort(),
    );
  },
);
