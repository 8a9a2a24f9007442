/** What a job finds when it starts. */
import assert from "node:assert/strict";
import { Filed, ok, Place, rootTest, run, startFiled } from "../harness.ts";
import { Wire } from "../wire.ts";

/** What a command printed, given the log of its success. */
function outputOf(log: string, command: string): string {
  const header = `>>> ${command}\n`;
  assert.equal(log.slice(0, header.length), header);
  return log.slice(header.length);
}

async function output(command: string): Promise<string> {
  await using filed = await startFiled();
  return outputOf(await filed.finish("job", command), command);
}

Deno.test("a command runs as sh -c COMMAND", async () => {
  assert.equal(await output('echo "$0 $#"'), "sh 0\n");
});

Deno.test("a command has quotes, dollars, backslashes and several lines as they were written", async () => {
  assert.equal(await output(`a='x  y'\nprintf '%s|' "$a" \\$a '\\n'\necho "$((6 * 7))"`), "x  y|$a|\\n|42\n");
});

Deno.test("a command that is not UTF-8 runs byte for byte", async () => {
  await using filed = await startFiled();
  await ok(
    filed.sh(
      `printf 'printf "\\377\\n" | od -An -tx1; printf "\\351" | od -An -tx1 #\\351' > $M/pending/job`,
    ),
  );
  await filed.finished("job");
  const log = await Deno.readFile(`${filed.mount}/complete/job`);
  const text = new TextDecoder("latin1").decode(log);
  assert.match(text, / ff 0a\n e9\n$/);
});

Deno.test("a job starts at home where the directory that filed was started in is gone", async () => {
  await using place = await Place.make();
  const [cwd, home] = [`${place.path}/started`, `${place.path}/home`];
  await Deno.mkdir(cwd);
  await Deno.mkdir(home);
  await using filed = await Filed.start(place, { cwd, env: { HOME: home } });
  assert.equal(outputOf(await filed.finish("before", "pwd -P"), "pwd -P"), `${cwd}\n`);
  await Deno.remove(cwd);
  assert.equal(outputOf(await filed.finish("after", "pwd -P"), "pwd -P"), `${home}\n`);
});

Deno.test("a job begins with the soft limit of open files that filed was started with", async () => {
  await using place = await Place.make();
  const prefix = ["sh", "-c", 'ulimit -S -n 777 && exec "$@"', "sh"];
  const isBuilt = Deno.env.has("FILED"); // The self-extracting file looks for itself.
  await using filed = await Filed.start(place, { prefix, env: isBuilt ? {} : { FILED_OPEN_FILES: "777" } });
  assert.equal(outputOf(await filed.finish("job", "ulimit -S -n"), "ulimit -S -n"), "777\n");
});

Deno.test("a command leads a process group of its own", async () => {
  await using filed = await startFiled();
  const command = "cut -d' ' -f1,5 /proc/$$/stat";
  const [pid, group] = outputOf(await filed.finish("job", command), command).trim().split(" ");
  assert.equal(group, pid);
});

Deno.test("two jobs are in two process groups", async () => {
  await using filed = await startFiled();
  const command = "cut -d' ' -f5 /proc/$$/stat";
  assert.notEqual(await filed.finish("a", command), await filed.finish("b", command));
});

Deno.test("standard input is /dev/null", async () => {
  assert.equal(await output("readlink /proc/$$/fd/0; cat; echo end"), "/dev/null\nend\n");
});

Deno.test("standard output and standard error are one stream", async () => {
  assert.equal(
    await output("test $(readlink /proc/$$/fd/1) = $(readlink /proc/$$/fd/2) && echo one"),
    "one\n",
  );
});

Deno.test("what is written to standard output and standard error stays in the order written", async () => {
  const numbers = Array.from({ length: 200 }, (_, index) => `${index + 1}\n`).join("");
  const loop = "n=0; while [ $n -lt 200 ]; do n=$((n + 1)); echo $n >&$((n % 2 + 1)); done";
  assert.equal(await output(loop), numbers);
});

Deno.test("a command inherits no open file but the three", async () => {
  assert.equal(await output("ls /proc/$$/fd; true"), "0\n1\n2\n");
});

Deno.test("FILED_JOB_ID is the job's id", async () => {
  await using filed = await startFiled();
  const id = `é 'quoted' "$x" -rf`;
  assert.equal(outputOf(await filed.finish(id, "printenv FILED_JOB_ID"), "printenv FILED_JOB_ID"), `${id}\n`);
});

Deno.test("FILED_ATTEMPT counts the attempts from 1", async () => {
  await using filed = await startFiled({ config: { backoff_base: 0 } });
  const command = `echo $FILED_ATTEMPT >> ${filed.place.path}/attempts; [ $FILED_ATTEMPT = 3 ]`;
  await filed.finish("job", command);
  assert.equal(await Deno.readTextFile(`${filed.place.path}/attempts`), "1\n2\n3\n");
});

Deno.test("FILED_RUN is another random token in each attempt", async () => {
  await using filed = await startFiled({ config: { backoff_base: 0 } });
  await filed.finish("job", `echo $FILED_RUN >> ${filed.place.path}/runs; false`);
  const tokens = (await Deno.readTextFile(`${filed.place.path}/runs`)).trim().split("\n");
  assert.equal(new Set(tokens).size, 3);
  for (const token of tokens) assert.match(token, /^[\w-]{16,}$/);
});

Deno.test("a command runs in the directory that filed was started in", async () => {
  await using filed = await startFiled();
  assert.equal(outputOf(await filed.finish("job", "pwd -P"), "pwd -P"), `${filed.place.path}\n`);
});

Deno.test("a command may use the mount", async () => {
  await using filed = await startFiled();
  const command = `ls ${filed.mount}/active; echo 'echo nested' > ${filed.mount}/pending/inner`;
  assert.equal(outputOf(await filed.finish("outer", command), command), "outer\n");
  assert.equal(await filed.finished("inner"), ">>> echo nested\nnested\n");
});

Deno.test("a daemon that was started in its own mount point runs jobs all the same", async () => {
  await using place = await Place.make();
  await Deno.mkdir(`${place.path}/mnt`);
  await using filed = await Filed.start(place, { cwd: `${place.path}/mnt` });
  assert.equal(await filed.finish("job", "echo runs"), ">>> echo runs\nruns\n");
});

Deno.test("a command starts with SIGPIPE at its default", async () => {
  assert.equal(await output("sh -c 'kill -PIPE $$'; echo $?"), "141\n");
});

rootTest("a job that runs as another user runs in that user's home", async () => {
  await using filed = await startFiled();
  const home = (await ok(run(["getent", "passwd", "daemon"]))).split(":")[5];
  const command = "pwd; id -un; echo $HOME $USER $LOGNAME";
  await ok(
    filed.sh(
      `echo '${command}' > $M/pending/.job; chown daemon $M/pending/.job; mv $M/pending/.job $M/pending/job`,
    ),
  );
  const log = await filed.finished("job");
  assert.equal(log, `>>> ${command}\n${home}\ndaemon\n${home} daemon daemon\n`);
});

Deno.test("a job is listed in active/ while its command runs, and nowhere else", async () => {
  await using filed = await startFiled();
  await using wire = await Wire.make(filed.place);
  await filed.submit("job", `echo up > ${wire.path}; exec sleep 60`);
  assert.equal(await wire.line(), "up");
  const places = await Promise.all(
    ["pending", "active", "complete", "failed"].map((name) => filed.list(name)),
  );
  assert.deepEqual(places, [[], ["job"], [], []]);
});
