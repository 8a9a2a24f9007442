/** The built file needs nothing but what every system has: no Deno, no Node, no network, no environment. */
import assert from "node:assert/strict";
import { ok, Place, run } from "../harness.ts";
import { Program } from "../program.ts";
import { alone, builtRootTest, FILED, inside, makeTools } from "./built.ts";
import { User } from "../users.ts";

interface Who {
  home: string;
  prefix: string[];
}

interface Tried {
  /** Of the file that is started, from `cwd`. */
  file: string;
  cwd: string;
}

/** Prints what it can see of tools, interfaces and environment, one fact a line. */
const JOB = `for tool in deno node npm; do command -v $tool; done
tail -n +3 /proc/net/dev | sed 's/:.*//; s/ *//'
env | sed 's/=.*//' | sort`;

/** A shell adds the last four by itself. */
const ENVIRONMENT = ["FILED_ATTEMPT", "FILED_JOB_ID", "FILED_RUN", "HOME", "PATH"];
const OF_SHELL = ["OLDPWD", "PWD", "SHLVL", "_"];

/** Runs filed where nothing else is, and a job in it. @returns What the job printed. */
async function runJob(place: Place, who: Who, { file, cwd }: Tried): Promise<string[]> {
  const tools = await makeTools(`${place.path}/bin`, ["fusermount3", "env", "sort", "sed"]);
  const mount = `${who.home}/mnt`;
  await using program = Program.run([
    ...alone(place.path),
    ...who.prefix,
    ...["env", `--chdir=${cwd}`, "-i", `PATH=${tools}`, `HOME=${who.home}`],
    ...[file, "--state", `${who.home}/filed.db`, "--log-format", "json", mount],
  ]);
  await program.says(/"ready"/);
  assert.match(program.stderr, new RegExp(`"pid":${program.pid}\\b`)); // The file became filed: nothing stands between.
  const there = (script: string) =>
    ok(run([...inside(program.pid), ...who.prefix, "sh", "-c", script, "sh", mount, JOB]));
  await there('printf %s "$2" >"$1/pending/job"');
  await program.says(/"attempt ended"/);
  const log = await there('cat "$1/complete/job"');
  program.signal("SIGTERM");
  assert.equal(await program.ended(), 0, program.stderr);
  return log.replace(`>>> ${JOB}\n`, "").trimEnd().split("\n");
}

/** Asserts that there is no tool, no interface but the loopback that every namespace has, and no variable of others. */
function assertAlone(facts: string[]) {
  assert.deepEqual(facts.filter((fact) => !OF_SHELL.includes(fact)), ["lo", ...ENVIRONMENT]);
}

builtRootTest("the file runs alone, for root, from another directory", async () => {
  await using place = await Place.make();
  const home = `${place.path}/root`;
  await Deno.mkdir(home);
  assertAlone(await runJob(place, { home, prefix: [] }, { file: FILED, cwd: "/" }));
});

builtRootTest("the file runs alone, for an ordinary user, through a symbolic link", async () => {
  await using place = await Place.make();
  await using user = await User.in(place.path);
  await Deno.copyFile(FILED, `${place.path}/filed-1.2`);
  await Deno.symlink("filed-1.2", `${place.path}/filed`);
  await Deno.mkdir(`${user.home}/here`);
  assertAlone(await runJob(place, user, { file: "../../filed", cwd: `${user.home}/here` }));
});
