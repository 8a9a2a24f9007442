/** What a job's log says, byte for byte. */
import assert from "node:assert/strict";
import { Filed, ok, Place, run, startFiled } from "../harness.ts";
import { peakBytes, residentBytes } from "../proc.ts";
import { Wire } from "../wire.ts";
import { Gate, read } from "./expect.ts";

const MIB = 1_048_576;

Deno.test("the log of a success is the command and its output", async () => {
  await using filed = await startFiled();
  await ok(filed.sh(`printf "echo 'hello world'" > $M/pending/1`));
  assert.equal(await filed.finished("1"), ">>> echo 'hello world'\nhello world\n");
});

Deno.test("the log of a failure ends with an empty line twice and the reason", async () => {
  await using filed = await startFiled({ config: { backoff_base: 0 } });
  const log = ">>> ech this-will-fail\nsh: 1: ech: not found\n\n\n[System Error]: exit status 127\n";
  assert.equal(await filed.finish("2", "ech this-will-fail"), log);
});

const COMMANDS = [
  ["a newline at its end", "echo x\n", ">>> echo x\nx\n"],
  ["newlines at its end", "echo x\n\n\n", ">>> echo x\nx\n"],
  ["several lines", "echo a\n\necho b\n", ">>> echo a\n\necho b\na\nb\n"],
  ["an empty line at its start", "\necho a", ">>> \necho a\na\n"],
  ["carriage returns in a comment", "echo a\n#\r\n", ">>> echo a\n#\r\na\n"],
  ["letters outside ASCII", "printf 'é€😀\\n'", ">>> printf 'é€😀\\n'\né€😀\n"],
] as const;
for (const [what, command, log] of COMMANDS) {
  Deno.test(`the log of a command with ${what} shows it and its output`, async () => {
    await using filed = await startFiled();
    assert.equal(await filed.finish("job", command), log);
  });
}

Deno.test("a command without output leaves the command alone", async () => {
  await using filed = await startFiled();
  assert.equal(await filed.finish("job", "true"), ">>> true\n");
});

Deno.test("a success that ends within a line is left as it is", async () => {
  await using filed = await startFiled();
  assert.equal(await filed.finish("job", "printf abc"), ">>> printf abc\nabc");
});

const REASONS = [
  ["an exit status", "exit 7", "exit status 7"],
  ["output that ends within a line", "printf abc; exit 1", "exit status 1"],
  ["SIGKILL", "kill -KILL $$", "signal: killed"],
  ["SIGTERM", "kill -TERM $$", "signal: terminated"],
  ["SIGSEGV", "kill -SEGV $$", "signal: segmentation fault"],
  ["a realtime signal", "kill -36 $$", "signal: SIGRTMIN+2"],
  ["a timeout", "sleep 60", "timed out after 1 s"],
] as const;
for (const [what, command, reason] of REASONS) {
  Deno.test(`the reason after ${what} is: ${reason}`, async () => {
    await using filed = await startFiled({ config: { max_attempts: 1, timeout_sec: 1 } });
    const output = command.startsWith("printf") ? "abc\n" : "";
    const log = `>>> ${command}\n${output}\n\n[System Error]: ${reason}\n`;
    assert.equal(await filed.finish("job", command), log);
  });
}

Deno.test("a log begins with up to 4 KiB of the command, and says how much more there is", async () => {
  await using filed = await startFiled();
  const commandOf = (bytes: number) => "echo ran # ".padEnd(bytes, "x");
  const longest = commandOf(4_096);
  assert.equal(await filed.finish("short", longest), `>>> ${longest}\nran\n`);
  const more = "[filed: 126975 more bytes of the command]";
  assert.equal(await filed.finish("long", commandOf(131_071)), `>>> ${longest}\n${more}\nran\n`);
});

Deno.test("the log is that of the latest attempt", async () => {
  await using filed = await startFiled({ config: { backoff_base: 0 } });
  const command = "echo $FILED_ATTEMPT; [ $FILED_ATTEMPT = 3 ]";
  assert.equal(await filed.finish("job", command), `>>> ${command}\n3\n`);
});

Deno.test("active/ID is the log so far", async () => {
  await using filed = await startFiled();
  using gate = await Gate.make(filed.place);
  const command = `echo one; ${gate.waiting}; echo two; ${gate.waiting}`;
  await filed.submit("job", command);
  for (const output of ["one\n", "one\ntwo\n"]) {
    await gate.closedOn();
    await ok(filed.sh(`until grep -q ^${output.trim().split("\n").at(-1)} $M/active/job; do :; done`));
    assert.equal(await read(filed, "active/job"), `>>> ${command}\n${output}`);
    gate.open();
  }
});

/** Follows a file as `tail -f` does; what it prints comes line by line. */
async function follow(filed: Awaited<ReturnType<typeof startFiled>>, path: string) {
  await using starting = new AsyncDisposableStack();
  const wire = starting.use(await Wire.make(filed.place, "tail"));
  const tail = new Deno.Command("sh", {
    args: ["-c", 'exec tail -s 0.05 -n +1 -f "$0" > "$1"', `${filed.mount}/${path}`, wire.path],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  starting.use(tail);
  const owned = starting.move();
  return { line: () => wire.line(), [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

for (const [ending, reason] of [["success", ""], ["failure", "exit status 3"]] as const) {
  Deno.test(`tail -f follows a job live and across the end in ${ending}`, async () => {
    await using filed = await startFiled({ config: { max_attempts: 1 } });
    using gate = await Gate.make(filed.place);
    const command = `echo one; ${gate.waiting}; echo two; exit ${reason === "" ? 0 : 3}`;
    await filed.submit("job", command);
    await gate.closedOn();
    await using tail = await follow(filed, "active/job");
    assert.equal(await tail.line(), `>>> ${command}`);
    assert.equal(await tail.line(), "one");
    gate.open();
    assert.equal(await tail.line(), "two");
    if (reason === "") return;
    assert.deepEqual([await tail.line(), await tail.line()], ["", ""]);
    assert.equal(await tail.line(), `[System Error]: ${reason}`);
  });
}

Deno.test("who follows a job that is removed has what it said, and no error", async () => {
  await using filed = await startFiled();
  await using wire = await Wire.make(filed.place);
  await filed.submit("job", `echo said; echo up > ${wire.path}; exec sleep 60`);
  await wire.line();
  await ok(filed.sh("until grep -q ^said $M/active/job; do :; done"));
  using file = await Deno.open(`${filed.mount}/active/job`);
  await ok(filed.sh("rm $M/active/job"));
  await filed.event("attempt ended", { job: "job" });
  assert.match(await new Response(file.readable).text(), /\nsaid\n$/);
});

Deno.test("output past max_log_bytes is dropped, but for the last 64 KiB, and a line says how much", async () => {
  await using filed = await startFiled({ config: { max_log_bytes: 1_001 } });
  const command = "seq 50000";
  const output = await ok(run(["seq", "50000"]));
  const log = await filed.finish("job", command);
  const kept = output.slice(0, 1_001);
  const tail = output.slice(-65_536);
  const dropped = output.length - kept.length - tail.length;
  assert.equal(log, `>>> ${command}\n${kept}\n[filed: ${dropped} bytes dropped]\n${tail}`);
});

Deno.test("output a little past max_log_bytes loses nothing", async () => {
  await using filed = await startFiled({ config: { max_log_bytes: 1_000 } });
  assert.equal(await filed.finish("job", "seq 1000"), `>>> seq 1000\n${await ok(run(["seq", "1000"]))}`);
});

Deno.test("a failure past max_log_bytes has its reason at the end", async () => {
  await using filed = await startFiled({ config: { max_log_bytes: 0, max_attempts: 1 } });
  const log = await filed.finish("job", "seq 50000; exit 4");
  assert.match(
    log,
    /^>>> seq 50000; exit 4\n\[filed: \d+ bytes dropped\]\n[\d\n]+\n50000\n\n\n\[System Error\]: exit status 4\n$/,
  );
});

Deno.test("max_log_bytes changed while a job runs counts from the next attempt on", async () => {
  await using filed = await startFiled();
  using gate = await Gate.make(filed.place);
  await filed.submit("job", `${gate.waiting}; seq 50000`);
  await gate.closedOn();
  await filed.configure({ max_log_bytes: 10 });
  gate.open();
  assert.doesNotMatch(await filed.finished("job"), /dropped/);
});

Deno.test("binary output is kept byte for byte", async () => {
  await using filed = await startFiled();
  const original = `${filed.place.path}/random`;
  await ok(run(["sh", "-c", `head -c 3000000 /dev/urandom > ${original}`]));
  await filed.submit("job", `cat ${original}`);
  await filed.event("attempt ended", { job: "job", state: "complete" });
  await ok(filed.sh(`tail -n +2 $M/complete/job | cmp - ${original}`));
});

Deno.test("many small writes are kept byte for byte, in order", async () => {
  await using filed = await startFiled();
  const loop = "n=0; while [ $n -lt 20000 ]; do n=$((n+1)); echo $n; done";
  assert.equal(await filed.finish("job", loop), `>>> ${loop}\n${await ok(run(["seq", "20000"]))}`);
});

Deno.test("a job that prints 1 GB leaves a capped log, and the daemon's memory as it was", async () => {
  await using filed = await startFiled();
  await filed.finish("warm-up", "head -c 1000000 /dev/zero");
  const before = await residentBytes(filed.pid);
  await filed.submit("job", "head -c 1000000000 /dev/zero");
  await filed.event("attempt ended", { job: "job", state: "complete" });
  const { size } = await Deno.stat(`${filed.mount}/complete/job`);
  const header = ">>> head -c 1000000000 /dev/zero\n";
  const dropped = `\n[filed: ${1_000_000_000 - 16 * MIB - 65_536} bytes dropped]\n`;
  assert.equal(size, header.length + 16 * MIB + dropped.length + 65_536);
  const grownBytes = await peakBytes(filed.pid) - before;
  assert.ok(grownBytes < 96 * MIB, `${grownBytes / MIB} MiB more`);
});

Deno.test("ten jobs that print without end at once leave the daemon's memory bounded", async () => {
  await using filed = await startFiled({
    config: { timeout_sec: 2, max_attempts: 1, max_log_bytes: 1 * MIB },
  });
  for (let job = 0; job < 10; job++) await filed.submit(`job-${job}`, "exec yes");
  await filed.events("attempt ended", { state: "failed" }, 10);
  const peak = await peakBytes(filed.pid);
  assert.ok(peak < 400 * MIB, `${peak / MIB} MiB`);
});

Deno.test("who has a log open reads that to its end when the job runs again, and nothing of the next", async () => {
  await using place = await Place.make();
  await using filed = await Filed.start(place);
  const word = `${place.path}/word`;
  await Deno.writeTextFile(word, "one");
  const command = `cat ${word}; head -c 300000 /dev/zero | tr '\\0' x`;
  const log = await filed.finish("x", command);
  using file = await Deno.open(`${filed.mount}/complete/x`);
  const begun = new Uint8Array(10);
  await file.read(begun);
  await Deno.writeTextFile(word, "two");
  await ok(filed.sh("mv $M/complete/x $M/pending/"));
  await filed.events("attempt ended", { job: "x" }, 2);
  assert.match(await read(filed, "complete/x"), /two/);
  const rest = await new Response(file.readable).text();
  assert.equal(new TextDecoder().decode(begun) + rest, log);
});

Deno.test("tail -f stays with its attempt, and tail -F goes on to the next", async () => {
  await using filed = await startFiled({ config: { max_attempts: 1 } });
  await using wire = await Wire.make(filed.place);
  using gate = await Gate.make(filed.place);
  await using stayed = await Wire.make(filed.place, "stayed");
  await using followed = await Wire.make(filed.place, "followed");
  const command =
    `echo $FILED_ATTEMPT-$(cat ${filed.place.path}/word); echo up > ${wire.path}; ${gate.waiting}; false`;
  await Deno.writeTextFile(`${filed.place.path}/word`, "first");
  await filed.submit("x", command);
  await wire.line();
  {
    await using tails = new AsyncDisposableStack();
    for (const [option, { path }] of [["-f", stayed], ["-F", followed]] as const) {
      const script = `exec tail -s 0.1 --max-unchanged-stats=1 -n +2 ${option} "$M/active/x" > ${path} 2>&1`;
      tails.use(new Deno.Command("sh", { args: ["-c", script], env: { M: filed.mount } }).spawn());
    }
    for (const wire of [stayed, followed]) assert.equal(await wire.line(), "1-first");
    await gate.closedOn();
    gate.open();
    await filed.event("attempt ended", { job: "x" });
    await Deno.writeTextFile(`${filed.place.path}/word`, "second");
    await ok(filed.sh("mv $M/failed/x $M/pending/"));
    for (let line = ""; line !== "1-second"; line = await followed.line());
  }
  gate.open();
  assert.deepEqual((await stayed.end()).filter((line) => line !== ""), ["[System Error]: exit status 1"]);
});

Deno.test("tail -F of a job that is withdrawn once more goes on to the new log, as long as the one before", async () => {
  await using filed = await startFiled({ config: { max_job_count: 0 } });
  await using followed = await Wire.make(filed.place, "followed");
  await filed.submit("x", "true");
  await ok(filed.sh("mv $M/pending/x $M/failed/"));
  using before = await Deno.open(`${filed.mount}/failed/x`);
  const script = `exec tail -s 0.1 --max-unchanged-stats=1 -n +1 -F "$M/failed/x" > ${followed.path} 2>&1`;
  await using _tail = new Deno.Command("sh", { args: ["-c", script], env: { M: filed.mount } }).spawn();
  assert.equal(await followed.line(), ">>> true");
  await ok(filed.sh("mv $M/failed/x $M/pending/ && mv $M/pending/x $M/failed/"));
  for (let line = ""; line !== ">>> true"; line = await followed.line());
  const after = await Deno.stat(`${filed.mount}/failed/x`);
  assert.deepEqual([after.size, after.ino === (await before.stat()).ino], [
    (await before.stat()).size,
    false,
  ]);
  assert.match(await new Response(before.readable).text(), /^>>> true\n/);
});

Deno.test("who read a log reads the next of its job after a retry, also one of the same size", async () => {
  await using place = await Place.make();
  await using filed = await Filed.start(place);
  const say = (word: string) => Deno.writeTextFile(`${place.path}/word`, word);
  await say("one");
  assert.match(await filed.finish("x", `cat ${place.path}/word`), /one$/);
  await say("two");
  await ok(filed.sh("cat $M/complete/x > /dev/null; mv $M/complete/x $M/pending/"));
  await filed.events("attempt ended", { job: "x" }, 2);
  assert.match(await read(filed, "complete/x"), /two$/);
});
