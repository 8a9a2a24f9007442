/**
 * What a job is held to at its start, by whatever way a user has brought its text there, and whatever config.json
 * said then. src/job/caps_test.ts has the rules, contract/directives_test.ts what is refused as it is written.
 */
import assert from "node:assert/strict";
import { fails, Filed, ok, Place, rootTest, startFiled } from "../harness.ts";
import { assertStarted, read, resume, startPaused } from "./expect.ts";

/** Users that every Debian has. */
const ANN = "daemon";
const CAPS = { nice: 5, max_open_files: 64, max_attempts: 1, at_most: { timeout_sec: 60 } };
const DENIED = /Operation not permitted|I\/O error|Errno 1\]/;
const PRINT = "nice; ulimit -n";
const BY_CAPS = "5\n64\n";

/** Not with what is in the home of root. */
const as = (user: string) => ({ user, env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" } });

async function startCapped(): ReturnType<typeof startPaused> {
  const filed = await startPaused();
  await filed.admitAll();
  await ok(filed.sh("chmod 1777 $M/failed $M/complete"));
  await filed.configure(CAPS);
  return filed;
}

const PYTHON = `
import mmap, os
MORE = b"#filed nice=0 max_open_files=0\\n${PRINT}\\n"
LESS = b"#filed nice=6 max_open_files=9\\n${PRINT}\\n"
def opened(name, flags=0): return os.open(name, os.O_RDWR | os.O_CREAT | flags, 0o666)
`;
/** Each is refused with EPERM, and what it leaves runs as it is allowed. */
const REFUSED: Record<string, string> = {
  "appending to a header": "printf '#filed nice=6\\n' > x; printf '#filed max_open_files=65\\n' >> x",
  "patching one byte":
    `printf '#filed nice=6\\n${PRINT}\\n' > x; printf 4 | dd of=x bs=1 seek=12 conv=notrunc`,
  "mapping it": `python3 -c '${PYTHON}
f = opened("x")
os.write(f, LESS); os.close(f)
f = opened("x")
m = mmap.mmap(f, len(MORE)); m[:] = MORE; m.flush()
os.close(f)'`,
  "filling a file that was made as long": `python3 -c '${PYTHON}
f = opened("x")
os.ftruncate(f, len(MORE))
m = mmap.mmap(f, len(MORE)); m[:] = MORE; m.flush()
os.close(f)'`,
  "writing on to a draft that has been submitted": `python3 -c '${PYTHON}
f = opened(".x")
os.write(f, LESS); os.rename(".x", "x"); os.pwrite(f, MORE, 0)'`,
  "writing to a draft, and submitting it while it is open": `python3 -c '${PYTHON}
f = opened(".x")
os.write(f, MORE); os.rename(".x", "x")'`,
  "another handle, opened before": `python3 -c '${PYTHON}
a = opened("x"); b = opened("x")
os.write(a, LESS); os.close(a); os.pwrite(b, MORE, 0)'`,
  "a file of mkstemp": `python3 -c '${PYTHON}
f = opened(".x", os.O_EXCL)
os.write(f, MORE); os.close(f); os.rename(".x", "x")'`,
  "giving it to root": `printf '#filed nice=6\\n${PRINT}\\n' > x; chown 0 x`,
  "making it of root's group": `printf '#filed nice=6\\n${PRINT}\\n' > x; chgrp 0 x`,
};
for (const [way, script] of Object.entries(REFUSED)) {
  rootTest(`no job gets past its caps by ${way}`, async () => {
    await using filed = await startCapped();
    await fails(filed.sh(`cd $M/pending; ${script}`, as(ANN)), DENIED);
    await resume(filed);
    await filed.finish("other", "true");
    const left = await filed.list("pending");
    if (left.includes("x")) return assert.equal(await read(filed, "pending/x"), "#filed nice=6\n"); // It is held.
    if (left.includes(".x") || (await filed.list("complete")).length === 1) return;
    assert.match(await filed.finished("x"), /\n(6\n64|6\n9)\n$/); // As it was before.
  });
}

rootTest(
  "a job that waits, one that runs and one that failed have what config.json allows at their next start",
  async () => {
    await using place = await Place.make();
    await using first = await Filed.start(place, { config: { max_attempts: 2, backoff_base: 0 } });
    await first.admitAll();
    await ok(first.sh("chmod 1777 $M/failed"));
    const header =
      "#filed nice=0 max_open_files=500 max_log_bytes=3000000 timeout_sec=2h max_attempts=9 backoff_base=0";
    const submit = (id: string, command: string) =>
      ok(first.sh(`printf '%s\\n' '${header}' '${command}' > $M/pending/${id}`, as(ANN)));
    await submit("failed", `${PRINT}; exit 1`);
    assert.match(await first.finished("failed"), /\n0\n500\n/);
    assert.equal(first.log.filter(({ message }) => message === "attempt started").length, 9);
    await submit("runs", `${PRINT}; [ $FILED_ATTEMPT -gt 1 ] || exec sleep 600`);
    await first.event("attempt started", { job: "runs" });
    await first.configure({ max_job_count: 0 });
    await submit("waits", `${PRINT}; yes | head -c 300000; exit 1`);
    await submit(".draft", `${PRINT}; exit 1`);
    await first.configure({ ...CAPS, max_log_bytes: 65_600, at_most: { timeout_sec: 60, max_attempts: 2 } });
    await fails(first.sh("mv $M/pending/.draft $M/pending/draft", as(ANN)), /not permitted/);
    await ok(first.sh("mv $M/failed/failed $M/pending/", as(ANN)));
    await ok(first.sh("touch $M/pending/waits; mv $M/pending/waits $M/pending/renamed", as(ANN)));
    await first.stop("SIGKILL");
    await using again = await Filed.start(place);
    await resume(again);
    for (const id of ["failed", "runs", "renamed"]) {
      assert.match(await again.finished(id), new RegExp(`\\n${BY_CAPS}`), id);
    }
    assert.match(await read(again, "failed/renamed"), /\n\[filed: \d+ bytes dropped\]\n/);
    const starts = (id: string) =>
      again.log.filter(({ message, properties }) => message === "attempt started" && properties.job === id)
        .length;
    assert.deepEqual([starts("failed"), starts("renamed")], [2, 2]);
  },
);

rootTest("a priority is what config.json allows now, of what waits and of what is tried again", async () => {
  await using place = await Place.make();
  const config = { max_job_count: 1, max_attempts: 2, backoff_base: 0, at_most: { priority: 50 } };
  await using first = await Filed.start(place, { config });
  await first.admitAll();
  const submit = (id: string, priority: number, command = "true") =>
    ok(first.sh(`printf '#filed priority=${priority}\\n${command}\\n' > $M/pending/${id}`, as(ANN)));
  await submit(
    "again",
    50,
    "[ $FILED_ATTEMPT = 2 ] || exec sleep 600",
  );
  await first.event("attempt started", { job: "again" });
  await first.configure({ max_job_count: 0 });
  await first.submit("plain", "true");
  await first.submit("roots", "#filed priority=40\ntrue");
  await submit("later", 50);
  await submit("least", -5);
  await ok(
    first.sh("printf '#filed priority=50\\n' > $M/pending/header; echo true >> $M/pending/header", as(ANN)),
  );
  await first.configure({ at_most: {} });
  await fails(first.sh("printf '#filed priority=1\\ntrue\\n' > $M/pending/no", as(ANN)), DENIED);
  await first.stop("SIGKILL"); // Which costs `again` its first attempt.
  await using next = await Filed.start(place);
  await next.configure({ max_job_count: 1 });
  await next.finished("least"); // All others go before it.
  await assertStarted(next, "roots", "again", "plain", "later", "header", "least");
});

rootTest("a cap on priorities that is raised again gives back what was asked for", async () => {
  await using filed = await startCapped();
  await filed.configure({ at_most: { priority: 10 } });
  for (const [id, priority] of [["a", 1], ["b", 10], ["c", 5]] as const) {
    await ok(filed.sh(`printf '#filed priority=${priority}\\ntrue\\n' > $M/pending/${id}`, as(ANN)));
  }
  for (const priority of [0, 5, 2, 7]) await filed.configure({ at_most: { priority } });
  await filed.configure({ max_job_count: 1 });
  await assertStarted(filed, "b", "c", "a");
});

rootTest("what another has written to root's job is held to caps, where all jobs run as root", async () => {
  await using filed = await startFiled({
    args: ["--run-as", "daemon"],
    config: { ...CAPS, max_job_count: 0 },
  });
  await filed.admitAll();
  await filed.submit("x", `#filed nice=1\n${PRINT}`);
  await filed.submit("y", `#filed nice=1 priority=3\n${PRINT}`);
  await ok(filed.sh("chmod 666 $M/pending/x $M/pending/y"));
  await fails(filed.sh(`printf '#filed nice=0\\n${PRINT}\\n' > $M/pending/x`, as(ANN)), DENIED);
  await fails(filed.sh("echo : >> $M/pending/y", as(ANN)), DENIED); // It has more than ANN may ask for.
  await ok(filed.sh(`printf '#filed nice=6\\n${PRINT}\\n' > $M/pending/y`, as(ANN)));
  await resume(filed);
  assert.match(await filed.finished("x"), /\n1\n/);
  assert.match(await filed.finished("y"), /\n6\n64\n$/);
});
