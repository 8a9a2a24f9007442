/** why/: for whom it says what of a submission that was refused. src/tree/refusals_test.ts has what is kept. */
import assert from "node:assert/strict";
import { fails, Filed, ok, Place, type Ran, rootTest, startFiled, until } from "../harness.ts";
import { assertWithin, during, mtime, mv, open, read, refuses, startPaused, stat, write } from "./expect.ts";

/** Users that every Debian has, with their numbers. */
const [ANN, BOB] = ["daemon", "bin"] as const;
const [ANN_UID, BOB_UID] = [1, 2];

const INVALID = /Invalid argument|I\/O error/;
const NOT_THERE = /No such file or directory/;
const ADVICE = "Nothing of it runs, and what was there before is as it was. Mend it, and submit it again.\n";
const NUL = "refused: it has a NUL byte (byte 2), which no command can have\n" + ADVICE;

/** Submits what is refused for its second byte. */
async function refuse(filed: Filed, id: string, user?: string): Promise<void> {
  await fails(filed.sh(`printf 'a\\0b' > "$M/pending/${id}"`, user ? { user } : {}), INVALID);
}

/** The kernel reports a file's last close later, so that it may be another user's for a moment still. */
async function vanished(filed: Filed, id: string): Promise<void> {
  await until("the refused file to be gone", async () => !(await filed.list("pending")).includes(id));
}

const why = (filed: Filed, user: string, id: string): Promise<Ran> => filed.sh(`cat $M/why/${id}`, { user });

async function shared(filed: Awaited<ReturnType<typeof startFiled>>): Promise<void> {
  await Deno.chmod(filed.place.path, 0o711);
  await ok(filed.sh("chmod 1777 $M/pending"));
}

const CONTENTS: Record<string, [script: string, reason: string]> = {
  "a NUL byte": ["printf 'echo a\\0b\\n'", "it has a NUL byte (byte 7), which no command can have"],
  "a byte order mark": [
    "printf '\\357\\273\\277echo a\\n'",
    "it begins with a byte order mark: save it as UTF-8 without one",
  ],
  "the line ends of Windows": [
    "printf 'echo a\\r\\necho b\\r\\n'",
    "it has a carriage return at the end of its first line: give it the line ends of Unix, as dos2unix does",
  ],
  "a directive with a typo": [
    "printf '#!/bin/sh\\n#filed timeuot=5\\necho a\\n'",
    "line 2: timeuot: no such key; did you mean timeout_sec?",
  ],
};
for (const [what, [script, reason]] of Object.entries(CONTENTS)) {
  Deno.test(`why/ says that it was ${what}, of a new job, of one that waits, and of a draft`, async () => {
    await using filed = await startPaused();
    await filed.submit("waits", "echo old");
    await ok(filed.sh(`${script} > $M/pending/.draft`));
    await fails(filed.sh(`${script} > $M/pending/new`), INVALID);
    await fails(filed.sh(`${script} > $M/pending/waits`), INVALID);
    await refuses("EINVAL", mv(filed, ".draft", "x"));
    for (const id of ["new", "waits", "x"]) {
      assert.equal(await read(filed, `why/${id}`), `refused: ${reason}\n${ADVICE}`, id);
    }
    await refuses("ENOENT", Deno.lstat(`${filed.mount}/why/.draft`), "the name that it was to have counts");
    assert.deepEqual(await filed.list("pending"), [".draft", "waits"]);
    assert.equal(await read(filed, "pending/waits"), "echo old");
  });
}

Deno.test("why/ says so also of what is found at the close only", async () => {
  await using filed = await startFiled();
  await fails(filed.sh("truncate -s 20 $M/pending/x"), INVALID);
  assert.match(await read(filed, "why/x"), /^refused: it has a NUL byte \(byte 1\)/);
});

Deno.test("why/ says so also of what a crash cut short, and a new time would submit", async () => {
  await using place = await Place.make();
  await using filed = await Filed.start(place);
  using file = await open(filed, "pending/x", { create: true, write: true });
  write(file, "#filed timeuot=5"); // Without the newline that it is judged by.
  await filed.stop("SIGKILL");
  await using next = await Filed.start(place);
  await refuses("EINVAL", Deno.utime(`${next.mount}/pending/x`, 1, 1));
  assert.match(await read(next, "why/x"), /^refused: line 1: timeuot: no such key/);
  await next.submit("x", "true");
  await refuses("ENOENT", Deno.lstat(`${next.mount}/why/x`));
});

Deno.test("what a job brings into its reason is shortened, and harmless to look at", async () => {
  await using filed = await startFiled();
  const value = `a\u001b[2J\u0007\u202e\u2028${"b".repeat(15_000)}\u009bc`;
  await refuses("EINVAL", Deno.writeTextFile(`${filed.mount}/pending/x`, `#filed cwd=${value}\n:\n`));
  const text = await read(filed, "why/x");
  assert.ok(text.length < 4_096, `${text.length}`);
  assert.match(
    text,
    /^refused: line 1: cwd=a\\u001b\[2J\\u0007\\u202e\\u2028b+ … b+\\u009bc: it takes the path [^\n]*\nNothing/,
  );
  assert.doesNotMatch(text.replaceAll("\n", ""), /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
});

Deno.test("what is in why/ is a file that nobody writes to, of when it was refused", async () => {
  await using filed = await startFiled();
  const span = await during(() => refuse(filed, "x"));
  const { size, mode, uid, nlink, ino } = await stat(filed, "why/x");
  assert.deepEqual([size, mode, uid, nlink], [4_096, 0o100444, Deno.uid(), 1]);
  assert.equal((await stat(filed, "why/x")).ino, ino);
  assertWithin(await mtime(filed, "why/x"), span, "why/x");
});

Deno.test("all that a file of why/ has is read, however it is read", async () => {
  await using filed = await startFiled();
  await refuse(filed, "x");
  const copy = `${filed.place.path}/copy`;
  const SCRIPTS = [
    "cat $M/why/x",
    `cp $M/why/x ${copy} && cat ${copy}`,
    "dd if=$M/why/x bs=1 status=none",
    "dd if=$M/why/x bs=4k iflag=direct status=none",
    "head -n 1 $M/why/x && tail -n 1 $M/why/x",
    `head -c 8 $M/why/x && tail -c ${NUL.length - 8} $M/why/x`,
    "sed '' < $M/why/x",
    'while IFS= read -r line; do echo "$line"; done < $M/why/x',
  ];
  for (const script of SCRIPTS) assert.equal(await ok(filed.sh(script)), NUL, script);
  const sent = await ok(filed.python(`
import os, sys
os.sendfile(1, os.open(M + "/why/x", os.O_RDONLY), 0, 1 << 20)
`));
  assert.equal(sent, NUL);
  assert.equal((await ok(filed.sh("wc -c < $M/why/x"))).trim(), String(NUL.length));
});

Deno.test("why/ can't be written to, whoever tries", async () => {
  await using filed = await startFiled();
  await refuse(filed, "x");
  const { mount } = filed;
  const path = `${mount}/why/x`;
  for (
    const how of [{ write: true }, { append: true }, { write: true, truncate: true }, {
      read: true,
      write: true,
    }]
  ) {
    await refuses("EACCES", open(filed, "why/x", how));
  }
  await refuses("EACCES", Deno.truncate(path, 1));
  await refuses("EPERM", Deno.chmod(path, 0o600));
  await refuses("EPERM", Deno.utime(path, 1, 1));
  await refuses("EPERM", Deno.remove(path));
  await refuses("EPERM", Deno.mkdir(`${mount}/why/new`));
  await refuses("EPERM", Deno.symlink("x", `${mount}/why/new`));
  await refuses("EPERM", Deno.link(path, `${mount}/pending/new`));
  await refuses("EPERM", open(filed, "why/new", { write: true, create: true }));
  await refuses("EPERM", open(filed, "why/new", { write: true, createNew: true }));
  await filed.submit(".draft", "true");
  for (const to of ["why/new", "pending/new", "failed/x", "config.json"]) {
    await refuses("EPERM", Deno.rename(path, `${mount}/${to}`), to);
  }
  for (const from of ["pending/.draft", "config.json"]) {
    for (const to of ["why/new", "why/x"]) {
      await refuses("EPERM", Deno.rename(`${mount}/${from}`, `${mount}/${to}`));
    }
  }
  await fails(filed.sh("rm -rf $M/why"), /Operation not permitted/);
  await refuses("ENOENT", Deno.remove(`${mount}/why/unknown`));
  assert.equal(await read(filed, "why/x"), NUL);
});

Deno.test("of any other id why/ says nothing yet, and nobody remembers that", async () => {
  await using filed = await startPaused();
  await filed.submit("waits", "true");
  await filed.submit(".draft", "true");
  for (const id of ["waits", ".draft", "x"]) {
    await refuses("ENOENT", Deno.lstat(`${filed.mount}/why/${id}`), id);
  }
  await refuse(filed, "x");
  assert.equal(await read(filed, "why/x"), NUL);
  await filed.submit("x", "true");
  await refuses("ENOENT", Deno.lstat(`${filed.mount}/why/x`));
  await refuse(filed, "x");
  assert.equal(await read(filed, "why/x"), NUL);
  await refuses("ENAMETOOLONG", Deno.lstat(`${filed.mount}/why/${"x".repeat(256)}`));
});

const ACCEPTED: Record<string, string> = {
  "written anew": "echo true > $M/pending/x",
  "appended to": "echo true >> $M/pending/x",
  "renamed to from a draft": "echo true > $M/pending/.x && mv $M/pending/.x $M/pending/x",
  "renamed to from another job": "echo true > $M/pending/y && mv $M/pending/y $M/pending/x",
  "tried again": "echo true > $M/pending/y && mv $M/pending/y $M/failed/x && mv $M/failed/x $M/pending/x",
};
for (const [what, script] of Object.entries(ACCEPTED)) {
  Deno.test(`once the job is ${what}, why/ does not say any more that it was refused`, async () => {
    await using filed = await startPaused();
    await refuse(filed, "x");
    await refuse(filed, "other");
    await ok(filed.sh(script));
    await refuses("ENOENT", Deno.lstat(`${filed.mount}/why/x`));
    assert.equal(await read(filed, "why/other"), NUL);
  });
}

Deno.test("a draft of that name, or another job, changes nothing of what why/ says", async () => {
  await using filed = await startPaused();
  await refuse(filed, "x");
  await ok(filed.sh("echo true > $M/pending/.x; echo true > $M/pending/y; mv $M/pending/y $M/pending/.y"));
  assert.equal(await read(filed, "why/x"), NUL);
});

Deno.test("the latest refusal of an id is the one that why/ tells", async () => {
  await using filed = await startFiled();
  await refuse(filed, "x");
  await fails(filed.sh("printf 'echo a\\r\\n' > $M/pending/x"), INVALID);
  assert.match(await read(filed, "why/x"), /^refused: it has a carriage return/);
});

Deno.test("who has a file of why/ open goes on reading it when it is gone", async () => {
  await using filed = await startPaused();
  await refuse(filed, "x");
  const said = await ok(filed.python(`
file = os.open(M + "/why/x", os.O_RDONLY)
with open(M + "/pending/x", "w") as job: job.write("true")
assert not os.path.exists(M + "/why/x")
assert os.fstat(file).st_nlink == 0
print(os.read(file, 4096).decode(), end="")
`));
  assert.equal(said, NUL);
});

Deno.test("the last 100 refusals of a user are kept, and none over a restart", async () => {
  await using place = await Place.make();
  await using first = await Filed.start(place);
  await ok(first.sh("for n in $(seq 150); do printf 'a\\0b' > $M/pending/x$n; done 2>&1; :"));
  const told = await ok(first.sh("for n in $(seq 150); do [ ! -e $M/why/x$n ] || echo $n; done"));
  assert.equal(told, Array.from({ length: 100 }, (_, index) => `${index + 51}\n`).join(""));
  await first.stop();
  await using again = await Filed.start(place);
  await refuses("ENOENT", Deno.lstat(`${again.mount}/why/x150`));
});

const NAMES = [
  "-n",
  "a b",
  "$(id)",
  "*",
  "'\"\\",
  "größe",
  "a\u202egpj.exe",
  "\u200d",
  "e\u0301",
  "x".repeat(255),
];
Deno.test("why/ goes by the id, whatever that is, and does not repeat it", async () => {
  await using filed = await startFiled();
  for (const id of NAMES) {
    const bytes = Deno.writeFile(`${filed.mount}/pending/${id}`, new Uint8Array([97, 0, 98]));
    await refuses("EINVAL", bytes, id);
    assert.equal(await read(filed, `why/${id}`), NUL, id);
  }
  for (const id of ["é", "A B", "xx"]) await refuses("ENOENT", Deno.lstat(`${filed.mount}/why/${id}`), id);
});

const WALKS: Record<string, string> = {
  "ls -lR": "ls -lR $M > /dev/null && ls -A $M/why",
  "find": "find $M/why -mindepth 1",
  "find -exec cat": "find $M -type f -exec cat {} + > /dev/null",
  "grep -r": "grep -rl refused: $M || [ $? -eq 1 ]",
  "cp -r": "cp -r $M $TO && ls -A $TO/why",
  "tar": "tar cf $TO -C $M . && tar tf $TO | grep '^./why/.'; rm $TO",
  "du": '[ "$(du -s $M/why | cut -f 1)" = 0 ]',
  "python3 shutil.copytree": `python3 -c '
import os, shutil
shutil.copytree(os.environ["M"], os.environ["TO"])
print(*os.listdir(os.environ["TO"] + "/why"), sep="", end="")'`,
};
for (const [what, script] of Object.entries(WALKS)) {
  Deno.test(`${what} goes through the mount and finds nothing in why/`, async () => {
    await using filed = await startFiled();
    await filed.finish("done", "true");
    await filed.submit(".draft", "true");
    await refuse(filed, "x");
    assert.equal(await ok(filed.sh(script, { env: { TO: `${filed.place.path}/to` } })), "");
    assert.equal(await read(filed, "why/x"), NUL);
  });
}

rootTest("each user reads the own refusal of an id, and can't tell that another has one", async () => {
  await using filed = await startFiled();
  await shared(filed);
  await refuse(filed, "x", ANN);
  await refuse(filed, "y", BOB);
  await vanished(filed, "x");
  await fails(filed.sh("printf 'echo a\\r\\n' > $M/pending/x", { user: BOB }), INVALID);
  assert.equal(await ok(why(filed, ANN, "x")), NUL);
  assert.match(await ok(why(filed, BOB, "x")), /^refused: it has a carriage return/);
  assert.equal(await ok(filed.sh("stat -c '%u %a' $M/why/x", { user: ANN })), `${ANN_UID} 444\n`);
  assert.equal(await ok(filed.sh("stat -c '%u %a' $M/why/x", { user: BOB })), `${BOB_UID} 444\n`);
  // For ANN, y is as an id that nobody ever had.
  const CALLS = ["cat $M/why/ID", "stat $M/why/ID", "ls -l $M/why/ID", "touch $M/why/ID", "echo > $M/why/ID"];
  CALLS.push("rm -f $M/why/ID; ls $M/why/ID", "mv $M/why/ID $M/why/z", "ln $M/why/ID $M/why/z");
  CALLS.push("mv $M/pending/.own $M/why/ID", "ln -s z $M/why/ID", "mkdir $M/why/ID", "chmod 600 $M/why/ID");
  await ok(filed.sh("echo true > $M/pending/.own", { user: ANN }));
  for (const call of CALLS) {
    const [theirs, nobodys] = await Promise.all(["y", "q"].map(async (id) => {
      const { status, stdout, stderr } = await filed.sh(call.replaceAll("ID", id), { user: ANN });
      return { status, stdout, stderr: stderr.replaceAll(`why/${id}`, "why/ID") };
    }));
    assert.deepEqual(theirs, nobodys, call);
    assert.notEqual(theirs?.status, 0, call);
  }
});

rootTest("root reads the newest refusal of an id, and whose it is", async () => {
  await using filed = await startFiled();
  await shared(filed);
  await refuse(filed, "x");
  await vanished(filed, "x");
  await refuse(filed, "x", ANN);
  assert.equal(await read(filed, "why/x"), NUL.replace("refused:", `refused (user ${ANN_UID}):`));
  await vanished(filed, "x");
  await refuse(filed, "x", BOB);
  assert.equal(await read(filed, "why/x"), NUL.replace("refused:", `refused (user ${BOB_UID}):`));
  for (const user of [ANN, BOB]) assert.equal(await ok(why(filed, user, "x")), NUL);
});

rootTest("who asks for more than at_most allows is told so, and how much that is", async () => {
  await using filed = await startPaused();
  await shared(filed);
  await ok(filed.sh(`echo '{"at_most": {"timeout_sec": 50}}' > $M/config.json`));
  const submit = (to: string) =>
    filed.sh(`printf '#filed timeout_sec=60\\n:\\n' > $M/pending/${to}`, { user: ANN });
  await fails(submit("x"), /Operation not permitted|I\/O error/);
  await ok(submit(".y"));
  await fails(filed.sh("mv $M/pending/.y $M/pending/y", { user: ANN }), /Operation not permitted/);
  for (const id of ["x", "y"]) {
    assert.match(await ok(why(filed, ANN, id)), /^refused: timeout_sec=60: .* more than 50\b/, id);
  }
});

rootTest("what a new time submits after a crash is not said to be refused any more", async () => {
  await using place = await Place.make();
  await using filed = await Filed.start(place);
  using file = await open(filed, "pending/x", { create: true, write: true });
  write(file, "#filed timeout_sec=60\n:");
  await Deno.chown(`${filed.mount}/pending/x`, ANN_UID, null); // A program would close a copy of the descriptor.
  await filed.stop("SIGKILL");
  await using next = await Filed.start(place, { config: { max_job_count: 0 } });
  await Deno.chmod(place.path, 0o711);
  const allow = (seconds: number) =>
    ok(next.sh(`echo '{"at_most": {"timeout_sec": ${seconds}}}' > $M/config.json`));
  const touch = () =>
    next.sh(`python3 -c 'import os; os.utime(os.environ["M"] + "/pending/x")'`, { user: ANN });
  await allow(50);
  await fails(touch(), /Operation not permitted/);
  assert.match(await ok(why(next, ANN, "x")), /^refused: timeout_sec=60: /);
  await allow(60);
  await ok(touch());
  await fails(why(next, ANN, "x"), NOT_THERE);
});

rootTest("a job that one user submits leaves the refusals of others", async () => {
  await using filed = await startPaused();
  await shared(filed);
  for (const user of [ANN, BOB]) {
    await refuse(filed, "x", user);
    await vanished(filed, "x");
  }
  await ok(filed.sh("echo true > $M/pending/x", { user: BOB }));
  await fails(why(filed, BOB, "x"), NOT_THERE);
  assert.equal(await ok(why(filed, ANN, "x")), NUL);
});

rootTest("chmod of why/ lets nobody read more, and may let less", async () => {
  await using filed = await startFiled();
  await shared(filed);
  await refuse(filed, "x", ANN);
  await ok(filed.sh("chmod 777 $M/why"));
  await fails(why(filed, BOB, "x"), NOT_THERE);
  await fails(filed.sh("touch $M/why/new; mv $M/why/x $M/why/y", { user: ANN }), /Operation not permitted/);
  assert.equal(await ok(why(filed, ANN, "x")), NUL);
  await ok(filed.sh("chmod 700 $M/why"));
  await fails(why(filed, ANN, "x"), /Permission denied/);
  assert.match(await read(filed, "why/x"), /^refused \(user/);
});

rootTest("users who read the same name at the same time each read their own", async () => {
  await using filed = await startFiled();
  await shared(filed);
  await refuse(filed, "x", ANN);
  await vanished(filed, "x");
  await fails(filed.sh("printf 'echo a\\r\\n' > $M/pending/x", { user: BOB }), INVALID);
  const reader = "for n in $(seq 300); do head -n 1 $M/why/x; done | sort -u";
  const [ann, bob, nobody] = await Promise.all([
    filed.sh(reader, { user: ANN }),
    filed.sh(reader, { user: BOB }),
    filed.sh(`${reader} 2> /dev/null`, { user: "nobody" }),
  ]);
  assert.equal(ann.stdout + ann.stderr, `${NUL.split("\n")[0]}\n`);
  assert.match(bob.stdout + bob.stderr, /^refused: it has a carriage return [^\n]*\n$/);
  assert.equal(nobody.stdout, "");
});

rootTest("one user's thousands of refusals cost another none, and the journal ten lines", async () => {
  await using filed = await startFiled();
  await shared(filed);
  await refuse(filed, "x", BOB);
  const flood = await ok(filed.sh(
    `python3 -c '
import os
M = os.environ["M"]
for number in range(3000):
    try:
        with open(f"{M}/pending/x{number}", "wb", buffering=0) as file: file.write(b"a\\0b")
    except OSError as error:
        assert error.errno == 22, error
for path in (f"{M}/why/x{number}" for number in range(3000)):
    try:
        os.stat(path)
        print(path[len(M) + 5:])
    except FileNotFoundError:
        pass
'`,
    { user: ANN },
  ));
  assert.deepEqual(flood.trim().split("\n"), Array.from({ length: 100 }, (_, index) => `x${2_900 + index}`));
  assert.equal(await ok(why(filed, BOB, "x")), NUL);
  assert.ok(filed.log.filter(({ message }) => message === "content refused").length <= 11);
});

rootTest("who submits another's draft is told nothing of what they may not read in it", async () => {
  await using filed = await startFiled();
  await shared(filed);
  await ok(filed.sh("chmod 777 $M/pending")); // Not sticky: BOB may rename what is ANN's.
  for (const [mode, isTold] of [["077", false], ["022", true]] as const) {
    await ok(filed.sh(`umask ${mode}; printf 'a\\0b' > $M/pending/.x`, { user: ANN }));
    await fails(filed.sh("mv $M/pending/.x $M/pending/x", { user: BOB }), /subdirectory of itself/);
    const told = await why(filed, BOB, "x");
    assert.equal(told.stdout, isTold ? NUL : "");
    await fails(why(filed, ANN, "x"), NOT_THERE);
    await ok(filed.sh("rm $M/pending/.x", { user: ANN }));
  }
});
