/** What a job asks for: its standard input, where it starts, and a warning before its timeout. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Place, rootTest } from "../harness.ts";
import { User } from "../users.ts";
import { Workshop } from "./workshop.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

/** Bytes that are no text, in no order that repeats. */
function noise(length: number): Uint8Array {
  let state = 1;
  return Uint8Array.from({ length }, () => (state = Math.imul(state, 1_103_515_245) + 12_345 | 0) >>> 16);
}

for (const length of [0, 1, 16_384, 16_385, 10_000_000]) {
  Deno.test(`a standard input of ${length} bytes arrives byte for byte`, async () => {
    await using workshop = new Workshop();
    const stdin = noise(length);
    const sum = createHash("sha256").update(stdin).digest("hex"); // The executor takes the bytes.
    const job = workshop.start("exec sha256sum", { stdin });
    assert.deepEqual(await job.exit(), { kind: "exited", status: 0 });
    assert.equal(job.text, `${sum}  -\n`);
  });
}

Deno.test("standard input is a file at its beginning: what reads it twice has it twice", async () => {
  await using workshop = new Workshop();
  for (const length of [3, 20_000]) {
    const stdin = new Uint8Array(length).fill(0x61);
    const job = workshop.start("wc -c; wc -c < /dev/stdin; head -c 2 /dev/stdin", { stdin });
    await job.exit();
    assert.equal(job.text, `${length}\n${length}\naa`);
  }
});

Deno.test("standard input can't be written", async () => {
  await using workshop = new Workshop();
  const job = workshop.start("echo x >&0; echo $?; cat", { stdin: bytes("data\n") });
  await job.exit();
  assert.match(job.text, /\n1\ndata\n$/);
});

Deno.test("a job that does not read its standard input ends as others do", async () => {
  await using workshop = new Workshop();
  const job = workshop.start("exit 3", { stdin: noise(10_000_000) });
  assert.deepEqual(await job.exit(), { kind: "exited", status: 3 });
});

Deno.test("scripts and programs read their standard input", async () => {
  await using workshop = new Workshop();
  const contents = ["#!/bin/sh\nexec cat\n", `cat; ${"#".repeat(131_072)}`, await Deno.readFile("/bin/cat")];
  for (const content of contents) {
    const job = workshop.start(content, { stdin: bytes("to be read\n") });
    assert.deepEqual(await job.exit(), { kind: "exited", status: 0 });
    assert.equal(job.text, "to be read\n");
  }
});

Deno.test("large standard inputs that find no room on the disk are in memory", async () => {
  await using workshop = new Workshop({ dataDirectory: "/proc" });
  const job = workshop.start("wc -c", { stdin: noise(50_000) });
  await job.exit();
  assert.equal(job.text, "50000\n");
});

rootTest("another user's job reads its standard input, by its name too", async () => {
  await using workshop = new Workshop();
  await using user = await User.at("/nonexistent");
  for (const length of [100, 100_000]) {
    const command = 'id -u; wc -c < /dev/stdin; stat -Lc "%u %a %h" /dev/stdin; wc -c';
    const job = workshop.start(command, { stdin: noise(length), runAs: { uid: user.uid, gid: user.gid } });
    await job.exit();
    assert.match(job.text, new RegExp(`^${user.uid}\\n${length}\\n${user.uid} 400 0\\n${length}\\n$`));
  }
});

Deno.test("a job starts in the directory that it asks for", async () => {
  await using workshop = new Workshop();
  for (const [cwd, expected] of [["/usr", "/usr"], ["/usr/../etc//", "/etc"], ["/", "/"]] as const) {
    for (const command of ["pwd -P", "#!/bin/sh\npwd -P\n"]) {
      const job = workshop.start(command, { cwd });
      assert.deepEqual(await job.exit(), { kind: "exited", status: 0 });
      assert.equal(job.text, `${expected}\n`);
    }
  }
});

const NOWHERE = [
  ["/nowhere/x", "no such file or directory"],
  ["/etc/passwd", "not a directory"],
  [`/${"x".repeat(300)}`, "file name too long"],
] as const;
for (const [cwd, reason] of NOWHERE) {
  Deno.test(`a job that can't start in ${cwd.slice(0, 20)} never will`, async () => {
    await using workshop = new Workshop();
    const expected = { kind: "not-started", reason: `${cwd}: ${reason}`, isFinal: true };
    assert.deepEqual(await workshop.start("pwd", { cwd }).exit(), expected);
  });
}

rootTest("whether a job can start in a directory is its user's right", async () => {
  await using workshop = new Workshop();
  await using place = await Place.make();
  await using user = await User.in(place.path);
  await Deno.mkdir(`${place.path}/roots`, { mode: 0o700 });
  await Deno.chmod(user.home, 0o700);
  const runAs = { uid: user.uid, gid: user.gid };
  assert.deepEqual(await workshop.start(":", { cwd: user.home, runAs }).exit(), {
    kind: "exited",
    status: 0,
  });
  assert.deepEqual(await workshop.start(":", { cwd: `${place.path}/roots`, runAs }).exit(), {
    kind: "not-started",
    reason: `${place.path}/roots: permission denied`,
    isFinal: true,
  });
});

/** Says what it hears, once it is told that it may go on. */
const HEARS = "trap 'echo heard' USR1; echo > $DIR/up; while :; do sleep 0.05; done";

Deno.test("a job is warned once, as long before its timeout as it asks for", async () => {
  await using workshop = new Workshop();
  const ignored = "setsid sh -c \"trap 'echo elsewhere' USR1; sleep 3\" & ";
  const command =
    `${ignored}trap 'echo heard >&2' USR1; (trap 'echo child' USR1; while :; do sleep 0.05; done) & ` +
    "while :; do wait; done";
  const job = workshop.start(command, { timeoutMs: 1_000, warnMs: 600 });
  assert.deepEqual(await job.exit(), { kind: "timed-out" });
  assert.deepEqual(job.text.match(/heard|child|elsewhere/g)?.sort(), ["child", "heard"]);
});

Deno.test("a job that does nothing about the warning is ended by it", async () => {
  await using workshop = new Workshop();
  const job = workshop.start("exec tail -f /dev/null", { timeoutMs: 600_000, warnMs: 600_000 - 50 });
  assert.deepEqual(await job.exit(), { kind: "signaled", signal: "SIGUSR1" });
});

const UNWARNED = [
  ["without a timeout", { timeoutMs: 0, warnMs: 10 }],
  ["that would be warned at its start", { timeoutMs: 700, warnMs: 700 }],
  ["that would be warned before its start", { timeoutMs: 700, warnMs: 60_000 }],
  ["that asks for none", { timeoutMs: 700, warnMs: 0 }],
] as const;
for (const [name, rest] of UNWARNED) {
  Deno.test(`a job ${name} is not warned`, async () => {
    await using workshop = new Workshop();
    await workshop.fifos("up");
    const job = workshop.start(HEARS, rest);
    await workshop.read("up");
    if (rest.timeoutMs === 0) {
      await workshop.start("sleep 0.2").ended.promise;
      workshop.executor.end(job.token, 0);
    }
    await job.exit();
    assert.doesNotMatch(job.text, /heard/);
  });
}
