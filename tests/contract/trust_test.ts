/** Nobody gets a job run as somebody else: attacks by a user, BOB, on the rights of another, ANN, and of root. */
import assert from "node:assert/strict";
import { fails, Filed, ok, rootTest, run, sh } from "../harness.ts";
import { Gate, resume, startPaused } from "./expect.ts";

/** Users that every Debian has, each with a group of the same name. */
const [ANN, BOB] = ["daemon", "bin"] as const;
const BOBS_UID = 2;

/** Where all may submit, and nothing runs before `resume`. */
async function start(pendingMode = "1777"): ReturnType<typeof startPaused> {
  const filed = await startPaused();
  await Deno.chmod(filed.place.path, 0o711);
  await filed.configure({ max_attempts: 1 });
  await ok(filed.sh(`chmod ${pendingMode} $M/pending`));
  return filed;
}

async function logOf(filed: Filed, id: string): Promise<string> {
  await resume(filed);
  return await filed.finished(id);
}

function assertRefused(log: string, what?: string) {
  assert.match(
    log,
    new RegExp(
      `\\n\\n\\n\\[System Error\\]: not started: user ${BOBS_UID} wrote to it; its owner can write it anew\\n$`,
    ),
    what,
  );
}

/** How BOB changes a job that its mode lets him write. */
const CHANGES: [string, string][] = [
  ["rewrites", "echo 'id -un' > $X"],
  ["appends to", "echo '; id -un' >> $X"],
  ["shortens", "truncate -s 2 $X"],
  ["empties, for its owner to fill,", ": > $X"],
  [
    "writes into, in memory,",
    `python3 -c 'if True:
    import mmap
    with open("'$X'", "r+b") as file, mmap.mmap(file.fileno(), 0) as shared:
        shared[0:2] = b"id"'`,
  ],
];
rootTest("what somebody else wrote does not run as a job's owner", async () => {
  await using filed = await start();
  const jobs = [ANN, "root"].flatMap((owner) => CHANGES.map(([what, script]) => ({ owner, what, script })));
  for (const [index, { owner, what, script }] of jobs.entries()) {
    await ok(filed.sh(`umask 0; echo 'ls /' > $M/pending/${index}`, { user: owner }));
    await ok(sh(script, { X: `${filed.mount}/pending/${index}` }, { user: BOB }));
    const isEmpty = what.startsWith("empties");
    if (isEmpty) await ok(filed.sh(`echo 'ls /' >> $M/pending/${index}`, { user: owner }));
  }
  await resume(filed);
  for (const [index, { owner, what }] of jobs.entries()) {
    assertRefused(await filed.finished(String(index)), `${what} a job of ${owner}`);
  }
});

rootTest("who has a job open when it is given away can't write what runs as its owner", async () => {
  for (const owner of [ANN, "root"]) {
    await using filed = await start();
    using gate = await Gate.make(filed.place);
    const script = `exec 3>> $M/pending/x; echo 'ls /' >&3; ${gate.waiting}; echo 'id -un' >&3`;
    const writer = filed.sh(script, { user: BOB });
    await gate.closedOn();
    await ok(filed.sh(`chown ${owner} $M/pending/x`));
    gate.open();
    await ok(writer);
    assertRefused(await logOf(filed, "x"));
  }
});

rootTest("what is given away as it is runs as its new owner", async () => {
  await using filed = await start();
  await ok(filed.sh("echo 'id -un' > $M/pending/x", { user: BOB }));
  await ok(filed.sh(`chown ${ANN} $M/pending/x`));
  assert.equal(await logOf(filed, "x"), `>>> id -un\n${ANN}\n`);
});

rootTest(
  "a job that another wrote to is refused after a restart and a retry too, until its owner writes it anew",
  async () => {
    const filed = await start();
    await using place = filed.place;
    await ok(filed.sh("umask 0; echo 'ls /' > $M/pending/x", { user: ANN }));
    await ok(filed.sh("echo 'id -un' > $M/pending/x", { user: BOB }));
    await filed.stop();
    await using again = await Filed.start(place);
    assertRefused(await logOf(again, "x"));
    await again.configure({ max_job_count: 0 });
    await ok(again.sh("mv $M/failed/x $M/pending/"));
    await ok(again.sh("echo >> $M/pending/x", { user: ANN }));
    await ok(again.sh("mv $M/pending/x $M/pending/y"));
    assertRefused(await logOf(again, "y"));
    await again.configure({ max_job_count: 0 });
    await ok(again.sh("mv $M/failed/y $M/pending/"));
    await ok(again.sh("echo 'id -un' > $M/pending/y", { user: ANN }));
    await resume(again);
    await again.event("attempt ended", { job: "y", state: "complete" });
    assert.equal(await Deno.readTextFile(`${again.mount}/complete/y`), `>>> id -un\n${ANN}\n`);
  },
);

rootTest("who renames a job over another's, runs it as oneself", async () => {
  await using filed = await start("777");
  for (const [id, owner] of [["x", ANN], ["y", "root"]] as const) {
    await ok(filed.sh(`echo 'ls /' > $M/pending/${id}`, { user: owner }));
    await ok(
      filed.sh(`echo 'id -un' > $M/pending/.z && mv -f $M/pending/.z $M/pending/${id}`, { user: BOB }),
    );
    assert.equal(await ok(filed.sh(`stat -c %U $M/pending/${id}`)), `${BOB}\n`);
  }
  assert.equal(await logOf(filed, "x"), `>>> id -un\n${BOB}\n`);
  assert.equal(await filed.finished("y"), `>>> id -un\n${BOB}\n`);
});

rootTest("a draft that another renames runs as who wrote it", async () => {
  await using filed = await start("777");
  await ok(filed.sh("echo 'id -un' > $M/pending/.x", { user: ANN }));
  await ok(filed.sh("mv $M/pending/.x $M/pending/x", { user: BOB }));
  assert.equal(await logOf(filed, "x"), `>>> id -un\n${ANN}\n`);
});

rootTest("nothing gives a job away, takes one over, or gives it a second name", async () => {
  await using filed = await start();
  await ok(filed.sh("umask 0; echo 'ls /' > $M/pending/theirs", { user: ANN }));
  await ok(filed.sh("echo 'id -un' > $M/pending/mine", { user: BOB }));
  const attacks = [
    `chown ${ANN} $M/pending/mine`,
    `chown ${BOB} $M/pending/theirs`,
    `chgrp ${ANN} $M/pending/mine`,
    "ln $M/pending/theirs $M/pending/link",
    "ln $M/pending/mine $M/pending/link",
    "ln -s $M/pending/theirs $M/pending/link",
    "mv -f $M/pending/mine $M/pending/theirs",
    "mv -f $M/pending/theirs $M/pending/other",
    "mv -f $M/pending/theirs $M/failed/",
    "rm -f $M/pending/theirs",
    "chmod 4777 $M/pending/theirs",
    "touch -d tomorrow $M/pending/theirs",
  ];
  for (const attack of attacks) {
    await fails(filed.sh(attack, { user: BOB }), /Operation not permitted|Permission denied/);
  }
  assert.equal(
    await ok(filed.sh("stat -c '%n %U' $M/pending/* | sed 's,.*/,,'")),
    `mine ${BOB}\ntheirs ${ANN}\n`,
  );
});

rootTest("a job has the groups of its owner, and not that of its file or its directory", async () => {
  await using filed = await start("3777");
  await ok(filed.sh("chgrp root $M/pending"));
  await ok(filed.sh("echo 'id -G' > $M/pending/x", { user: BOB }));
  assert.equal(await ok(filed.sh("stat -c %G $M/pending/x")), "root\n");
  const groups = await ok(run(["id", "-G", BOB]));
  assert.equal(await logOf(filed, "x"), `>>> id -G\n${groups}`);
});

const RACES = 60;
/** BOB makes jobs and goes on writing, as fast as he can. */
const RACER = `
import os
while not os.path.exists(f"{os.environ['M']}/pending/.go"):
    pass
for number in range(${RACES}):
    file = os.open(f"{os.environ['M']}/pending/x{number}", os.O_CREAT | os.O_WRONLY | os.O_EXCL)
    os.write(file, b"id -un")
    for _ in range(number):
        os.write(file, b" ")
    os.close(file)
`;
/** Root gives each away as soon as it is there, and prints how long it was then. */
const GIVER = `
import os, pwd
ann = pwd.getpwnam("${ANN}").pw_uid
mount = os.environ["M"]
os.mknod(f"{mount}/pending/.go")
for number in range(${RACES}):
    while not any(os.path.exists(f"{mount}/{state}/x{number}") for state in ("active", "complete", "failed")):
        try:
            os.chown(f"{mount}/pending/x{number}", ann, -1)
            print(number, os.stat(f"{mount}/pending/x{number}").st_size)
            break
        except FileNotFoundError:
            pass
`;

rootTest("in a race of writing and giving away, no job runs that was written to afterwards", async () => {
  await using filed = await start();
  await resume(filed);
  const python = (program: string, options: { user?: string } = {}) =>
    ok(sh('exec python3 -c "$PROGRAM"', { M: filed.mount, PROGRAM: program }, options));
  const [given] = await Promise.all([python(GIVER), python(RACER, { user: BOB })]);
  for (let number = 0; number < RACES; number++) await filed.finished(`x${number}`);
  for (const [, number, sizeBytes] of given.matchAll(/^(\d+) (\d+)$/gm)) {
    const log = await filed.finished(`x${number}`);
    const command = log.slice(">>> ".length, log.indexOf("\n"));
    if (command.length > Number(sizeBytes)) assertRefused(log);
  }
});
