/** Mount points and state files that another user has chosen, made, or may write. */
import assert from "node:assert/strict";
import { Filed, mountsBelow, ok, Place, rootTest, run, sh } from "../harness.ts";
import { Program } from "../program.ts";

/** Another user, who is in no group of root's. */
const OTHER = { name: "nobody", ids: "65534:65534" };
const AS_OTHER = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
/** A third one. */
const AS_THIRD = ["setpriv", "--reuid", "65533", "--regid", "65533", "--clear-groups"];

/** Runs filed to its end. @returns The line with which it refused. */
async function refusal(args: string[], prefix: string[] = []): Promise<string> {
  await using program = Program.start(args, {}, prefix);
  assert.equal(await program.ended(), 1, program.stderr);
  assert.match(program.stderr, /^filed: [^\n]+\n$/);
  assert.ok(!program.stderr.includes("\u001b"), program.stderr);
  return program.stderr;
}

/** A place in which everybody may make files, and nobody may remove another's; as /tmp. */
async function makeOpenPlace(): Promise<Place> {
  const place = await Place.make();
  await Deno.chmod(place.path, 0o1777);
  return place;
}

/** What others prepare in an open place `$P`, as root and as themselves, and what is said of which path. */
interface Trap {
  as: "root" | "other";
  script: string;
  says: RegExp;
}

const MOUNT_POINTS: Record<string, Trap & { mount?: string }> = {
  "another user's symbolic link": {
    as: "other",
    script: "ln -s $P/etc $P/mnt",
    says: /\/mnt is a symbolic link that nobody \(uid 65534\) made; [^\n]+/,
  },
  "a path through another user's symbolic link": {
    as: "other",
    script: "ln -s $P/etc $P/way",
    mount: "way/mnt",
    says: /\/way is a symbolic link that nobody \(uid 65534\) made; [^\n]+/,
  },
  "a path through another user's symbolic link in that user's own directory": {
    as: "root",
    script:
      `mkdir $P/etc/home && ln -s $P/etc $P/etc/home/way && chown -h ${OTHER.ids} $P/etc/home $P/etc/home/way`,
    mount: "etc/home/way/mnt",
    says: /\/home\/way is a symbolic link that nobody /,
  },
  "another user's directory in a sticky one": {
    as: "other",
    script: "mkdir $P/mnt",
    says:
      /\/mnt belongs to nobody \(uid 65534\), and everybody may put things into [^\n]+; remove it, or name/,
  },
  "a path through another user's directory in a sticky one": {
    as: "other",
    script: "mkdir $P/way",
    mount: "way/mnt",
    says: /\/way belongs to nobody \(uid 65534\)/,
  },
};

for (const [what, { as, script, says, mount = "mnt" }] of Object.entries(MOUNT_POINTS)) {
  rootTest(`${what} is refused as a mount point, and nothing is mounted or made where it leads`, async () => {
    await using place = await makeOpenPlace();
    await Deno.mkdir(`${place.path}/etc`);
    await ok(sh(script, { P: place.path }, as === "other" ? { user: "65534" } : {}));
    const before = await ok(run(["find", place.path]));
    await Deno.mkdir(`${place.path}/root`, { mode: 0o700 });
    const line = await refusal(["--state", `${place.path}/root/filed.db`, `${place.path}/${mount}`]);
    assert.match(line, says);
    assert.ok(line.startsWith(`filed: Cannot mount on ${place.path}/${mount}: `), line);
    assert.deepEqual(await mountsBelow(place.path), []);
    await Deno.remove(`${place.path}/root`, { recursive: true });
    assert.equal(await ok(run(["find", place.path])), before);
  });
}

const TRUSTED: Record<string, string> = {
  "a service user's directory in one of root's":
    `mkdir -p $P/srv/mnt && chown ${OTHER.ids} $P/srv/mnt && ln -s srv/mnt $P/mnt`,
  "root's own symbolic link in a sticky directory": "mkdir $P/srv && ln -s $P/srv $P/mnt",
  "a directory in which everybody may write": "mkdir -m 777 $P/mnt",
};
for (const [what, script] of Object.entries(TRUSTED)) {
  rootTest(`${what} is taken as a mount point`, async () => {
    await using place = await makeOpenPlace();
    await ok(sh(script, { P: place.path }));
    await using filed = await Filed.start(place);
    await filed.finish("job", "true");
  });
}

rootTest("a mount point is a symbolic link of another user for an ordinary user too", async () => {
  await using place = await makeOpenPlace();
  const script = "mkdir -m 777 $P/theirs && ln -s $P/theirs $P/mnt";
  await ok(run([...AS_THIRD, "sh", "-c", script], { P: place.path }));
  const args = ["--state", `${place.path}/filed.db`, `${place.path}/mnt`];
  assert.match(await refusal(args, AS_OTHER), /\/mnt is a symbolic link that uid 65533 made; /);
});

const STATE_FILES: Record<string, Trap & { state?: string }> = {
  "of another user": {
    as: "other",
    script: "touch $P/filed.db",
    says: /filed\.db: it belongs to nobody \(uid 65534\), who can write what runs; [^\n]*--state/,
  },
  "that everybody may write": {
    as: "root",
    script: "touch $P/filed.db && chmod 666 $P/filed.db",
    says: /filed\.db: others may write it \(its mode is 0666\)[^\n]*; chmod go-w \S+filed\.db /,
  },
  "that a group may write": {
    as: "root",
    script: `touch $P/filed.db && chmod 660 $P/filed.db && chown 0:65534 $P/filed.db`,
    says: /filed\.db: others may write it \(its mode is 0660\)/,
  },
  "that is another user's symbolic link": {
    as: "other",
    script: "ln -s /dev/null $P/filed.db",
    says: /filed\.db is a symbolic link that nobody \(uid 65534\) made; /,
  },
  "beside another user's -wal": {
    as: "other",
    script: "touch $P/filed.db-wal",
    says: /filed\.db-wal: it belongs to nobody \(uid 65534\)/,
  },
  "beside another user's -shm": {
    as: "other",
    script: "touch $P/filed.db-shm",
    says: /filed\.db-shm: it belongs to nobody \(uid 65534\)/,
  },
  "beside another user's -journal": {
    as: "other",
    script: "touch $P/filed.db-journal",
    says: /filed\.db-journal: it belongs to nobody \(uid 65534\)/,
  },
  "beside a symbolic link": {
    as: "other",
    script: "ln -s filed.db $P/filed.db-wal",
    says: /filed\.db-wal: it is not a regular file/,
  },
  "in another user's directory": {
    as: "root",
    script: `mkdir $P/theirs && chown ${OTHER.ids} $P/theirs`,
    state: "theirs/filed.db",
    says: /\/theirs belongs to nobody \(uid 65534\)/,
  },
  "in a directory in which everybody may replace it": {
    as: "root",
    script: "mkdir $P/open && chmod 777 $P/open",
    state: "open/filed.db",
    says:
      /others may replace what is in the directory \S+\/open \(its mode is 0777\); chmod go-w \S+\/open, or/,
  },
  "below a directory in which everybody may replace its own": {
    as: "root",
    script: "mkdir -p $P/open/own && chmod 777 $P/open",
    state: "open/own/filed.db",
    says: /others may replace what is in the directory \S+\/open /,
  },
  "in a directory in which a group may replace it": {
    as: "root",
    script: `mkdir $P/open && chmod 775 $P/open && chown 0:65534 $P/open`,
    state: "open/filed.db",
    says: /others may replace what is in the directory \S+\/open \(its mode is 0775\)/,
  },
};

for (const [what, { as, script, says, state = "filed.db" }] of Object.entries(STATE_FILES)) {
  rootTest(`a state file ${what} is refused, with what to do, and nothing is mounted`, async () => {
    await using place = await makeOpenPlace();
    await ok(sh(script, { P: place.path }, as === "other" ? { user: "65534" } : {}));
    const line = await refusal(["--state", `${place.path}/${state}`, `${place.path}/mnt`]);
    assert.match(line, says);
    assert.ok(line.startsWith(`filed: Cannot open the state file ${place.path}/${state}`), line);
    assert.deepEqual(await mountsBelow(place.path), []);
  });
}

rootTest("a state file in another user's directory is refused, in one of root's", async () => {
  await using place = await Place.make();
  await ok(sh(`chmod 755 $P && mkdir $P/theirs && chown ${OTHER.ids} $P/theirs`, { P: place.path }));
  const line = await refusal(["--state", `${place.path}/theirs/filed.db`, `${place.path}/mnt`]);
  assert.match(
    line,
    /the directory \S+\/theirs belongs to nobody \(uid 65534\), who could replace [^\n]*; name a file in one of root's with --state/,
  );
});

rootTest(
  "an ordinary user's filed refuses a third user's state file",
  async () => {
    await using place = await makeOpenPlace();
    await ok(run([...AS_THIRD, "sh", "-c", "umask 0; echo > $P/filed.db"], { P: place.path }));
    const args = ["--state", `${place.path}/filed.db`, `${place.path}/mnt`];
    assert.match(await refusal(args, AS_OTHER), /filed\.db: it belongs to uid 65533, /);
  },
);

rootTest("beside a state file in a sticky directory nothing is left after a stop", async () => {
  await using place = await makeOpenPlace();
  await using filed = await Filed.start(place);
  await filed.finish("job", "true");
  await filed.stop();
  const left = [];
  for await (const { name } of Deno.readDir(place.path)) left.push(name);
  assert.deepEqual(left, ["filed.db"]);
});

Deno.test("the directories that filed made for its mount point are gone after a stop", async () => {
  await using place = await Place.make();
  const mount = `${place.path}/a/b/mnt`;
  await using program = Program.start(["--state", `${place.path}/filed.db`, mount]);
  await program.says(/ready/);
  program.signal("SIGTERM");
  assert.equal(await program.ended(), 0);
  await assert.rejects(Deno.lstat(`${place.path}/a`), Deno.errors.NotFound);
});

Deno.test("a directory that filed made for its mount point stays if something else is in it", async () => {
  await using place = await Place.make();
  await using program = Program.start(["--state", `${place.path}/filed.db`, `${place.path}/a/mnt`]);
  await program.says(/ready/);
  await Deno.writeTextFile(`${place.path}/a/file`, "");
  program.signal("SIGTERM");
  assert.equal(await program.ended(), 0);
  assert.deepEqual(Array.from(Deno.readDirSync(`${place.path}/a`), ({ name }) => name), ["file"]);
});

Deno.test("a mount point that was there is there after a stop", async () => {
  await using place = await Place.make();
  await Deno.mkdir(`${place.path}/mnt`);
  await using filed = await Filed.start(place);
  await filed.stop();
  assert.ok((await Deno.lstat(filed.mount)).isDirectory);
});

Deno.test("a directory that filed made for its mount point is gone after a start that fails", async () => {
  await using place = await Place.make();
  const options = ["--state", `${place.path}/filed.db`, "--sandbox", "--ro", `${place.path}/none`];
  await using program = Program.start([...options, `${place.path}/mnt`]);
  assert.equal(await program.ended(), 1);
  assert.match(program.stderr, /^filed: Cannot sandbox jobs: /m);
  await assert.rejects(Deno.lstat(`${place.path}/mnt`), Deno.errors.NotFound);
});
