/** What a job is executed from: text, scripts and programs. Where their files are is in worker/places_test.ts. */
import assert from "node:assert/strict";
import { ok, Place, rootTest, run, sh } from "../harness.ts";
import { User } from "../users.ts";
import { Workshop } from "./workshop.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

/** Each says its name, fails in a line that the message tells, and has a status or a signal of its own. */
const SCRIPTS: [program: string, script: string][] = [
  ["sh", '#!/bin/sh\necho "$0 $#"\necho to-stderr >&2\n\nno-such-command\nexit 3\n'],
  ["sh", "#! /bin/sh -u\necho $undefined\n"],
  ["sh", "#!/bin/sh\nkill -TERM $$\n"],
  ["bash", '#!/usr/bin/env bash\n[[ $0 == */job ]] || exit 9\n\nno-such-command\nexit "$#"\n'],
  ["dash", "#!/bin/dash\nno-such-command\n"],
  ["python3", "#!/usr/bin/env python3\nimport sys\nprint(sys.argv)\nsys.stdout.flush()\nraise KeyError(4)\n"],
  ["perl", "#!/usr/bin/perl -w\nprint qq($0 @ARGV\\n);\ndie 'of it';\n"],
  ["perl", "#!/usr/bin/env -S perl -w\nmy $x; print 1 + $x, qq(\\n); exit 5;\n"],
  ["node", "#!/usr/bin/env node\nconsole.log(JSON.stringify(process.argv.slice(1))); process.exit(6);\n"],
  ["awk", "#!/usr/bin/awk -f\nBEGIN { print ARGC; exit 7 }\n"],
  ["busybox", "#!/usr/bin/env -S busybox sh\necho $0\nno-such-command\n"],
];

for (const [index, [program, script]] of SCRIPTS.entries()) {
  Deno.test({
    name: `script ${index + 1}, ${program}, does what it does when it is run by hand`,
    ignore: !(await isInstalled(program)),
    fn: async () => {
      await using place = await Place.make();
      await using workshop = new Workshop();
      const byHand = `${place.path}/job`;
      await Deno.writeTextFile(byHand, script, { mode: 0o700 });
      const hand = await new Deno.Command("sh", { args: ["-c", 'exec "$0" 2>&1', byHand] }).output();
      const job = workshop.start(script);
      const exit = hand.signal
        ? { kind: "signaled", signal: hand.signal }
        : { kind: "exited", status: hand.code };
      assert.deepEqual(await job.exit(), exit);
      const text = job.text.replaceAll(/\/[\w/.-]*\/filed-exec-[\w/.-]*\/job\b/g, byHand);
      assert.equal(text, new TextDecoder().decode(hand.stdout));
    },
  });
}

async function isInstalled(program: string): Promise<boolean> {
  return (await run(["sh", "-c", 'command -v "$0"', program])).status === 0;
}

Deno.test("a program is executed, and is told its path as its name", async () => {
  await using workshop = new Workshop();
  const program = await compiled(
    workshop,
    "#include <stdio.h>\nint main(int n, char **v) { puts(*v); return n + 4; }",
  );
  const job = workshop.start(program);
  assert.deepEqual(await job.exit(), { kind: "exited", status: 5 });
  assert.match(job.text, /\/filed-exec-.*\/job\n$/);
});

async function compiled(workshop: Workshop, source: string): Promise<Uint8Array> {
  const path = `${workshop.dir}/program`;
  await Deno.writeTextFile(`${path}.c`, source);
  await ok(run(["cc", "-o", path, `${path}.c`]));
  return await Deno.readFile(path);
}

Deno.test("a script reads what is behind its text in its file, NUL bytes too", async () => {
  await using workshop = new Workshop();
  const data = Uint8Array.from({ length: 5_000 }, (_, index) => index % 251);
  const head = bytes('#!/bin/sh\ntail -c 5000 "$0"\nexit 4\n');
  const job = workshop.start(Uint8Array.from([...head, ...data]));
  assert.deepEqual(await job.exit(), { kind: "exited", status: 4 });
  assert.deepEqual(job.bytes, data);
});

const LARGE = [
  ["a script", "#!/bin/sh\n", "echo $0 $#\nno-such-command\n"],
  ["text", "", "echo $0 $#\nno-such-command\n"],
] as const;
for (const [what, head, tail] of LARGE) {
  Deno.test(`${what} of 5 MB works, and its messages tell the line`, async () => {
    await using workshop = new Workshop();
    const job = workshop.start(`${head}${`: ${"x".repeat(97)}\n`.repeat(50_000)}${tail}`);
    assert.deepEqual(await job.exit(), { kind: "exited", status: 127 });
    const [name, message = ""] = job.text.split("\n");
    assert.match(name ?? "", /\/filed-exec-.*\/job 0$/);
    assert.equal(
      message,
      `${name?.split(" ")[0]}: ${head === "" ? 50_002 : 50_003}: no-such-command: not found`,
    );
  });
}

Deno.test("text up to the longest argument is one, and longer text is in a file", async () => {
  await using workshop = new Workshop();
  for (const [length, expected] of [[131_071, "sh"], [131_072, "/job"]] as const) {
    const content = new Uint8Array(length).fill(0x20);
    content.set(bytes('echo "$0"\n'));
    const job = workshop.start(content);
    assert.deepEqual(await job.exit(), { kind: "exited", status: 0 });
    assert.ok(job.text.endsWith(`${expected}\n`), job.text);
  }
});

const IDS = [
  "-rf",
  "--help",
  "a b",
  " ",
  "...",
  "..x",
  "$(id)",
  "'\"`",
  "%s\\n",
  "ünï",
  "*",
  "x".repeat(255),
  "é".repeat(127),
];
for (const jobId of IDS) {
  Deno.test(`a script's file has the name of the job: ${jobId.slice(0, 20)}`, async () => {
    await using workshop = new Workshop();
    const script = '#!/bin/sh\nprintf %s "${0##*/}"\n';
    const long = `printf %s "\${0##*/}"\n${"#".repeat(131_072)}`;
    for (const content of [script, long]) {
      const job = workshop.start(content, { jobId });
      assert.deepEqual(await job.exit(), { kind: "exited", status: 0 });
      assert.equal(job.text, jobId);
    }
    assert.deepEqual(leftIn(workshop), []);
  });
}

/** What the folders of attempts hold, and they themselves. */
function leftIn({ execDirectory }: Workshop): string[] {
  const roots = [...Deno.readDirSync(execDirectory)];
  return roots.flatMap(({ name }) =>
    [...Deno.readDirSync(`${execDirectory}/${name}`)].map(({ name }) => name)
  );
}

const OTHER_MACHINE = 0xfe; // e_machine, elf(5)
const NEVER: [
  name: string,
  make: (dir: string) => string | Uint8Array | Promise<string | Uint8Array>,
  reason: RegExp,
][] = [
  [
    "has no such interpreter",
    () => "#!/usr/bin/pyhton3 -u\n",
    /^\/usr\/bin\/pyhton3: no such file or directory$/,
  ],
  ["has no such interpreter below a file", () => "#!/bin/sh/x\n", /^\/bin\/sh\/x: not a directory$/],
  ["has a directory as interpreter", () => "#!/usr\n", /^\/usr: permission denied$/],
  [
    "has an interpreter that may not be executed",
    () => "#!/etc/passwd\n",
    /^\/etc\/passwd: permission denied$/,
  ],
  ["has no interpreter", () => "#!\n", /^its #! line: exec format error$/],
  ["has only blanks for an interpreter", () => "#! \t \necho\n", /^its #! line: exec format error$/],
  ["has an interpreter of an unknown format", async (dir) => {
    await Deno.writeTextFile(`${dir}/text`, "no program", { mode: 0o755 });
    return `#!${dir}/text\n`;
  }, /^\/.*\/text: exec format error$/],
  ["has an interpreter that is its own", async (dir) => {
    await Deno.writeTextFile(`${dir}/loop`, `#!${dir}/loop\n`, { mode: 0o755 });
    return `#!${dir}/loop\n`;
  }, /^\/.*\/loop: too many levels of symbolic links$/],
  ["has a symbolic link to itself as interpreter", async (dir) => {
    await Deno.symlink("link", `${dir}/link`);
    return `#!${dir}/link\n`;
  }, /^\/.*\/link: too many levels of symbolic links$/],
  ["is for another machine", async () => {
    const program = await Deno.readFile("/bin/true");
    program[18] = OTHER_MACHINE;
    return program;
  }, /^the program: exec format error$/],
  [
    "is the beginning of a program",
    async () => (await Deno.readFile("/bin/true")).subarray(0, 20),
    /exec format error$/,
  ],
  ["needs a loader that is not there", async () => {
    const program = await Deno.readFile("/bin/true");
    const text = new TextDecoder("latin1").decode(program);
    program[text.indexOf("/lib") + 1] = "X".charCodeAt(0);
    return program;
  }, /^\/Xib.*: no such file or directory$/],
];
for (const [name, make, reason] of NEVER) {
  Deno.test(`what ${name} fails for good, and says so`, async () => {
    await using workshop = new Workshop();
    const job = workshop.start(await make(workshop.dir));
    const exit = await job.exit();
    assert.ok(exit.kind === "not-started" && exit.isFinal, JSON.stringify(exit));
    assert.match(exit.reason, reason);
    assert.deepEqual(leftIn(workshop), []);
  });
}

Deno.test("nothing is left of many scripts that run at once", async () => {
  await using workshop = new Workshop();
  const jobs = Array.from({ length: 200 }, (_, index) => workshop.start(`#!/bin/sh\nexit ${index % 7}\n`));
  const exits = await Promise.all(jobs.map((job) => job.exit()));
  assert.deepEqual(exits, jobs.map((_, index) => ({ kind: "exited", status: index % 7 })));
  assert.deepEqual(leftIn(workshop), []);
});

Deno.test("what a script puts beside itself goes with it", async () => {
  await using workshop = new Workshop();
  const job = workshop.start('#!/bin/sh\ncd "${0%/*}" && mkdir -p a/b && touch a/b/c && chmod 0 a/b\n');
  assert.deepEqual(await job.exit(), { kind: "exited", status: 0 });
  while (leftIn(workshop).length > 0) await new Promise((resolve) => setTimeout(resolve, 1));
});

Deno.test("a job that is ended leaves no file", async () => {
  await using workshop = new Workshop();
  await workshop.fifos("up");
  const job = workshop.start("#!/bin/sh\necho > $DIR/up\nexec tail -f $DIR/up\n");
  await workshop.read("up");
  workshop.executor.end(job.token, 0);
  assert.deepEqual(await job.exit(), { kind: "signaled", signal: "SIGKILL" });
  assert.deepEqual(leftIn(workshop), []);
});

rootTest("the file of another user's job is that user's alone, and is gone after the job", async () => {
  await using workshop = new Workshop();
  await using cleanup = new AsyncDisposableStack();
  const [owner, other] = [
    cleanup.use(await User.at("/nonexistent")),
    cleanup.use(await User.at("/nonexistent")),
  ];
  await workshop.fifos("up", "go");
  const script = '#!/bin/sh\nid -u; stat -c "%u %a" "$0"; echo "$0" > $DIR/up; read x < $DIR/go\n';
  const runAs = { uid: owner.uid, gid: owner.gid };
  const job = workshop.start(script, { runAs });
  const path = (await workshop.read("up")).trim();
  const byOther = async (command: string) => (await sh(command, { F: path }, { user: other.name })).status;
  assert.notEqual(await byOther('cat "$F"'), 0);
  assert.notEqual(await byOther('"$F"'), 0);
  assert.notEqual(await byOther('ls "${F%/*}"'), 0);
  assert.notEqual(await byOther('ls "${F%/*/*}"'), 0);
  assert.notEqual(await byOther('touch "${F%/*}/x"'), 0);
  assert.equal((await sh('cat "$F" > /dev/null', { F: path }, { user: owner.name })).status, 0);
  await Deno.writeTextFile(`${workshop.dir}/go`, "\n");
  assert.deepEqual(await job.exit(), { kind: "exited", status: 0 });
  assert.equal(job.text, `${owner.uid}\n${owner.uid} 500\n`);
  while (leftIn(workshop).length > 0) await new Promise((resolve) => setTimeout(resolve, 1));
});

rootTest("programs, scripts and long text run as another user", async () => {
  await using workshop = new Workshop();
  await using user = await User.at("/nonexistent");
  const runAs = { uid: user.uid, gid: user.gid };
  const contents = [
    "#!/usr/bin/env -S perl\nprint $<",
    `id -u; ${"#".repeat(131_072)}`,
    await Deno.readFile("/usr/bin/id"),
  ];
  const jobs = contents.map((content) => workshop.start(content, { runAs }));
  for (const job of jobs) {
    assert.deepEqual(await job.exit(), { kind: "exited", status: 0 });
    assert.match(job.text, new RegExp(`\\b${user.uid}\\b`));
  }
});

rootTest("an interpreter that the job's user may not execute fails for good", async () => {
  await using workshop = new Workshop();
  await using user = await User.at("/nonexistent");
  await Deno.copyFile("/bin/sh", `${workshop.dir}/closed`);
  await Deno.chmod(`${workshop.dir}/closed`, 0o700);
  const job = workshop.start("#!$DIR/closed\n", { runAs: { uid: user.uid, gid: user.gid } });
  const reason = `${workshop.dir}/closed: permission denied`;
  assert.deepEqual(await job.exit(), { kind: "not-started", reason, isFinal: true });
});
