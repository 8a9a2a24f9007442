/**
 * What each user may have of the queue: places, jobs in pending/, logs. src/job/shares_test.ts has the rules,
 * tests/store the counts; tests/floods/shares_test.ts has users who want all there is.
 */
import assert from "node:assert/strict";
import { fails, Filed, ok, Place, rootTest, startFiled } from "../harness.ts";
import { assertHeld, read, refuses, resume, settled, started, startPaused } from "./expect.ts";

/** Users that every Debian has. */
const [ANN, BOB] = ["daemon", "bin"] as const;
const FULL = /Disk quota exceeded/;
/** As dash says it of a write. */
const NOT_WRITTEN = /I\/O error/;
const DENIED = /Operation not permitted|Permission denied/;
const MIB = 1_048_576;

async function startShared(config: Record<string, unknown>): ReturnType<typeof startFiled> {
  const filed = await startFiled({ config: { max_attempts: 1, ...config } });
  await filed.admitAll();
  await ok(filed.sh("chmod 1777 $M/active $M/complete $M/failed"));
  return filed;
}

/** Not with what is in the home of root. */
const as = (user: string) => ({ user, env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" } });

/** Writes a job of so many bytes of output, as a user. */
const print = (filed: Filed, user: string, id: string, bytes: number) =>
  ok(filed.sh(`echo 'yes | head -c ${bytes}' > $M/pending/${id}`, as(user)));

/** Who has which jobs of which state. */
async function owned(filed: Filed, user: string, state: string): Promise<string[]> {
  const found = await ok(filed.sh(`find $M/${state} -type f -user ${user} -printf '%f\\n'`));
  return found.split("\n").filter((name) => name !== "").sort();
}

rootTest("no more of a user's jobs run at once than the share, and others' start past them", async () => {
  await using filed = await startShared({ max_job_count: 6, max_job_count_per_user: 2 });
  await ok(filed.sh("for i in 1 2 3 4 5 6; do echo 'exec sleep 600' > $M/pending/a$i; done", as(ANN)));
  await filed.events("attempt started", {}, 2);
  await ok(filed.sh("echo true > $M/pending/b", as(BOB)));
  await filed.finished("b");
  await settled(filed); // Root's own, with a share of its own.
  assert.deepEqual(started(filed), ["a1", "a2", "b"]);
  await filed.configure({ max_job_count_per_user: 3 });
  await filed.event("attempt started", { job: "a3" });
  await ok(filed.sh("rm $M/active/a1", as(ANN)));
  await filed.event("attempt started", { job: "a4" });
  await settled(filed);
  await filed.configure({ max_job_count_per_user: 1 }); // Ends none, and starts none before two have ended.
  await ok(filed.sh("rm $M/active/a2 $M/active/a3", as(ANN)));
  for (const job of ["a2", "a3"]) await filed.event("attempt ended", { job });
  await settled(filed);
  assert.deepEqual(await owned(filed, ANN, "active"), ["a4"]);
  await filed.configure({ max_job_count_per_user: 0 });
  await filed.event("attempt started", { job: "a6" });
});

rootTest("root's own jobs have a share like anybody's", async () => {
  await using filed = await startShared({ max_job_count_per_user: 1, max_pending_per_user: 2 });
  for (const id of ["r1", "r2"]) await filed.submit(id, "exec sleep 600");
  await filed.event("attempt started", { job: "r1" });
  await ok(filed.sh("echo true > $M/pending/a", as(ANN)));
  await filed.finished("a");
  assert.deepEqual(started(filed), ["r1", "a"]);
  await filed.submit("r3", "true");
  await fails(filed.sh("echo true > $M/pending/r4"), FULL);
});

Deno.test("a user's share of slots holds for all there are where all jobs are one user's", async () => {
  await using filed = await startFiled({ config: { max_job_count_per_user: 1 } });
  await filed.submit("x", "exec sleep 600");
  await filed.event("attempt started", { job: "x" });
  await filed.submit("y", "true");
  assert.deepEqual(await filed.list("pending"), ["y"]);
  await filed.configure({ max_job_count_per_user: 2 });
  await filed.finished("y");
});

rootTest(
  "who has the share in pending/ submits no more, by no way to make a file, and others do",
  async () => {
    await using filed = await startShared({ max_job_count: 0, max_pending_per_user: 4 });
    await ok(
      filed.sh("cd $M/pending; echo true > job; echo true > .draft; : > empty; touch -d +1day job", as(ANN)),
    );
    const ways = [
      "echo true > new",
      "touch new",
      "mknod new p || exit 0; exit 1", // A FIFO is none.
      "cp job new",
      "python3 -c 'import os; os.mknod(\"new\", 0o100644)'",
      "python3 -c 'import os; os.open(\"new\", os.O_CREAT | os.O_RDONLY)'",
      "python3 -c 'import os; os.open(\"new~\", os.O_CREAT | os.O_EXCL | os.O_WRONLY)'",
      "echo true > .other-draft",
    ];
    // One place is left, and one file fills it; what is held counts as well.
    await ok(
      filed.sh("cd $M/pending; exec 3> held; echo true > new && exit 1; echo true >&3; exec 3>&-", as(ANN)),
    );
    for (const way of ways) {
      const { status, stderr } = await filed.sh(`cd $M/pending; ${way}`, as(ANN));
      if (!way.startsWith("mknod")) {
        assert.ok(
          status !== 0 && FULL.test(stderr) || /Errno 122/.test(stderr),
          stderr,
        );
      }
    }
    assert.deepEqual(await owned(filed, ANN, "pending"), [".draft", "empty", "held", "job"]);
    await ok(filed.sh("echo true > $M/pending/of-bob", as(BOB)));
    await ok(filed.sh("cd $M/pending; mv .draft submitted; echo true > empty; echo false > job", as(ANN)));
    await ok(filed.sh("cd $M/pending; rm job; echo true > new", as(ANN)));
    await fails(filed.sh("echo true > $M/pending/newer", as(ANN)), FULL);
  },
);

rootTest("why/ and the log say which share is used up", async () => {
  await using filed = await startShared({ max_job_count: 0, max_pending_per_user: 1 });
  await ok(filed.sh("echo true > $M/pending/one", as(ANN)));
  await fails(filed.sh("echo true > $M/pending/two", as(ANN)), FULL);
  const reason =
    "its owner has as many jobs in pending/ as a user may have: 1 (max_pending_per_user); some have to " +
    "start, or to be removed";
  assert.equal((await ok(filed.sh("cat $M/why/two", as(ANN)))).split("\n")[0], `refused: ${reason}`);
  await fails(filed.sh("cat $M/why/two", as(BOB)), /No such file/);
  const { properties } = await filed.event("submission refused");
  assert.deepEqual(properties, { job: "two", reason });
  await ok(filed.sh("rm $M/pending/one; echo true > $M/pending/two", as(ANN)));
  await refuses("ENOENT", Deno.lstat(`${filed.mount}/why/two`));
});

rootTest("moves and retries pass the share, and what comes by them counts", async () => {
  await using filed = await startShared({ max_pending_per_user: 2, max_attempts: 2, backoff_base: 3_600 });
  for (const id of ["x", "y"]) await ok(filed.sh(`echo false > $M/pending/${id}`, as(ANN)));
  for (const job of ["x", "y"]) await filed.event("attempt ended", { job }); // They wait for another attempt.
  await fails(filed.sh("echo true > $M/pending/new", as(ANN)), FULL);
  await ok(filed.sh("mv $M/pending/x $M/pending/y $M/failed/", as(ANN)));
  await filed.configure({ max_job_count: 0 });
  await ok(filed.sh("cd $M/pending; echo true > new; echo true > .draft", as(ANN)));
  await ok(filed.sh("mv $M/failed/x $M/failed/y $M/pending/", as(ANN)));
  await fails(filed.sh("cd $M/pending; echo true > newer", as(ANN)), FULL);
  await fails(filed.sh("cd $M/pending; mv .draft submitted", as(ANN)), FULL);
  assert.match(await ok(filed.sh("cat $M/why/submitted", as(ANN))), /max_pending_per_user/);
  await ok(
    filed.sh("cd $M/pending; mv new renamed; echo 'exit 0' > renamed; rm x y; mv .draft submitted", as(ANN)),
  );
  await resume(filed);
  for (const id of ["renamed", "submitted"]) await filed.finished(id);
});

rootTest(
  "a share that is lowered ends nothing, and refuses drafts that are not submitted by then",
  async () => {
    await using filed = await startShared({ max_job_count: 0 });
    await ok(
      filed.sh("cd $M/pending; for i in 1 2 3; do echo true > j$i; done; echo true > .d; : > empty", as(ANN)),
    );
    await filed.configure({ max_pending_per_user: 2 });
    await fails(filed.sh("cd $M/pending; mv .d new", as(ANN)), FULL);
    await fails(filed.sh("cd $M/pending; echo true > empty", as(ANN)), NOT_WRITTEN);
    await ok(filed.sh("cd $M/pending; mv .d j1", as(ANN))); // Takes the place of one that waits.
    await ok(filed.sh("cd $M/pending; echo 'true; true' > j2", as(ANN)));
    assert.equal(await read(filed, "pending/empty"), "");
    await filed.configure({ max_pending_per_user: 0 });
    await ok(filed.sh("cd $M/pending; echo true > empty", as(ANN)));
    await resume(filed);
    for (const id of ["j1", "j2", "j3", "empty"]) await filed.finished(id);
  },
);

rootTest("logs past the share refuse what is new, until some are removed, also after a restart", async () => {
  await using place = await Place.make();
  await using first = await Filed.start(place, { config: { max_attempts: 1, max_log_mb_per_user: 1 } });
  await first.admitAll();
  await ok(first.sh("chmod 1777 $M/complete; cd $M/pending; : > empty; echo true > .draft", as("root")));
  await ok(first.sh("chown daemon $M/pending/empty $M/pending/.draft"));
  await ok(first.sh("printf '#filed start=+1d\\ntrue\\n' > $M/pending/waits", as(ANN)));
  await print(first, ANN, "large", MIB + 1);
  await first.finished("large");
  const refused = async (filed: Filed) => {
    await fails(filed.sh("echo true > $M/pending/new", as(ANN)), FULL);
    assert.match(await ok(filed.sh("cat $M/why/new", as(ANN))), /^refused: .* 1 MiB \(max_log_mb_per_user\)/);
    await fails(filed.sh("cd $M/pending; mv .draft new", as(ANN)), FULL);
    await fails(filed.sh("echo true > $M/pending/empty", as(ANN)), NOT_WRITTEN);
    const mapped = "import mmap, os; f = os.open('empty', os.O_RDWR); os.ftruncate(f, 4)\n" +
      "m = mmap.mmap(f, 4); m[:] = b'true'; m.flush(); os.close(f)";
    await fails(filed.sh(`cd $M/pending; python3 -c "${mapped}"`, as(ANN)), /Errno 122/);
    await assertHeld(filed, "empty");
    await ok(filed.sh("printf '#filed start=+2d\\nfalse\\n' > $M/pending/waits", as(ANN)));
    await ok(filed.sh(`echo true > $M/pending/of-bob-${filed.pid}`, as(BOB)));
    await filed.finished(`of-bob-${filed.pid}`);
  };
  await refused(first);
  await first.stop("SIGKILL");
  await using again = await Filed.start(place);
  await refused(again);
  await ok(
    again.sh(
      "rm $M/complete/large; echo true > $M/pending/new; mv $M/pending/.draft $M/pending/other",
      as(ANN),
    ),
  );
  for (const id of ["new", "other"]) await again.finished(id);
});

rootTest("the log of a job that runs counts, and a retry's replaces the one before", async () => {
  await using filed = await startShared({ max_log_mb_per_user: 1 });
  const command = `[ -e $M/go ] && exit; yes | head -c ${MIB + 1}; exec sleep 600`;
  await ok(filed.sh(`echo '${command}' > $M/pending/x`, as(ANN)));
  const refused = async () =>
    (await filed.sh("echo true > $M/pending/y && rm -f $M/pending/y", as(ANN))).status !== 0;
  for (let ms = 1; !await refused(); ms++) await new Promise((resolve) => setTimeout(resolve, ms));
  await ok(filed.sh("mv $M/active/x $M/failed/", as(ANN)));
  assert.equal(await refused(), true);
  await ok(filed.sh("mv $M/failed/x $M/pending/", as(ANN))); // A retry passes.
  await filed.events("attempt started", { job: "x" }, 2);
  await ok(filed.sh("rm $M/active/x; echo true > $M/pending/z", as(ANN)));
  await filed.finished("z");
});

rootTest(
  "a removed log counts for its owner as long as that one has it open, and not for others' sake",
  async () => {
    await using filed = await startShared({ max_log_mb_per_user: 1 });
    for (const id of ["x", "y"]) {
      await print(filed, ANN, id, MIB + 1);
      await filed.finished(id);
      if (id === "x") await ok(filed.sh("rm $M/complete/x", as(ANN)));
    }
    await ok(filed.sh("exec 3< $M/complete/y; rm $M/complete/y; ! echo true > $M/pending/z", as(ANN)));
    // Its end is heard of a moment later.
    await ok(filed.sh("until echo true > $M/pending/z; do sleep .01; done", as(ANN)));
    await filed.finished("z");
    await print(filed, ANN, "w", MIB + 1);
    await filed.finished("w");
    using _reading = await Deno.open(`${filed.mount}/complete/w`); // By root.
    await ok(filed.sh("rm $M/complete/w; echo true > $M/pending/v", as(ANN)));
    await filed.finished("v");
  },
);

rootTest("a job that root gives away counts for its new owner, who alone may remove it", async () => {
  await using filed = await startShared({ max_job_count: 0, max_pending_per_user: 1 });
  await ok(filed.sh("echo true > $M/pending/x", as(ANN)));
  await fails(filed.sh(`chown ${BOB} $M/pending/x`, as(ANN)), DENIED);
  await ok(filed.sh(`chown ${BOB} $M/pending/x`));
  await ok(filed.sh("echo true > $M/pending/y", as(ANN)));
  await fails(filed.sh("echo true > $M/pending/z", as(ANN)), FULL);
  await fails(filed.sh("echo true > $M/pending/z", as(BOB)), FULL);
  await ok(filed.sh("rm $M/pending/x; echo true > $M/pending/z", as(BOB)));
});

Deno.test("what a settings file says of shares is refused where it is none", async () => {
  await using filed = await startPaused();
  for (const key of ["max_job_count_per_user", "max_pending_per_user", "max_log_mb_per_user"]) {
    for (const value of [-1, 1.5, "1", null]) await refuses("EINVAL", filed.configure({ [key]: value }));
  }
  await fails(
    filed.sh("printf '#filed max_pending_per_user=5\\ntrue\\n' > $M/pending/x"),
    /Invalid|I\/O error/,
  );
});
