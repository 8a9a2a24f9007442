/** An ordinary user's mount that others may use: `-o allow_other`. */
import assert from "node:assert/strict";
import { filedCommand, ok, Place, type Ran, rootTest, run } from "../harness.ts";
import { DENO_DIR, Program } from "../program.ts";

const TREE = new URL("../..", import.meta.url).pathname;
/** An ordinary user, and another one. */
const [NOBODY, OTHER] = ["65534", "1"] as const;

/**
 * Runs a program where /etc/fuse.conf has the line `$1`, everybody may open /dev/fuse, and what filed is run from, which may be in
 * a folder that only root can enter, is in `$0`. All that is so for this program only.
 */
const PRIVATELY = `
set -e
mount -t tmpfs tmpfs "$0"
cd "$0"
mknod -m 666 fuse c 10 229
printf '%s\\n' "$1" > fuse.conf
mount --bind fuse /dev/fuse
mount --bind fuse.conf /etc/fuse.conf
mkdir tree cache
touch program
mount --bind "$2" program
mount --bind "$3" tree
mount --bind "$4" cache
cd /
shift 4
exec "$@"`;

function as(user: string): string[] {
  return ["setpriv", "--reuid", user, "--regid", user, "--clear-groups"];
}

interface Started {
  program: Program;
  /** Runs a script in which `$M` is the mount, which is seen there only. */
  by(user: string, script: string): Promise<Ran>;
}

/** A daemon of NOBODY with `-o allow_other`. */
async function start(place: Place, conf: string): Promise<Started> {
  await Deno.chmod(place.path, 0o1777);
  const own = `${place.path}/own`;
  await Deno.mkdir(own);
  const mount = `${place.path}/mnt`;
  const args = ["--state", `${place.path}/filed.db`, "-o", "allow_other", mount];
  const [program, programArgs] = filedCommand(args);
  const command = [`${own}/program`, ...programArgs.map((arg) => arg.replace(TREE, `${own}/tree/`))];
  const prefix = ["unshare", "--mount", "sh", "-c", PRIVATELY, own, conf, program, TREE, DENO_DIR];
  const env = { HOME: place.path, XDG_CACHE_HOME: `${place.path}/cache`, DENO_DIR: `${own}/cache` };
  const started = Program.run([...prefix, ...as(NOBODY), ...command], env);
  const inside = ["nsenter", `--target=${started.pid}`, "--mount", "--root"];
  return {
    program: started,
    by: (user, script) => run([...inside, ...as(user), "sh", "-c", script], { M: mount }),
  };
}

rootTest(
  "where /etc/fuse.conf lets users admit others, modes decide, and jobs run as the daemon's user",
  async () => {
    await using place = await Place.make();
    const { program, by } = await start(place, "user_allow_other");
    await using _ = program;
    await program.says(/ ready /);
    assert.notEqual((await by(OTHER, "echo id > $M/pending/early")).status, 0);
    await ok(by(NOBODY, "chmod 1777 $M/pending"));
    await ok(by(OTHER, "umask 077; echo 'id -u' > $M/pending/theirs"));
    await ok(by("0", "echo 'id -u' > $M/pending/roots"));
    for (const job of ["theirs", "roots"]) {
      await program.says(new RegExp(`attempt ended job="${job}" .*state="complete"`));
    }
    const logs = await ok(by("0", "cat $M/complete/theirs $M/complete/roots"));
    assert.equal(logs, `>>> id -u\n${NOBODY}\n`.repeat(2));
    assert.equal(await ok(by("0", "stat -c %u $M/complete/theirs")), `${OTHER}\n`);
    assert.notEqual(
      (await by(NOBODY, "cat $M/complete/theirs")).status,
      0,
      "the daemon's user is a stranger there",
    );
  },
);

rootTest(
  "of what others were refused, the daemon's user reads why, as root does, and a stranger nothing",
  async () => {
    await using place = await Place.make();
    const { program, by } = await start(place, "user_allow_other");
    await using _ = program;
    await program.says(/ ready /);
    await ok(by(NOBODY, "chmod 1777 $M/pending"));
    for (const user of [OTHER, NOBODY]) {
      assert.notEqual((await by(user, `printf 'a\\0b' > $M/pending/of-${user}`)).status, 0);
    }
    for (const reader of [NOBODY, "0"]) {
      assert.match(await ok(by(reader, `cat $M/why/of-${OTHER}`)), /^refused \(user 1\): it has a NUL byte/);
    }
    assert.match(await ok(by(OTHER, `cat $M/why/of-${OTHER}`)), /^refused: it has a NUL byte/);
    assert.match((await by(OTHER, `cat $M/why/of-${NOBODY}`)).stderr, /No such file or directory/);
  },
);

rootTest("where /etc/fuse.conf does not, a user is told what root has to do", async () => {
  await using place = await Place.make();
  const { program } = await start(place, "# nothing");
  await using _ = program;
  assert.equal(await program.ended(), 1);
  assert.match(
    program.stderr,
    /^filed: Cannot admit other users [^\n]*: echo user_allow_other >> \/etc\/fuse\.conf\n$/,
  );
});
