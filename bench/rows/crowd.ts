/**
 * Measures how long a job takes from its submission to its end, `:`, when 15 that ignore SIGTERM were removed
 * just before: with 6,000 idle processes around, and against none around.
 *
 * The limit: none. Where there are cgroups, filed looks at no process that is not of a job.
 */
import { spreadOf } from "../pairs.ts";
import { isThere, pause, type Rig, run } from "../rig.ts";
import { compare, measured, type Row } from "../row.ts";

const JOBS = 15;
/** What the crowd may add, ms. */
const DELAY_MS = 500;

export async function* crowd(rig: Rig): AsyncGenerator<Row> {
  const count = rig.size(6_000, 1_000);
  const pairs = await rig.alternate(() => endBeside(rig, count), () => endBeside(rig, 0), rig.size(3, 2));
  const what = `a job while ${JOBS} are ended, ${count} idle processes around`;
  yield compare(what, "ms", "none around", pairs, { atMost: 5 });
  const delayMs = spreadOf(pairs.filed).median - spreadOf(pairs.reference).median;
  yield measured("what these add", "ms", [delayMs], { atMost: DELAY_MS });
}

async function endBeside(rig: Rig, count: number): Promise<number> {
  await using filed = await rig.start({ config: { max_job_count: JOBS + 1 } });
  const up = await rig.directory("up");
  for (let job = 0; job < JOBS; job++) {
    const command = `trap '' TERM; : > ${up}/${job}; while :; do sleep 60; done`;
    await Deno.writeTextFile(`${filed.mount}/pending/stubborn-${job}`, command);
  }
  for (let job = 0; job < JOBS; job++) while (!await isThere(`${up}/${job}`)) await pause(1);
  await using _idle = await startIdle(count); // Younger than the jobs: it could be theirs.
  await run(["sh", "-c", 'rm "$1"/active/*', "sh", filed.mount]);
  const startedAt = performance.now();
  await Deno.writeTextFile(`${filed.mount}/pending/other`, ":");
  while (!await isThere(`${filed.mount}/complete/other`)) await pause(1);
  return performance.now() - startedAt;
}

const FORK = `
import os, signal, sys
try:
    for _ in range(int(sys.argv[1])):
        if os.fork() == 0:
            signal.pause()
            os._exit(0)
    print("up", flush=True)
    sys.stdin.read()
finally:
    os.killpg(0, signal.SIGKILL)
`;

/** So many processes, which end when they are disposed of. */
async function startIdle(count: number): Promise<AsyncDisposable> {
  const args = ["python3", "-c", FORK, String(count)];
  const child = new Deno.Command("setsid", { args, stdin: "piped", stdout: "piped" }).spawn();
  const output = child.stdout.getReader();
  await output.read();
  return {
    async [Symbol.asyncDispose]() {
      await child.stdin.close();
      await output.cancel();
      await child.status;
    },
  };
}
