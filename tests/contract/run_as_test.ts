/** Whom a job runs as, by whose its file is. worker/run_as_test.ts has how. */
import assert from "node:assert/strict";
import { ok, rootTest, startFiled } from "../harness.ts";

/** A user that every Debian has, with a group of the same name. */
const OTHER = "daemon";

const WHO = 'echo "$(id -un) $(id -gn) $HOME $USER $LOGNAME $SHELL"; pwd';

rootTest("a job runs as its file's owner, as chown has made it", async () => {
  await using filed = await startFiled();
  await filed.admitAll();
  await ok(filed.sh(`umask 077; printf '%s' '${WHO}' > $M/pending/theirs`, { user: OTHER }));
  const entry = (await ok(filed.sh(`getent passwd ${OTHER}`))).trim().split(":");
  const [home, shell] = entry.slice(-2);
  const expected = `>>> ${WHO}\n${OTHER} ${OTHER} ${home} ${OTHER} ${OTHER} ${shell}\n${home}\n`;
  assert.equal(await filed.finished("theirs"), expected);
  await filed.submit(".given", WHO);
  await ok(filed.sh(`chown ${OTHER} $M/pending/.given && mv $M/pending/.given $M/pending/given`));
  assert.equal(await filed.finished("given"), expected);
  assert.match(await filed.finish("own", "id -u"), /\n0\n$/);
});

rootTest("with --run-as daemon every job runs as root", async () => {
  await using filed = await startFiled({ args: ["--run-as", "daemon"] });
  await filed.admitAll();
  await ok(filed.sh("echo 'id -u; pwd' > $M/pending/x", { user: OTHER }));
  assert.equal(await filed.finished("x"), `>>> id -u; pwd\n0\n${filed.place.path}\n`);
});
