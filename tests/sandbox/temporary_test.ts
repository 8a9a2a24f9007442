/** The temporary folder that each job has for itself. */
import assert from "node:assert/strict";
import { exists, Filed, makeFifo, ok, Place, rootTest, sh, until } from "../harness.ts";
import { Program } from "../program.ts";

/** A place, and a daemon in it whose jobs have their folders in `tmp`, and programs. */
async function startWithin(place: Place, rules: string[] = []): Promise<Filed> {
  await ok(sh('mkdir -p -m 1777 "$T"', { T: `${place.path}/tmp` }));
  return await Filed.start(place, {
    args: ["--sandbox", "--exec", "/usr", "--exec", "/bin", "--rw", `${place.path}/shared`, ...rules],
    env: { TMPDIR: `${place.path}/tmp` },
    config: { max_attempts: 1 },
  });
}

async function makePlace(): Promise<Place> {
  const place = await Place.make();
  await ok(sh('chmod 755 "$P" && mkdir -m 777 "$P/shared"', { P: place.path }));
  return place;
}

/** The files in the folders of all daemons, but for the proofs, which jobs don't see. */
async function filesIn(place: Place): Promise<string[]> {
  const found = await ok(
    sh('cd "$T" && { find . -mindepth 3 2>/dev/null || :; }', { T: `${place.path}/tmp` }),
  );
  return found.split("\n").filter(Boolean);
}

async function placesIn(place: Place): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(`${place.path}/tmp`))).map(({ name }) => name);
}

Deno.test("a job finds its folder by TMPDIR, TMP and TEMP, and nobody else may enter it", async () => {
  await using place = await makePlace();
  await using filed = await startWithin(place);
  const log = await filed.finish("x", 'echo "$TMPDIR $TMP $TEMP"; stat -c "%a %u" "$TMPDIR"; mktemp');
  const [, names, modes, file] = log.split("\n") as [string, string, string, string];
  const [folder = ""] = names.split(" ");
  assert.ok(folder.startsWith(`${place.path}/tmp/filed-sandbox-`), folder);
  assert.equal(names, `${folder} ${folder} ${folder}`);
  assert.equal(modes, `700 ${Deno.uid()}`);
  assert.ok(file.startsWith(`${folder}/`), file);
});

/** What jobs do in their folder, as an ordinary user and as root. */
const LEFT: [string, string][] = [
  ["files", "mkdir a; touch a/b c"],
  ["folders closed to all", "mkdir -p a/b; touch a/b/c; chmod 0 a/b a ."],
  ["links to what is outside", "ln -s ../../../shared/kept kept; ln -s ../../../shared shared"],
  [
    "a process that goes on writing",
    'setsid sh -c "while mktemp -p .; do :; done" > /dev/null 2>&1 & until [ "$(ls)" ]; do :; done',
  ],
];
for (const [name, command] of LEFT) {
  Deno.test(`a job's folder is removed when it is over, with ${name}`, async () => {
    await using place = await makePlace();
    await Deno.writeTextFile(`${place.path}/shared/kept`, "kept");
    await using filed = await startWithin(place);
    await filed.finish(
      "x",
      `echo "$TMPDIR" > ${place.path}/shared/folder\ncd "$TMPDIR"\n${command}`,
    );
    const folder = (await Deno.readTextFile(`${place.path}/shared/folder`)).trim();
    assert.ok(folder);
    await until("the folder's removal", async () => !await exists(folder));
    assert.equal(await Deno.readTextFile(`${place.path}/shared/kept`), "kept");
  });
}

Deno.test("a job sees nothing of the jobs before it, though untouched folders serve again", async () => {
  await using place = await makePlace();
  await using filed = await startWithin(place);
  const folders = new Set<string>();
  const jobs = 40;
  for (let job = 0; job < jobs; job++) {
    // Every second one leaves something.
    const command = `ls -A "$TMPDIR"; ${job % 2 ? 'touch "$TMPDIR/left"' : ":"}; pwd -P >&2; echo "$TMPDIR"`;
    const lines = (await filed.finish(`${job}`, command)).trim().split("\n");
    assert.equal(lines.length, 3, lines.join("\n")); // the command, where it ran, and its folder: no file
    folders.add(lines.at(-1) ?? "");
  }
  assert.ok(folders.size <= jobs, `${folders.size}`);
  assert.ok(folders.size >= jobs / 2, `${folders.size}`);
});

rootTest("a job of another user owns its folder", async () => {
  await using place = await makePlace();
  await using filed = await startWithin(place);
  await ok(filed.sh("chmod 1777 $M/pending"));
  await ok(
    filed.sh(`echo 'stat -c "%a %U" "$TMPDIR"; echo x > "$TMPDIR/x" && echo wrote' > $M/pending/x`, {
      user: "games",
    }),
  );
  assert.match(await filed.finished("x"), /^700 games\nwrote$/m);
});

for (const who of ["root", "games"]) {
  rootTest(`a job of ${who} sees nothing of the folder of another one`, async () => {
    await using place = await makePlace();
    await using filed = await startWithin(place);
    await ok(filed.sh("chmod 1777 $M/pending"));
    const up = await makeFifo(place, "shared/up");
    const submit = (id: string, command: string) =>
      ok(
        sh(
          'echo "$C" > "$M/pending/$ID"',
          { M: filed.mount, ID: id, C: command },
          who === "root" ? {} : { user: who },
        ),
      );
    await submit("holder", `echo secret > "$TMPDIR/file"; echo "$TMPDIR" > ${up}; exec sleep 1000`);
    const folder = (await Deno.readTextFile(up)).trim();
    await submit(
      "nosy",
      `cat ${folder}/file; ls ${folder}; ls ${folder}/..; touch ${folder}/x; rm -f ${folder}/file`,
    );
    const log = await filed.finished("nosy");
    assert.equal(log.match(/Permission denied/g)?.length, 5, log);
    assert.equal(await Deno.readTextFile(`${folder}/file`), "secret\n");
  });
}

Deno.test("a stop leaves no folder", async () => {
  await using place = await makePlace();
  await using filed = await startWithin(place);
  const up = await makeFifo(place, "shared/up");
  await filed.submit("x", `mkdir -p "$TMPDIR/a/b"; touch "$TMPDIR/a/c"; echo up > ${up}; exec sleep 1000`);
  await Deno.readTextFile(up);
  await filed.stop();
  assert.deepEqual([...Deno.readDirSync(`${place.path}/tmp`)], []);
});

Deno.test("a start removes the folders of a daemon that died, and not those of one that lives", async () => {
  await using place = await makePlace();
  await using other = await makePlace();
  const up = await makeFifo(place, "shared/up");
  {
    await using dead = await startWithin(place);
    await dead.submit("x", `mkdir -p "$TMPDIR/a/b"; touch "$TMPDIR/a/c"; echo up > ${up}; exec sleep 1000`);
    await Deno.readTextFile(up);
    await using alive = await Filed.start(other, {
      args: ["--sandbox", "--rw", `${place.path}/shared`],
      env: { TMPDIR: `${place.path}/tmp` },
    });
    await alive.submit("y", `echo kept > "$TMPDIR/kept"; echo up > ${up}; read -r line < ${up}`);
    await Deno.readTextFile(up);
    await dead.stop("SIGKILL");
    await using _next = await startWithin(place);
    await until("the removal of what is nobody's", async () => (await placesIn(place)).length === 2);
    assert.ok((await filesIn(place)).some((file) => file.endsWith("/kept")));
  }
  assert.deepEqual([...Deno.readDirSync(`${place.path}/tmp`)], []);
});

/** What somebody removes while filed runs, `$T` being where the temporary folders are. */
const REMOVED: [string, string][] = [
  ["all of it", 'rm -rf "$T"/filed-sandbox-*'],
  [
    "all of it, with others' folder in its place",
    'for p in "$T"/filed-sandbox-*; do rm -rf "$p"; mkdir "$p"; done',
  ],
  ["the proof", 'rm -rf "$T"/filed-sandbox-*/proof'],
  ["the folders of jobs", 'rm -rf "$T"/filed-sandbox-*/[0-9]*'],
  ["the folders, which were moved away", 'for p in "$T"/filed-sandbox-*/[0-9]*; do mv "$p" "$p-away"; done'],
  ["the inner folders of jobs", 'rm -rf "$T"/filed-sandbox-*/[0-9]*/tmp'],
];
for (const [name, command] of REMOVED) {
  Deno.test(`no attempt is lost, and each job has a folder, when somebody removes ${name}`, async () => {
    await using place = await makePlace();
    await using filed = await startWithin(place);
    for (const round of ["first", "second"]) {
      // Some that leave nothing, so that their folders are kept for the next ones.
      for (const job of ["a", "b", "c"]) await filed.finish(`${round}-${job}`, ":");
      await ok(sh(command, { T: `${place.path}/tmp` }));
      for (const job of ["x", "y"]) {
        const log = await filed.finish(
          `${round}-${job}`,
          'echo ran > "$TMPDIR/x" && read -r x < "$TMPDIR/x" && echo "$x"',
        );
        assert.match(log, /^ran$/m);
      }
    }
  });
}

rootTest("while a folder is removed, nothing of it is ever anywhere else, nor lent to others", async () => {
  await using place = await makePlace();
  await using filed = await startWithin(place);
  await ok(filed.sh("chmod 1777 $M/pending"));
  const down = await makeFifo(place, "shared/down");
  const fill =
    "mkdir -p a/b/c d; echo secret | tee secret a/secret a/b/secret d/secret; chmod -R a+rX .; chmod 700 .";
  const job = `cd "$TMPDIR"; pwd; ${fill}; chmod 0 d; echo up > ${down}; read -r _ < ${down}`;
  await ok(filed.sh(`echo '${job}' > $M/pending/x`, { user: "games" }));
  await Deno.readTextFile(down);
  const [name] = await placesIn(place);
  assert.ok(name);
  const root = `${place.path}/tmp/${name}`;
  const events = ["-e", "create,delete,move,attrib,modify", "--format", "%w%f %e"];
  await using watcher = Program.run(["inotifywait", "-m", "-r", ...events, root]);
  await watcher.says(/^Watches established/m);
  await Deno.writeTextFile(down, "on\n");
  const folder = (await filed.finished("x")).split("\n").find((line) => line.startsWith(root));
  assert.ok(folder);
  // The last of it: what happened before has been told before.
  await watcher.prints(new RegExp(`^${folder} DELETE,ISDIR$|OVERFLOW`, "m"));
  assert.doesNotMatch(watcher.stdout, /OVERFLOW/);
  const seen = watcher.stdout.trimEnd().split("\n").map((line) => line.replace(/\/? [A-Z_,]+$/, ""));
  const elsewhere = seen.filter((path) => path !== folder && !path.startsWith(`${folder}/`));
  // Its own parent, and those of the jobs to come.
  assert.deepEqual(elsewhere.filter((path) => !/^\/\d+\.\d+(\/tmp)?$/.test(path.slice(root.length))), []);
});

rootTest("links that are put in the way of a removal lead it nowhere, and do not stay", async () => {
  await using place = await makePlace();
  await ok(sh('mkdir -p -m 777 "$P/victim"; echo kept | tee "$P/victim/kept"', { P: place.path }));
  await ok(sh('cc -O1 -o "$P/swap" "$S"', { P: place.path, S: new URL("swap.c", import.meta.url).pathname }));
  await using filed = await startWithin(place, ["--exec", `${place.path}/swap`]);
  await filed.finish("x", `cd "$TMPDIR"; pwd; ${place.path}/swap ${place.path}/victim`);
  await until(
    "the folders' removal",
    async () => (await filesIn(place)).every((path) => /^\.\/[^/]+\/[^/]+\/tmp$/.test(path)),
  );
  assert.equal(await Deno.readTextFile(`${place.path}/victim/kept`), "kept\n");
});

/** What another user puts where a daemon looks for what dead ones have left. */
const TRAPS: [string, string][] = [
  ["a folder of another user", 'mkdir "$X"; touch "$X/kept"; chown -R games "$X"'],
  ["a link", 'mkdir "$T/../real"; touch "$T/../real/kept"; ln -s "$T/../real" "$X"'],
  ["a FIFO", 'mkfifo "$X"'],
  ["a file", 'echo kept > "$X"'],
  ["a folder with something mounted on it", 'mkdir "$X"; mount -t tmpfs none "$X"; touch "$X/kept"'],
];
for (const [name, command] of TRAPS) {
  rootTest(`a start leaves alone ${name} that is named as its own`, async () => {
    await using place = await makePlace();
    const X = `${place.path}/tmp/filed-sandbox-trap`;
    await ok(sh(`mkdir -m 1777 "$T"; ${command}`, { T: `${place.path}/tmp`, X }));
    {
      await using filed = await startWithin(place);
      assert.match(await filed.finish("x", "echo ran"), /^ran$/m);
    }
    assert.ok((await placesIn(place)).includes("filed-sandbox-trap"));
    await ok(sh('[ -p "$X" ] || [ -f "$X" ] || [ -e "$X/kept" ]', { X }));
  });
}

Deno.test("filed does not start where no temporary folder can be made", async () => {
  await using place = await Place.make();
  const starting = Filed.start(place, { args: ["--sandbox"], env: { TMPDIR: `${place.path}/none` } });
  await assert.rejects(
    starting,
    /Cannot make temporary folders in .*\/none: .*ENOENT; name another place by TMPDIR/,
  );
});
