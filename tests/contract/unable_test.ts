/** Starts and stops where something is missing: one line that says what, and no mount left. */
import assert from "node:assert/strict";
import { fails, Filed, mountsBelow, ok, Place, run, userTest } from "../harness.ts";
import { Program } from "../program.ts";

const LIMITED = ["sh", "-c", 'ulimit -n "$0" && exec "$@"'];

for (const limit of ["63", "50", "44"]) {
  Deno.test(`with ${limit} open files filed says how many it needs`, async () => {
    await using place = await Place.make();
    const args = ["--state", `${place.path}/filed.db`, `${place.path}/mnt`];
    await using program = Program.start(args, {}, [...LIMITED, limit]);
    assert.equal(await program.ended(), 1);
    assert.match(
      program.stderr,
      /^filed: Cannot work with \d\d open files [^\n]+: filed needs 64, [^\n]+raise[^\n]+\n$/,
    );
    assert.deepEqual(await mountsBelow(place.path), []);
  });
}

const RULES = ["--sandbox", "--exec", "/usr", "--ro", "/etc"];

Deno.test("with 89 open files filed says how many it needs for a sandbox of two rules", async () => {
  await using place = await Place.make();
  const args = ["--state", `${place.path}/filed.db`, ...RULES, `${place.path}/mnt`];
  await using program = Program.start(args, {}, [...LIMITED, "89"]);
  assert.equal(await program.ended(), 1);
  assert.match(program.stderr, /^filed: Cannot work with 89 open files [^\n]+: filed needs 90, [^\n]+\n$/);
});

for (const [limit, options, what] of [["64", [], ""], ["90", RULES, ", in a sandbox"]] as const) {
  Deno.test(`with ${limit} open files filed runs jobs${what}`, async () => {
    await using place = await Place.make();
    const mount = `${place.path}/mnt`;
    const args = ["--state", `${place.path}/filed.db`, ...options, mount];
    await using program = Program.start(args, {}, [...LIMITED, limit]);
    await program.says(/ready/);
    for (const id of ["one", "two"]) await Deno.writeTextFile(`${mount}/pending/${id}`, "true");
    await program.says(/attempt ended job="one".*state="complete"/);
    await program.says(/attempt ended job="two".*state="complete"/);
  });
}

Deno.test("a low soft limit of open files is raised to the hard one", async () => {
  await using place = await Place.make();
  const args = ["--state", `${place.path}/filed.db`, `${place.path}/mnt`];
  await using program = Program.start(args, {}, ["sh", "-c", 'ulimit -Sn 20 && exec "$@"', "sh"]);
  await program.says(/ready/);
});

// Root unmounts by itself.
userTest("where fusermount3 can't unmount at the stop, one line says so, with what to do", async () => {
  await using place = await Place.make();
  const script =
    '#!/bin/sh\nPATH=${PATH#*:}\n[ "$1" != -u ] || { echo "no luck" >&2; exit 1; }\nexec fusermount3 "$@"\n';
  await Deno.mkdir(`${place.path}/bin`);
  await Deno.writeTextFile(`${place.path}/bin/fusermount3`, script, { mode: 0o755 });
  const PATH = `${place.path}/bin:${Deno.env.get("PATH")}`;
  await using filed = await Filed.start(place, { env: { PATH } });
  await filed.finish("job", "true");
  assert.equal((await filed.stop()).code, 1);
  assert.deepEqual(filed.words, [
    `filed: Cannot unmount ${filed.mount}: no luck; fusermount3 -uz ${filed.mount}`,
  ]);
  await ok(run(["fusermount3", "-uz", filed.mount]));
});

Deno.test("a limit of file sizes ends no filed: what can't be stored is refused", async () => {
  await using place = await Place.make();
  const mount = `${place.path}/mnt`;
  const args = ["--state", `${place.path}/filed.db`, mount];
  await using first = Program.start(["--version"]); // Which may unpack itself, in files that are larger.
  assert.equal(await first.ended(), 0);
  await using program = Program.start(args, {}, ["sh", "-c", 'ulimit -f 16000 && exec "$@"', "sh"]);
  await program.says(/ready/);
  const script = `echo '{"max_job_count": 0}' > ${mount}/config.json
    yes | head -c 100000 > ${place.path}/command
    for id in $(seq 200); do cp ${place.path}/command ${mount}/pending/$id || exit; done`;
  await fails(run(["sh", "-c", script]), /^cp: /);
  assert.match(await ok(run(["ls", `${mount}/pending`])), /^1$/m);
});
