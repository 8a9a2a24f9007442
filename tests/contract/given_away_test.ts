/**
 * Who owned a job and has a handle of it: what that is good for once root has given the job to somebody else.
 */
import assert from "node:assert/strict";
import { Filed, ok, Place, rootTest } from "../harness.ts";
import { startPaused } from "./expect.ts";

/** Users that every Debian has, each with a group of the same name. */
const [ANN, BOB] = ["daemon", "bin"] as const;

/** Where all may submit and retry, and a job fails at once. */
async function start(): ReturnType<typeof startPaused> {
  const filed = await startPaused();
  await Deno.chmod(filed.place.path, 0o711);
  await filed.configure({ max_attempts: 1, max_job_count: 20 });
  await ok(filed.sh("chmod 1777 $M/pending $M/failed"));
  return filed;
}

/**
 * Runs Python as ANN, in which `M` is the mount. `wait()` goes on once the test has done its part: ANN prints
 * a line there.
 */
async function asAnn(filed: Filed, program: string, act: () => Promise<void>): Promise<string> {
  await using child = new Deno.Command("setpriv", {
    args: ["--reuid", ANN, "--regid", ANN, "--init-groups", "python3", "-uc", `${PRELUDE}${program}`],
    env: { M: filed.mount, PATH: "/usr/sbin:/usr/bin:/sbin:/bin" }, // Not what is in the home of root.
    cwd: "/",
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const writer = child.stdin.getWriter();
  let said = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    said += text;
    if (!said.endsWith("READY\n")) continue;
    said = said.replace("READY\n", "");
    await act();
    await writer.write(new TextEncoder().encode("\n"));
  }
  await writer.close();
  assert.ok((await child.status).success);
  return said;
}

const PRELUDE = `
import errno, os, sys
M = os.environ["M"]
def wait():
    print("READY")
    sys.stdin.readline()
def tell(what, call):
    try:
        call()
        print(what, "done")
    except OSError as error:
        print(what, errno.errorcode[error.errno])
`;

/** Each of ANN's attempts on the handle `fd`, which is of a file that she owned. */
const CHANGES = `
tell("chmod", lambda: os.fchmod(fd, 0o644))
tell("chmod by /proc", lambda: os.chmod(f"/proc/self/fd/{fd}", 0o644))
tell("chown", lambda: os.fchown(fd, os.getuid(), -1))
tell("chgrp", lambda: os.fchown(fd, -1, os.getgid()))
tell("times", lambda: os.utime(fd, (1e9, 1e9)))
tell("now", lambda: os.utime(fd))
`;

rootTest("who had a log open changes nothing of the job that root gave away and that ran again", async () => {
  await using filed = await start();
  await ok(filed.sh("umask 077; echo 'id -un; exit 1' > $M/pending/x", { user: ANN }));
  await filed.finished("x");
  const said = await asAnn(
    filed,
    `
fd = os.open(M + "/failed/x", os.O_RDONLY)
path = os.open(M + "/failed/x", os.O_PATH)
os.fstat(fd)
wait()
${CHANGES}
print(os.pread(fd, 999, 0))
os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
print(os.pread(fd, 999, 4), os.fstat(fd).st_nlink)
tell("chmod by O_PATH", lambda: os.chmod(f"/proc/self/fd/{path}", 0o644))
tell("open by O_PATH", lambda: os.open(f"/proc/self/fd/{path}", os.O_RDONLY))
tell("open by /proc", lambda: os.open(f"/proc/self/fd/{fd}", os.O_RDONLY))
`,
    async () => {
      await ok(filed.sh(`cd $M; mv failed/x pending/.x; chown ${BOB} pending/.x; mv pending/.x pending/x`));
      await filed.events("attempt ended", { job: "x" }, 2);
    },
  );
  assert.doesNotMatch(said, new RegExp(`done|${BOB}`));
  assert.ok(said.includes(`${ANN}\\n`), said);
  assert.match(said, /^chmod E(PERM|STALE)$/m);
  assert.equal(await ok(filed.sh("stat -c '%a %U %G' $M/failed/x")), `400 ${BOB} ${ANN}\n`);
});

rootTest("who had a log open changes nothing of the job that root gave away and that waits", async () => {
  await using filed = await start();
  await ok(filed.sh("umask 077; echo 'exit 1' > $M/pending/x", { user: ANN }));
  await filed.finished("x");
  const said = await asAnn(
    filed,
    `fd = os.open(M + "/failed/x", os.O_RDONLY)\nwait()\n${CHANGES}`,
    () => ok(filed.sh(`cd $M; mv failed/x pending/.x; chown ${BOB} pending/.x`)).then(() => {}),
  );
  assert.doesNotMatch(said, /done/);
  assert.equal(await ok(filed.sh("stat -c '%a %U' $M/pending/.x")), `600 ${BOB}\n`);
});

rootTest(
  "who had a command open changes nothing of the job that root gave away and that failed",
  async () => {
    await using filed = await start();
    await ok(filed.sh("umask 077; echo 'exit 1' > $M/pending/.x", { user: ANN }));
    const said = await asAnn(
      filed,
      `fd = os.open(M + "/pending/.x", os.O_RDONLY)\nwait()\n${CHANGES}`,
      async () => {
        await ok(filed.sh(`cd $M; chown ${BOB} pending/.x; mv pending/.x pending/x`));
        await filed.event("attempt ended", { job: "x" });
      },
    );
    assert.doesNotMatch(said, /done/);
    assert.equal(await ok(filed.sh("stat -c '%a %U' $M/failed/x")), `400 ${BOB}\n`);
  },
);

rootTest("who may write to a job, and does not own it, may touch it and nothing else", async () => {
  await using filed = await start();
  await ok(filed.sh("umask 0; echo 'exit 1' > $M/pending/.x", { user: BOB }));
  const said = await asAnn(
    filed,
    `fd = os.open(M + "/pending/.x", os.O_RDWR)\n${CHANGES}`,
    () => Promise.resolve(),
  );
  assert.equal(
    said.replaceAll("\n", "; "),
    "chmod EPERM; chmod by /proc EPERM; chown EPERM; chgrp EPERM; times EPERM; now done; ",
  );
});

/** What takes a text back to what it was before, once root has looked at it and given it away. */
const TAKE_BACK: Record<string, [program: string, said: string]> = {
  "a refused write": ['tell("write", lambda: os.pwrite(fd, b"#filed no=1\\n", 0))', "write EINVAL\n"],
  "a refused write, after a close": [
    'os.close(os.dup(fd)); wait(); tell("write", lambda: os.pwrite(fd, b"#filed no=1\\n", 0))',
    "write EINVAL\n",
  ],
  "a write that fails": ['tell("write", lambda: os.pwrite(fd, b"x", 16 << 20))', "write EFBIG\n"],
  "a crash": ["wait()", ""],
};
for (const [what, [program, said]] of Object.entries(TAKE_BACK)) {
  rootTest(`what ${what} takes a job back to does not run as who was given another text`, async () => {
    await using place = await Place.make();
    await using first = await Filed.start(place, { config: { max_job_count: 0, max_attempts: 1 } });
    await first.admitAll();
    await ok(first.sh("echo 'id -un' > $M/pending/x", { user: ANN }));
    const open = 'fd = os.open(M + "/pending/x", os.O_RDWR)\nos.pwrite(fd, b"true   #", 0)\n';
    const isLater = program.includes("wait()");
    const heard = await asAnn(first, `${open}${isLater ? "" : "wait()\n"}${program}`, async () => {
      assert.equal(await ok(first.sh("cat $M/pending/x")), "true   #");
      await ok(first.sh(`chown ${BOB} $M/pending/x`));
      if (what === "a crash") await first.stop("SIGKILL");
    });
    assert.equal(heard, said);
    if (what !== "a crash") await first.stop();
    await using again = await Filed.start(place);
    await again.configure({ max_job_count: 20 });
    assert.match(await again.finished("x"), /\[System Error\]: not started: user 1 wrote to it/);
  });
}
