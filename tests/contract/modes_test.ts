/** Owners and modes: what they are at first, how they change, and what they allow. */
import assert from "node:assert/strict";
import { fails, Filed, ok, rootTest, startFiled } from "../harness.ts";
import { Gate, resume, startPaused, stat } from "./expect.ts";

const FIXED = ["", "pending", "active", "complete", "failed", "new-id", "config.json", "why"];
const mode = async (filed: Filed, path: string) =>
  (Number((await stat(filed, path)).mode) & 0o7777).toString(8);

Deno.test("what is always there has the modes of its kind and belongs to who started the daemon", async () => {
  await using filed = await startFiled();
  for (const path of FIXED) {
    const { uid, gid } = await stat(filed, path);
    assert.deepEqual([uid, gid], [Deno.uid(), Deno.gid()], path);
  }
  const modes = await Promise.all(FIXED.map((path) => mode(filed, path)));
  assert.deepEqual(modes, ["755", "755", "755", "755", "755", "444", "644", "755"]);
});

Deno.test("a job's mode is what its maker asked for, less the umask", async () => {
  await using filed = await startPaused();
  const cases = [["022", "644"], ["027", "640"], ["077", "600"], ["0", "666"], ["777", "0"]] as const;
  for (const [umask, expected] of cases) {
    await ok(filed.sh(`umask ${umask}; echo true > $M/pending/x${umask}`));
    assert.equal(await mode(filed, `pending/x${umask}`), expected, umask);
  }
  await ok(filed.python(`
os.umask(0o027)
os.close(os.open(M + "/pending/y", os.O_CREAT | os.O_WRONLY, 0o755))
os.mknod(M + "/pending/z", 0o100666)
`));
  assert.equal(await mode(filed, "pending/y"), "750");
  assert.equal(await mode(filed, "pending/z"), "640");
});

Deno.test("a log shows no write bits, and the job has them again when it is back in pending/", async () => {
  await using filed = await startPaused();
  await filed.configure({ max_attempts: 1 });
  using gate = await Gate.make(filed.place);
  await ok(filed.sh(`umask 0; echo '${gate.waiting}; exit 1' > $M/pending/x`));
  await resume(filed);
  await gate.closedOn();
  assert.equal(await mode(filed, "active/x"), "444");
  gate.open();
  await filed.event("attempt ended", { job: "x", state: "failed" });
  assert.equal(await mode(filed, "failed/x"), "444");
  await filed.configure({ max_job_count: 0 });
  await ok(filed.sh("mv $M/failed/x $M/pending/"));
  assert.equal(await mode(filed, "pending/x"), "666");
});

Deno.test("chmod works on a job in pending/, complete/ and failed/, and survives a restart", async () => {
  await using filed = await startFiled({ config: { max_attempts: 1 } });
  await filed.submit(".p", "true");
  await filed.finish("c", "true");
  await filed.finish("f", "false");
  await ok(filed.sh("cd $M && chmod 4711 pending/.p && chmod 600 complete/c && chmod u=rwx,go= failed/f"));
  const expected = ["711", "400", "500"];
  const modes = (filed: Filed) =>
    Promise.all(["pending/.p", "complete/c", "failed/f"].map((path) => mode(filed, path)));
  assert.deepEqual((await modes(filed)).map((text) => text.slice(-3)), expected);
  await filed.stop();
  await using again = await Filed.start(filed.place);
  assert.deepEqual((await modes(again)).map((text) => text.slice(-3)), expected);
});

Deno.test("chmod works on a job that runs, and stays when it has ended", async () => {
  await using filed = await startFiled();
  using gate = await Gate.make(filed.place);
  await filed.submit("x", gate.waiting);
  await gate.closedOn();
  await ok(filed.sh("chmod 600 $M/active/x"));
  assert.equal(await mode(filed, "active/x"), "400");
  gate.open();
  await filed.finished("x");
  assert.equal(await mode(filed, "complete/x"), "400");
});

Deno.test("chmod works on directories, new-id and config.json, and survives a restart", async () => {
  await using filed = await startFiled();
  const modes = ["750", "1777", "711", "2750", "700", "400", "600", "710"];
  for (const [index, path] of FIXED.entries()) await ok(filed.sh(`chmod ${modes[index]} $M/${path}`));
  const shown = (filed: Filed) => Promise.all(FIXED.map((path) => mode(filed, path)));
  assert.deepEqual(await shown(filed), modes);
  await filed.stop();
  await using again = await Filed.start(filed.place);
  assert.deepEqual(await shown(again), modes);
});

Deno.test("chgrp and chown to oneself work on all nodes", async () => {
  await using filed = await startFiled();
  await filed.submit(".x", "true");
  await filed.finish("y", "true");
  await ok(filed.sh("chown -R $(id -u):$(id -g) $M && chgrp $(id -g) $M/pending/.x $M/complete/y"));
});

rootTest("chown works on jobs and on what is always there, and survives a restart", async () => {
  await using filed = await startFiled();
  await filed.submit(".x", "true");
  await filed.finish("y", "true");
  const paths = [...FIXED, "pending/.x", "complete/y"];
  for (const [index, path] of paths.entries()) {
    await ok(filed.sh(`chown ${1001 + index}:${2001 + index} $M/${path}`));
  }
  const owners = async (filed: Filed) =>
    await Promise.all(paths.map(async (path) => {
      const { uid, gid } = await stat(filed, path);
      return [uid, gid];
    }));
  const expected = paths.map((_, index) => [1001 + index, 2001 + index]);
  assert.deepEqual(await owners(filed), expected);
  await filed.stop();
  await using again = await Filed.start(filed.place);
  assert.deepEqual(await owners(again), expected);
});

/** A user that every Debian has, with a group of the same name. */
const OTHER = "daemon";

/** A paused daemon whose mount other users can reach. */
async function startForAll(): ReturnType<typeof startPaused> {
  const filed = await startPaused();
  await Deno.chmod(filed.place.path, 0o711);
  return filed;
}

rootTest("a job belongs to who submitted it", async () => {
  await using filed = await startForAll();
  await ok(filed.sh("chmod 1777 $M/pending"));
  await ok(filed.sh("umask 027; echo true > $M/pending/x", { user: OTHER }));
  const shown = await ok(filed.sh("stat -c '%U %a' $M/pending/x"));
  assert.equal(shown, `${OTHER} 640\n`);
});

rootTest("a directory with the set-group-ID bit gives its group to new jobs", async () => {
  await using filed = await startForAll();
  await ok(filed.sh("chgrp 2001 $M/pending && chmod 2777 $M/pending"));
  await ok(filed.sh("echo true > $M/pending/x", { user: OTHER }));
  assert.equal((await stat(filed, "pending/x")).gid, 2_001);
});

rootTest("only the owner or root may chmod, and only root may give a file away", async () => {
  await using filed = await startForAll();
  await filed.submit("x", "true");
  for (const path of ["pending/x", "pending", "config.json", "new-id"]) {
    await fails(filed.sh(`chmod 777 $M/${path}`, { user: OTHER }), /Operation not permitted/);
    await fails(filed.sh(`chown ${OTHER} $M/${path}`, { user: OTHER }), /Operation not permitted/);
  }
  await ok(filed.sh(`chown ${OTHER} $M/pending/x`));
  await ok(filed.sh("chmod 600 $M/pending/x", { user: OTHER }));
  await fails(filed.sh("chown root $M/pending/x", { user: OTHER }), /Operation not permitted/);
});

rootTest("modes decide who may submit, read, remove and change settings", async () => {
  await using filed = await startForAll();
  await filed.submit("x", "true");
  const denied = (script: string) => fails(filed.sh(script, { user: OTHER }), /Permission denied/);
  await denied("touch $M/pending/y");
  await denied("rm -f $M/pending/x");
  await denied("/usr/bin/tee $M/config.json < /dev/null");
  await denied("touch -d 1 $M/pending/x");
  await ok(filed.sh("chmod 600 $M/pending/x && chmod 666 $M/config.json && chmod 700 $M/complete"));
  await denied("cat $M/pending/x");
  await denied("ls $M/complete");
  await ok(filed.sh(`echo '{"max_attempts": 2}' > $M/config.json`, { user: OTHER }));
  await ok(filed.sh("chmod 1777 $M/pending"));
  await ok(filed.sh("echo true > $M/pending/y && rm $M/pending/y", { user: OTHER }));
  await fails(filed.sh("rm -f $M/pending/x", { user: OTHER }), /Operation not permitted/);
});
