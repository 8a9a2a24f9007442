/** Scripts and programs, from the file that is copied into the mount to the log; worker/content_test.ts has more of them. */
import assert from "node:assert/strict";
import { Filed, makeFifo, ok, Place, rootTest, run, startFiled, until } from "../harness.ts";
import { User } from "../users.ts";

/** What filed has for attempts in a place's tmp: the folders of attempts, and the files in them. */
async function left(place: Place): Promise<string> {
  return await ok(run(["find", `${place.path}/tmp`, "-mindepth", "2"]));
}

async function placeWithTmp(): Promise<Place> {
  const place = await Place.make();
  await Deno.mkdir(`${place.path}/tmp`);
  return place;
}

Deno.test("a script that is copied into the queue is run by its interpreter", async () => {
  await using place = await placeWithTmp();
  await using filed = await Filed.start(place, { env: { TMPDIR: `${place.path}/tmp` } });
  const script = "#!/usr/bin/perl -w\nuse strict;\nprint qq($0\\n);\n\ndie 'for a reason';\n";
  await Deno.writeTextFile(`${place.path}/nightly.pl`, script);
  await filed.configure({ max_attempts: 1 });
  await ok(run(["cp", `${place.path}/nightly.pl`, `${filed.mount}/pending/nightly`]));
  const log = await filed.finished("nightly");
  const [, path] = /^(\/.*\/nightly)$/m.exec(log) ?? [];
  assert.ok(path?.startsWith(`${place.path}/tmp/filed-exec-`), log);
  assert.ok(log.includes(`for a reason at ${path} line 5.\n`), log);
  assert.match(log, /\n\n\n\[System Error\]: exit status 255\n$/);
  assert.equal(await left(place), "");
});

Deno.test("a program that is copied into the queue is executed", async () => {
  await using place = await placeWithTmp();
  await using filed = await Filed.start(place, { env: { TMPDIR: `${place.path}/tmp` } });
  await Deno.writeTextFile(
    `${place.path}/p.c`,
    '#include <stdio.h>\nint main() { return puts("compiled") < 0; }',
  );
  await ok(run(["cc", "-o", `${place.path}/p`, `${place.path}/p.c`]));
  await ok(run(["cp", `${place.path}/p`, `${filed.mount}/pending/a.out`]));
  assert.match(await filed.finished("a.out"), /\ncompiled\n$/);
});

Deno.test("what can never start fails at once, and the log says what is missing", async () => {
  await using filed = await startFiled();
  const log = await filed.finish("job", "#!/usr/bin/pyhton3\nprint(1)\n");
  assert.ok(
    log.endsWith("\n\n[System Error]: not started: /usr/bin/pyhton3: no such file or directory\n"),
    log,
  );
  assert.deepEqual(await filed.list("failed"), ["job"]);
  assert.equal(filed.log.filter(({ message }) => message === "attempt ended").length, 1);
});

Deno.test("of scripts that run when filed is killed, the next start leaves no file", async () => {
  await using place = await placeWithTmp();
  const env = { TMPDIR: `${place.path}/tmp` };
  const fifo = await makeFifo(place, "up");
  await using filed = await Filed.start(place, { env });
  await filed.submit("-rf", `#!/bin/sh\necho > ${fifo}\nexec tail -f /dev/null\n`);
  await Deno.readTextFile(fifo);
  await filed.stop("SIGKILL");
  assert.match(await left(place), /\/-rf$/m);
  await using next = await Filed.start(place, { env, config: { max_job_count: 0 } });
  await until("it is gone", async () => await ok(run(["ls", `${place.path}/tmp`])) === "");
  await next.stop();
  assert.equal(await ok(run(["ls", `${place.path}/tmp`])), "");
});

Deno.test("a stop leaves no file", async () => {
  await using place = await placeWithTmp();
  const fifo = await makeFifo(place, "up");
  await using filed = await Filed.start(place, { env: { TMPDIR: `${place.path}/tmp` } });
  await filed.submit("job", `#!/bin/sh\necho > ${fifo}\nexec tail -f /dev/null\n`);
  await Deno.readTextFile(fifo);
  await filed.stop();
  assert.equal(await ok(run(["ls", `${place.path}/tmp`])), "");
});

Deno.test("--exec-dir comes before TMPDIR, and is never the mount itself", async () => {
  await using place = await placeWithTmp();
  const mount = `${place.path}/mnt`;
  const env = { TMPDIR: `${place.path}/tmp` };
  const say = '#!/bin/sh\necho "$0"\n';
  {
    await Deno.mkdir(`${place.path}/exec`);
    await using filed = await Filed.start(place, { args: ["--exec-dir", "exec"], env });
    assert.match(await filed.finish("one", say), new RegExp(`^${place.path}/exec/filed-exec-.*/one$`, "m"));
  }
  for (const directory of [mount, `${mount}/pending`]) {
    await using filed = await Filed.start(place, { args: ["--exec-dir", directory], env });
    await filed.sh("rm -f $M/*/job");
    assert.match(await filed.finish("job", say), new RegExp(`^${place.path}/tmp/filed-exec-.*/job$`, "m"));
    assert.deepEqual(await filed.list("pending"), []);
  }
});

Deno.test("the state file's directory is the last of them", async () => {
  await using place = await Place.make();
  const env = { TMPDIR: `${place.path}/none` };
  await using filed = await Filed.start(place, { env, args: ["--exec-dir", "/proc"] });
  const log = await filed.finish("job", '#!/bin/sh\necho "$0"\n');
  assert.match(log, new RegExp(`^${place.path}/filed-exec-.*/job$`, "m"));
});

rootTest("where no directory will do, one warning says why, and scripts run all the same", async () => {
  await using place = await Place.make();
  const none = `${place.path}/none`;
  await using mounted = new AsyncDisposableStack();
  await ok(run(["mount", "-t", "tmpfs", "-o", "noexec", "none", place.path]));
  mounted.defer(async () => void await ok(run(["umount", "-l", place.path])));
  await using filed = await Filed.start(place, { env: { TMPDIR: none }, cwd: "/" });
  for (const id of ["one", "two"]) {
    assert.match(await filed.finish(id, '#!/bin/sh\necho "$0"\n'), /^\/proc\/self\/fd\/3$/m);
  }
  const warnings = filed.log.filter(({ level }) => level === "WARN");
  assert.deepEqual(warnings.map(({ message }) => message), [
    "no directory for the files that jobs are executed from",
  ]);
  assert.deepEqual(Object.keys(warnings[0]?.properties["unfit"] ?? {}), [none, place.path]);
});

rootTest("a user's script runs as that user, out of sight of the others, and leaves nothing", async () => {
  await using place = await placeWithTmp();
  await Deno.chmod(`${place.path}/tmp`, 0o1777);
  await using cleanup = new AsyncDisposableStack();
  const [ann, bob] = [cleanup.use(await User.at("/nonexistent")), cleanup.use(await User.at("/nonexistent"))];
  const [up, go] = [await makeFifo(place, "up"), await makeFifo(place, "go")];
  await using filed = await Filed.start(place, { env: { TMPDIR: `${place.path}/tmp` } });
  await filed.admitAll();
  const SCRIPT = `#!/bin/sh\nid -un\necho "$0" > ${up}\nread x < ${go}\n`;
  await ok(filed.sh('printf %s "$SCRIPT" > $M/pending/job', { user: ann.name, env: { SCRIPT } }));
  const F = (await Deno.readTextFile(up)).trim();
  const seen = await filed.sh('cat "$F"; ls "${F%/*}" "${F%/*/*}"', { user: bob.name, env: { F } });
  assert.equal(seen.stdout, "");
  assert.equal(await ok(filed.sh('cat "$F"', { user: ann.name, env: { F } })), SCRIPT);
  await Deno.writeTextFile(go, "\n");
  assert.match(await filed.finished("job"), new RegExp(`\\n${ann.name}\\n$`));
  await until("its file is gone", async () => await left(place) === "");
});
