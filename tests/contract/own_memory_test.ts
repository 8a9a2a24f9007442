/**
 * Of a job's processes nothing is read by which the reader holds their memory. If such a process ends meanwhile, its
 * reader takes its memory down, and waits for the file systems whose files it had mapped: for a server that the job's
 * user has written.
 */
import assert from "node:assert/strict";
import { serveHanging } from "../fuse/hanging.ts";
import { Filed, ok, Place, rootTest } from "../harness.ts";
import { Wire } from "../wire.ts";

/** Files of /proc/PID that the kernel makes without the process's memory. */
const HARMLESS = ["comm", "cgroup", "autogroup", "oom_score_adj"];
/** What is read of a job's shell once, right after it was started: it has nothing in its memory yet. */
const AT_THE_START = "stat";

/** Runs filed as a program whose every use of a path is written to a file. */
const traced = (path: string) => ["strace", "-D", "-f", "-qq", "-e", "trace=%file", "-o", path];

/** What a traced filed has read of other processes, itself and not in a child: `/proc/PID/NAME`, in order. */
async function readsIn(path: string): Promise<{ pid: string; name: string }[]> {
  const lines = (await Deno.readTextFile(path)).split("\n").map((line) => /^(\d+) +(.*)$/.exec(line) ?? []);
  const [, filed] = lines[0] ?? [];
  const others = new Set(lines.flatMap(([, pid = "", call]) => call?.startsWith("execve(") ? pid : []));
  others.delete(filed ?? "");
  assert.ok(lines.some(([, , call]) => call?.includes("/cgroup.procs")), "it has looked at no control group");
  return lines.flatMap(([, by = "", call = ""]) => {
    const [, pid, name] = /"\/proc\/(\d+)\/([^"]+)"/.exec(call) ?? [];
    return pid === undefined || name === undefined || others.has(by) ? [] : { pid, name };
  });
}

/** Asserts that those are all of what may be read. @param starts How many jobs were started. */
function assertHarmless(reads: readonly { pid: string; name: string }[], starts: number) {
  const others = reads.filter(({ name }) => !HARMLESS.includes(name));
  const atStarts = others.filter(({ name }) => name === AT_THE_START).map(({ pid }) => pid);
  assert.deepEqual(others.filter(({ name }) => name !== AT_THE_START), []);
  // A clock tells when a shell was started, unless the kernel's went on just then.
  assert.equal(atStarts.length, new Set(atStarts).size, "no shell is looked at twice");
  assert.ok(atStarts.length <= starts, `${atStarts.length} looks at ${starts} shells`);
}

/** Submits a job with processes in its shell's group and out of it, which all do the same, and waits for them. */
async function submitSeveral(filed: Filed, place: Place, id: string, command: string) {
  await using wire = await Wire.make(place, id);
  const one = `echo up >&3; ${command}`;
  await filed.submit(id, `exec 3> ${wire.path}; setsid sh -c '${one}' & sh -c '${one}' & ${one}`);
  for (let count = 0; count < 3; count++) assert.equal(await wire.line(), "up");
}

rootTest(
  "a job's processes are ended, named, waited for and swept without a hold of their memory",
  async () => {
    await using place = await Place.make();
    await using hanging = await serveHanging();
    {
      await using first = await Filed.start(place, { config: { max_attempts: 1 } });
      await submitSeveral(first, place, "left", "sleep 60");
      await first.stop("SIGKILL");
    }
    const trace = `${place.path}/trace`;
    {
      await using filed = await Filed.start(place, { prefix: traced(trace) });
      await filed.event("attempt interrupted", { job: "left" });

      // It heeds SIGTERM, after some looks at it.
      await submitSeveral(
        filed,
        place,
        "gentle",
        'trap "sleep 0.3; exit" TERM; while :; do sleep 60 & wait; done',
      );
      await ok(filed.sh("mv $M/active/gentle $M/failed/"));

      await submitSeveral(filed, place, "hard", 'trap "" TERM; while :; do sleep 60; done');
      await ok(filed.sh("mv $M/active/hard $M/failed/"));

      // It has its job's output open when the shell has ended, with time for several looks.
      await filed.finish("background", "sleep 0.6 & sh -c :");

      // Nothing ends it, and so it is named, and waited for.
      await filed.submit("held", `exec dd if=/dev/zero of=${hanging.path}/page count=1`);
      await hanging.fs.asked;
      await ok(filed.sh("mv $M/active/held $M/failed/"));
      const { properties } = await filed.event("processes could not be ended", { job: "held" });
      assert.match(String(properties.processes), /^\d+ \(dd\)$/);
      hanging.fs.end();
      await filed.event("processes that could not be ended are gone", { job: "held" });
    }
    assertHarmless(await readsIn(trace), 4);
  },
);
