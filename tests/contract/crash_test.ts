/** What the next filed makes of one that was killed. soak/crash_test.ts kills it at any time. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { Filed, ok, Place, rootTest, run } from "../harness.ts";
import { Wire } from "../wire.ts";
import { open, read, started, write } from "./expect.ts";

const INTERRUPTED = "\n\n\n[System Error]: interrupted: filed stopped while the job ran\n";

/** A job of which, at its first run, a lock tells how long any of it lives. */
function locked(wire: Wire, children: string): string {
  return `[ -e mark ] && { flock -n lock echo gone || echo alive; exit; }; touch mark; exec 9> lock; flock 9; ` +
    `exec 3> ${wire.path}; ${children}`;
}

const CHILDREN = {
  "its shell": "echo up >&3; while :; do sleep 60; done",
  "what ignores SIGTERM": "trap '' TERM; echo up >&3; while :; do sleep 60; done",
  "a child with setsid": "setsid sleep 60 & echo up >&3; wait",
  // Its shell is gone too: the attempt goes on for what holds the output.
  "a grandchild that left":
    "sleep 60 & setsid sh -c '(setsid sh -c \"echo up >&3; sleep 60\"; true) &'; exit",
} as const;
for (const [what, children] of Object.entries(CHILDREN)) {
  Deno.test(`after a crash ${what} is ended before anything starts`, async () => {
    await using place = await Place.make();
    await using wire = await Wire.make(place);
    await using filed = await Filed.start(place, { config: { max_job_count: 1, backoff_base: 0 } });
    await filed.submit("job", locked(wire, children));
    assert.equal(await wire.line(), "up");
    await filed.submit("other", "flock -n lock echo gone || echo alive");
    await filed.stop("SIGKILL");
    await using next = await Filed.start(place);
    await next.event("attempt interrupted", { job: "job" });
    assert.match(await next.finished("other"), /\ngone\n$/);
    assert.match(await next.finished("job"), /\ngone\n$/);
    await wire.end();
  });
}

rootTest("a job that ends filed as it starts, and has no environment, is ended by its cgroup", async () => {
  await using place = await Place.make();
  await using wire = await Wire.make(place);
  await using filed = await Filed.start(place, { config: { backoff_base: 0 } });
  await filed.submit("job", locked(wire, "kill -KILL $PPID; exec env -i sleep 60"));
  await filed.ended();
  await using next = await Filed.start(place);
  assert.match(await next.finished("job"), /\ngone\n$/);
  assert.deepEqual(await wire.end(), []);
});

Deno.test("the attempt that a crash cut short counts", async () => {
  await using place = await Place.make();
  await using wire = await Wire.make(place);
  await using filed = await Filed.start(place, { config: { backoff_base: 0 } });
  await filed.submit("job", `[ $FILED_ATTEMPT = 2 ] || { echo up > ${wire.path}; exec sleep 60; }`);
  await wire.line();
  await filed.stop("SIGKILL");
  await using next = await Filed.start(place);
  await next.finished("job");
  assert.deepEqual(await next.list("complete"), ["job"]);
  assert.equal((await next.event("attempt started", { job: "job" })).properties.attempt, 2);
});

Deno.test("a crash is a failure like others: the job waits its backoff", async () => {
  await using place = await Place.make();
  await using wire = await Wire.make(place);
  await using filed = await Filed.start(place, { config: { backoff_base: 100, backoff_mult: 1 } });
  await filed.submit("job", `echo up > ${wire.path}; exec sleep 60`);
  await wire.line();
  await filed.stop("SIGKILL");
  await using next = await Filed.start(place);
  const { mtime } = await Deno.stat(`${next.mount}/pending/job`);
  const waitMs = Number(mtime) - Date.now();
  assert.ok(waitMs > 60_000 && waitMs <= 100_000, `${waitMs} ms`);
});

Deno.test("the log of the last attempt that a crash cut short has what it said, and the reason", async () => {
  await using place = await Place.make();
  await using wire = await Wire.make(place);
  await using filed = await Filed.start(place, { config: { max_attempts: 1 } });
  const command = `echo said; echo up > ${wire.path}; exec sleep 60`;
  await filed.submit("job", command);
  await wire.line();
  await ok(filed.sh("until grep -q ^said $M/active/job; do :; done"));
  await filed.stop("SIGKILL");
  await using next = await Filed.start(place);
  assert.equal(await read(next, "failed/job"), `>>> ${command}\nsaid\n${INTERRUPTED.slice(1)}`);
});

Deno.test("after a crash nothing that close acknowledged is missing, and nothing is cut short", async () => {
  await using place = await Place.make();
  await using filed = await Filed.start(place, { config: { max_job_count: 0 } });
  const acknowledged = `${place.path}/acknowledged`;
  const writer =
    `n=0; while printf "echo whole-$n" > $M/pending/$0-$n; do echo $0-$n; n=$((n+1)); done >> ${acknowledged}-$0`;
  const writers = ["a", "b", "c"].map((name) => run(["sh", "-c", writer, name], { M: filed.mount }));
  await ok(run(["sh", "-c", `until [ "$(cat ${acknowledged}-* | wc -l)" -gt 300 ]; do :; done`]));
  await filed.stop("SIGKILL");
  await Promise.all(writers);
  await using next = await Filed.start(place);
  const pending = new Set(await next.list("pending"));
  const ids = (await ok(run(["sh", "-c", `cat ${acknowledged}-*`]))).trim().split("\n");
  assert.deepEqual(ids.filter((id) => !pending.has(id)), []);
  for (const id of pending) {
    const command = await read(next, `pending/${id}`);
    assert.ok(
      command === `echo whole-${id.slice(2)}` || command === "" && !ids.includes(id),
      `${id}: ${command}`,
    );
  }
});

Deno.test("after a crash a file is as it was at its last close", async () => {
  await using place = await Place.make();
  await using filed = await Filed.start(place);
  await filed.submit(".x", "echo closed");
  using file = await open(filed, "pending/.x", { write: true, truncate: true });
  write(file, "rm -rf /cut/sho");
  await filed.stop("SIGKILL");
  await using next = await Filed.start(place);
  assert.equal(await read(next, "pending/.x"), "echo closed");
});

Deno.test("after a crash a file that was never closed does not run", async () => {
  await using place = await Place.make();
  await using filed = await Filed.start(place);
  using file = await open(filed, "pending/x", { write: true, create: true });
  write(file, "echo cut sho");
  await filed.stop("SIGKILL");
  await using next = await Filed.start(place);
  await next.finish("other", "true");
  assert.deepEqual(started(next), ["other"]);
});

Deno.test("after a crash a file that was closed and then opened again runs as it was closed", async () => {
  await using place = await Place.make();
  await using filed = await Filed.start(place, { config: { max_job_count: 0 } });
  await filed.submit("x", "echo closed");
  using file = await open(filed, "pending/x", { write: true, append: true });
  write(file, "; echo cut sho");
  await filed.configure({ max_job_count: 20 });
  await filed.stop("SIGKILL");
  await using next = await Filed.start(place);
  assert.equal(await next.finished("x"), ">>> echo closed\nclosed\n");
});

Deno.test("a job that ended before a crash is not run again", async () => {
  await using place = await Place.make();
  await using filed = await Filed.start(place);
  await filed.finish("job", "true");
  await filed.stop("SIGKILL");
  await using next = await Filed.start(place);
  await next.finish("other", "true");
  assert.deepEqual([started(next), await next.list("complete")], [["other"], ["job", "other"]]);
});

Deno.test("a job that was removed before a crash does not come back", async () => {
  await using place = await Place.make();
  await using filed = await Filed.start(place, { config: { max_job_count: 0 } });
  for (const id of ["a", "b"]) await filed.submit(id, "true");
  await ok(filed.sh("rm $M/pending/a"));
  await filed.stop("SIGKILL");
  await using next = await Filed.start(place);
  assert.deepEqual(await next.list("pending"), ["b"]);
});

Deno.test("a job that was being ended when filed crashed is ended, and does not come back", async () => {
  await using place = await Place.make();
  await using wire = await Wire.make(place);
  await using filed = await Filed.start(place);
  await filed.submit(
    "job",
    `exec 3> ${wire.path}; trap 'echo TERM >&3' TERM; echo up >&3; while :; do sleep 60 & wait; done`,
  );
  assert.equal(await wire.line(), "up");
  await ok(filed.sh("rm $M/active/job"));
  assert.equal(await wire.line(), "TERM");
  await filed.stop("SIGKILL");
  await using next = await Filed.start(place);
  await wire.end();
  await next.finish("other", "true");
  assert.deepEqual(started(next), ["other"]);
});

/** Makes what the state file knows of a run's leader into something about a process that it does not know. */
async function crashWithLeader(
  sql: string,
  prove: (stranger: Deno.ChildProcess) => Promise<void>,
): Promise<void> {
  await using place = await Place.make();
  await using wire = await Wire.make(place);
  await using filed = await Filed.start(place);
  await filed.submit("job", `echo up > ${wire.path}; exec sleep 60`);
  await wire.line();
  await filed.stop("SIGKILL");
  const stranger = new Deno.Command("sleep", { args: ["60"] }).spawn();
  try {
    const fields = (await Deno.readTextFile(`/proc/${stranger.pid}/stat`)).split(") ")[1]?.split(" ") ?? [];
    const database = new DatabaseSync(filed.state);
    const leaders = database.prepare("SELECT pid FROM runs").all();
    const update = database.prepare(sql);
    update.setAllowUnknownNamedParameters(true);
    update.run({ pid: stranger.pid, ticks: Number(fields[19]) });
    database.close();
    await using next = await Filed.start(place);
    await next.event("attempt interrupted", { job: "job" });
    await prove(stranger);
    for (const { pid } of leaders) await run(["kill", "-KILL", String(pid)]); // What the state file no longer knows.
  } finally {
    stranger.kill("SIGKILL");
    await stranger.status;
  }
}

async function assertLives({ pid }: Deno.ChildProcess): Promise<void> {
  assert.match(await Deno.readTextFile(`/proc/${pid}/stat`), /\) S /);
}

Deno.test("after a crash a stranger that has a job's pid by now lives on", () =>
  crashWithLeader("UPDATE runs SET pid = :pid", assertLives));

Deno.test("after a reboot a stranger that has a job's pid and start time lives on", () =>
  crashWithLeader("UPDATE runs SET pid = :pid, start_ticks = :ticks, boot_id = 'another'", assertLives));
