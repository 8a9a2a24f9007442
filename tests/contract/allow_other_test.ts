/** An ordinary user's mount that others may use: `-o allow_other`. */
import assert from "node:assert/strict";
import { ok, Place, type Ran, run } from "../harness.ts";
import { AS_USER, MAY_RUN } from "../ordinary_user.ts";
import { Program } from "../program.ts";

/** Runs a program where /etc/fuse.conf is as `$1` says and everybody may open /dev/fuse; that is so there only. */
const WITH_FUSE_CONF = `
set -e
mount -t tmpfs tmpfs "$0"
mknod -m 666 "$0/fuse" c 10 229
printf '%s\\n' "$1" > "$0/fuse.conf"
mount --bind "$0/fuse" /dev/fuse
mount --bind "$0/fuse.conf" /etc/fuse.conf
shift
exec "$@"`;

/** A daemon of an ordinary user with `-o allow_other`, and its mount, seen by its own processes only. */
async function start(
  place: Place,
  conf: string,
): Promise<{ program: Program; as(user: string, script: string): Promise<Ran> }> {
  await Deno.chmod(place.path, 0o777);
  await Deno.mkdir(`${place.path}/dev`);
  const mount = `${place.path}/mnt`;
  const prefix = ["unshare", "--mount", "sh", "-c", WITH_FUSE_CONF, `${place.path}/dev`, conf, ...AS_USER];
  const args = ["--state", `${place.path}/filed.db`, "-o", "allow_other", mount];
  const program = Program.start(args, { HOME: place.path }, prefix);
  return {
    program,
    as: (user, script) =>
      run(
        [
          "nsenter",
          `--target=${program.pid}`,
          "--mount",
          "setpriv",
          "--reuid",
          user,
          "--regid",
          user,
          "--clear-groups",
        ]
          .concat(["sh", "-c", script]),
        { M: mount },
      ),
  };
}

const ignore = Deno.uid() !== 0 || !MAY_RUN;

Deno.test({
  name:
    "as root: where /etc/fuse.conf lets users admit others, modes decide, and jobs run as the daemon's user",
  ignore,
  async fn() {
    await using place = await Place.make();
    const { program, as } = await start(place, "user_allow_other");
    await using _ = program;
    await program.says(/ ready /);
    assert.notEqual((await as("1", "echo id > $M/pending/early")).status, 0);
    await ok(as("65534", "chmod 1777 $M/pending"));
    await ok(as("1", "umask 077; echo 'id -u' > $M/pending/theirs"));
    await ok(as("0", "echo 'id -u' > $M/pending/roots"));
    for (const job of ["theirs", "roots"]) {
      await program.says(new RegExp(`attempt ended job="${job}" .*state="complete"`));
    }
    assert.equal(
      await ok(as("0", "cat $M/complete/theirs $M/complete/roots")),
      ">>> id -u\n65534\n".repeat(2),
    );
    assert.equal(await ok(as("0", "stat -c %u $M/complete/theirs")), "1\n");
    assert.notEqual(
      (await as("65534", "cat $M/complete/theirs")).status,
      0,
      "the daemon's user is a stranger here",
    );
  },
});

Deno.test({
  name: "as root: where /etc/fuse.conf does not, a user is told what root has to do",
  ignore,
  async fn() {
    await using place = await Place.make();
    const { program } = await start(place, "# nothing");
    await using _ = program;
    assert.equal(await program.ended(), 1);
    assert.match(
      program.stderr,
      /^filed: Cannot admit other users [^\n]*: echo user_allow_other >> \/etc\/fuse\.conf\n$/,
    );
  },
});
