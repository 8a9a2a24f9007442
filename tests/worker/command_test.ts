/**
 * How a command starts: its shell, session, arguments and descriptors. The command line of filed is in
 * contract/command_test.ts.
 */
import assert from "node:assert/strict";
import { readProcess } from "../../src/worker/end/processes.ts";
import { Workshop } from "./workshop.ts";

const OUTPUTS = [
  ["the two streams in the order written", "echo 1; echo 2 >&2; echo 3; echo 4 >&2", "1\n2\n3\n4\n"],
  ["the text of sh's own errors", "PATH=/bin; ech this-will-fail", "sh: 1: ech: not found\n"],
  ["sh's syntax errors", "(", 'sh: 1: Syntax error: end of file unexpected (expecting ")")\n'],
  ["nothing from its standard input", "cat", ""],
  ["the job's environment", 'echo "$FILED_JOB_ID $FILED_ATTEMPT $PATH"', `job 1 ${Deno.env.get("PATH")}\n`],
  ["no parameters", 'echo "$0 $#"', "sh 0\n"],
  ["the daemon's directory", "pwd -P", `${Deno.cwd()}\n`],
  ["nothing of the wrapper's in the environment", "env | grep -ci cgroup", "0\n"],
] as const;

for (const [name, command, expected] of OUTPUTS) {
  Deno.test(`a command's output is ${name}`, async () => {
    await using workshop = new Workshop();
    const run = workshop.start(command);
    await run.ended.promise;
    assert.equal(run.text, expected);
  });
}

Deno.test("sh's errors read as they do without filed", async () => {
  await using workshop = new Workshop();
  const commands = [
    "ech x",
    "cd /nowhere",
    "exec nothing",
    'echo "${x?is needed}"',
    "fi",
    ". /nowhere",
    "kill -9 x",
    "\n\nech x",
  ];
  for (const command of commands) {
    const run = workshop.start(command);
    await run.ended.promise;
    const { stdout, stderr } = await new Deno.Command("env", { args: ["sh", "-c", command] }).output();
    assert.equal(run.text, new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr));
  }
});

const EXITS = [
  ["true", { kind: "exited", status: 0 }],
  ["exit 7", { kind: "exited", status: 7 }],
  ["ech this-will-fail", { kind: "exited", status: 127 }],
  ["kill -KILL $$", { kind: "signaled", signal: "SIGKILL" }],
  ["kill -TERM $$", { kind: "signaled", signal: "SIGTERM" }],
  ["kill -37 $$", { kind: "signaled", signal: "SIGRTMIN+3" }],
  ["exec sh -c 'kill -USR1 $$'", { kind: "signaled", signal: "SIGUSR1" }],
] as const;

for (const [command, exit] of EXITS) {
  Deno.test(`the exit of ${command}`, async () => {
    await using workshop = new Workshop();
    assert.deepEqual(await workshop.start(command).exit(), exit);
  });
}

Deno.test("a job that lives for a while is told as started, with who it is", async () => {
  await using workshop = new Workshop();
  await workshop.fifos("go");
  const run = workshop.start("read x < $DIR/go; echo $$");
  const { leader } = await run.started.promise;
  assert.equal(leader.startTicks, readProcess(leader.pid)?.startTicks);
  await Deno.writeTextFile(`${workshop.dir}/go`, "\n");
  await run.ended.promise;
  assert.deepEqual(run.kinds, ["started", "output", "ended"]);
  assert.equal(run.text, `${leader.pid}\n`);
  assert.equal(leader.bootId, (await Deno.readTextFile("/proc/sys/kernel/random/boot_id")).trim());
});

Deno.test("of a job that is over at once only its end is told", async () => {
  await using workshop = new Workshop();
  for (let tries = 0;; tries++) { // On a busy machine most take longer.
    const run = workshop.start(":");
    await run.ended.promise;
    if (run.kinds.length === 1) return;
    assert.deepEqual(run.kinds, ["started", "ended"]);
    assert.ok(tries < 1_000, "each was told as started");
  }
});

Deno.test("a job leads a session and a group of its own", async () => {
  await using workshop = new Workshop();
  const run = workshop.start("echo $$; cut -d ' ' -f 5,6 /proc/$$/stat");
  await run.ended.promise;
  const [pid] = run.text.split("\n");
  assert.equal(run.text, `${pid}\n${pid} ${pid}\n`);
});

Deno.test("a job is one process: the wrappers are replaced by its shell", async () => {
  await using workshop = new Workshop();
  await workshop.fifos("up");
  const run = workshop.start("echo $PPID > $DIR/up; exec tail -f $DIR/up");
  assert.equal(await workshop.read("up"), `${Deno.pid}\n`);
  assert.equal(workshop.processes().length, 1);
  workshop.executor.end(run.token, 0);
  await run.ended.promise;
});

Deno.test("a job has no descriptors but 0, 1 and 2", async () => {
  // What a shell leaves open in its child: not close-on-exec.
  const script = `exec 17</dev/null; exec "$0" run --no-lock -A "$1"`;
  const host = new URL("./descriptors_host.ts", import.meta.url).pathname;
  const { stdout } = await new Deno.Command("bash", { args: ["-c", script, Deno.execPath(), host] }).output();
  assert.deepEqual(new TextDecoder().decode(stdout).trim().split("\n"), ["0", "1", "2"]);
});

Deno.test("signals that the daemon ignores are not ignored in a job", async () => {
  await using workshop = new Workshop();
  const run = workshop.start("exec sed -n 's/^Sig[BI][lg][kn]:.//p' /proc/self/status");
  await run.ended.promise;
  // Signals 32 and 33 are the C library's own; its posix_spawn(3) ignores them.
  const masks = run.text.trim().split("\n").map((line) => Number.parseInt(line, 16) % 2 ** 31);
  assert.deepEqual(masks, [0, 0]);
});

Deno.test("a command of any bytes reaches sh as it is", async () => {
  await using workshop = new Workshop();
  // All but NUL and the quote, in quotes; a newline and a backslash are among them.
  const all = Uint8Array.from({ length: 255 }, (_, index) => index + 1).filter((byte) => byte !== 0x27);
  const command = Uint8Array.from([...new TextEncoder().encode("printf %s '"), ...all, 0x27, 0x0a, 0x0a]);
  const run = workshop.start(command);
  assert.deepEqual(await run.exit(), { kind: "exited", status: 0 });
  assert.deepEqual(run.bytes, all);
});

for (const [what, byte] of [["text", "x".charCodeAt(0)], ["bytes that are no text", 0xff]] as const) {
  Deno.test(`the longest command works: 131,071 bytes of ${what}`, async () => {
    await using workshop = new Workshop({ cgroups: "unused" });
    const length = 131_071;
    const command = new Uint8Array(length).fill(byte);
    command.set(new TextEncoder().encode("cat /proc/$$/cmdline | wc -c; #"));
    const run = workshop.start(command);
    assert.deepEqual(await run.exit(), { kind: "exited", status: 0 });
    assert.equal(Number(run.text), "sh\0-c\0--\0".length + length + 1);
  });
}

Deno.test("the newlines that end a command of any bytes reach sh", async () => {
  await using workshop = new Workshop({ cgroups: "unused" });
  const command = Uint8Array.from([
    ...new TextEncoder().encode("wc -c < /proc/$$/cmdline #"),
    0xff,
    0x0a,
    0x0a,
    0x0a,
  ]);
  const run = workshop.start(command);
  await run.ended.promise;
  assert.equal(Number(run.text), "sh\0-c\0--\0".length + command.length + 1);
});

for (const length of [2, 200_000]) {
  Deno.test(`text of ${length} bytes with a NUL byte among them is not started`, async () => {
    await using workshop = new Workshop();
    const command = new Uint8Array(length).fill(0x3a);
    command[length - 1] = 0;
    const run = workshop.start(command);
    const reason = "the command contains a NUL byte";
    assert.deepEqual(await run.exit(), { kind: "not-started", reason, isFinal: true });
    // There may have been a process, which did not come to execute it.
    assert.deepEqual(run.kinds.filter((kind) => kind !== "started"), ["ended"]);
  });
}

Deno.test("a command that begins with a dash is no option of the shell", async () => {
  await using workshop = new Workshop();
  const run = workshop.start("-x echo hi");
  assert.deepEqual(await run.exit(), { kind: "exited", status: 127 });
  assert.equal(run.text, "sh: 1: -x: not found\n");
});
