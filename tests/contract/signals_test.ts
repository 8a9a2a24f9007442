/** Signals to filed itself. */
import assert from "node:assert/strict";
import { ok, Place, run, startFiled } from "../harness.ts";
import { Program } from "../program.ts";

/** Starts filed by a shell script, whose `"$@"` it is. */
async function startBy(place: Place, script: string): Promise<Program> {
  const args = ["--state", `${place.path}/filed.db`, "--grace", "0", `${place.path}/mnt`];
  const program = Program.start(args, {}, ["sh", "-c", script, "sh"]);
  await program.says(/ready/);
  return program;
}

/** Runs a job: whatever came before that, filed has heard of. */
async function runJob(place: Place, id: string): Promise<string> {
  const mount = `${place.path}/mnt`;
  await Deno.writeTextFile(`${mount}/pending/${id}`, "grep SigIgn /proc/self/status");
  await ok(run(["sh", "-c", `until [ -e ${mount}/complete/${id} ]; do :; done`]));
  return await Deno.readTextFile(`${mount}/complete/${id}`);
}

const IGNORED = [
  ["SIGHUP, by nohup(1)", 'exec nohup "$@"', "SIGHUP", /^SigIgn:.*[13579bdf]$/m],
  ["SIGINT, in the background of a shell", "trap '' INT; exec \"$@\"", "SIGINT", /^SigIgn:.*[2367abef]$/m],
  ["SIGQUIT", "trap '' QUIT; exec \"$@\"", "SIGQUIT", /^SigIgn:.*[4567cdef]$/m],
] as const;

for (const [what, script, signal, sigIgn] of IGNORED) {
  Deno.test(`filed that was started to ignore ${what} goes on when one comes; SIGTERM stops it`, async () => {
    await using place = await Place.make();
    await using program = await startBy(place, script);
    assert.match(await Deno.readTextFile(`/proc/${program.pid}/status`), sigIgn);
    program.signal(signal);
    assert.match(await runJob(place, "job"), /^SigIgn:\t0{16}$/m);
    assert.doesNotMatch(program.stderr, /stopping/);
    program.signal("SIGTERM");
    await program.says(/stopping reason="SIGTERM"/);
    assert.equal(await program.ended(), 0);
  });
}

Deno.test("filed that was started to ignore SIGTERM is stopped by it all the same", async () => {
  await using place = await Place.make();
  await using program = await startBy(place, "trap '' TERM; exec \"$@\"");
  program.signal("SIGTERM");
  assert.equal(await program.ended(), 0);
});

Deno.test("filed that was started to ignore SIGCHLD hears all the same how jobs end", async () => {
  await using place = await Place.make();
  await using program = await startBy(place, 'exec env --ignore-signal=CHLD "$@"');
  assert.match(await runJob(place, "job"), /^SigIgn:\t0{16}$/m);
  program.signal("SIGTERM");
  assert.equal(await program.ended(), 0);
});

/** Ignores nothing, as these tests themselves may: a shell's background commands ignore SIGINT and SIGQUIT. */
const IGNORING_NOTHING = ["env", "--default-signal"];

Deno.test("SIGHUP stops a filed that was not started to ignore it", async () => {
  await using filed = await startFiled({ prefix: IGNORING_NOTHING });
  filed.signal("SIGHUP");
  assert.equal((await filed.ended()).code, 0);
});

Deno.test("SIGQUIT stops at once, whatever --grace says", async () => {
  await using filed = await startFiled({ args: ["--grace", "1000"], prefix: IGNORING_NOTHING });
  await filed.submit("job", "exec sleep 1000");
  await filed.event("attempt started");
  filed.signal("SIGQUIT");
  const { code, signal } = await filed.ended();
  assert.deepEqual({ code, signal }, { code: 0, signal: null });
});

for (const signal of ["SIGUSR1", "SIGUSR2", "SIGPIPE"] as const) {
  Deno.test(`${signal} does not end filed`, async () => {
    await using filed = await startFiled();
    filed.signal(signal);
    if (signal !== "SIGPIPE") await filed.event("a signal came that means nothing to filed", { signal });
    assert.match(await filed.finish("job", "echo served"), /^served$/m);
  });
}
