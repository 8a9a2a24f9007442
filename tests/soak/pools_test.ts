/**
 * Jobs that want slots and locks, while pools change and filed is killed: no two ever have the same slot, or the
 * same lock of one owner, at a time. FILED_MODEL_SEED says which jobs.
 */
import assert from "node:assert/strict";
import { Filed, ok, Place, rootTest, run, until } from "../harness.ts";
import { Random } from "./random.ts";

/** Users that every Debian has. */
const USERS = ["root", "daemon", "bin"] as const;
const SIZES = { gpu: 3, api: 2 } as const;
const STARTS = 4;
const JOBS_A_START = 60;

/**
 * Takes a lock of the file system for each slot that the job has, and for its own lock, which must all be free:
 * the kernel gives one back when the last process is gone that has it open.
 */
function textOf(random: Random, folder: string): string {
  const wants = Object.entries(SIZES).filter(() => random.chance(0.5))
    .map(([pool, size]) => `${pool}:${random.between(1, size)}`);
  const lock = random.pick(["", "", "l", "m"]);
  const asks = [
    `priority=-${random.below(2)}`,
    ...wants.length > 0 ? [`use=${wants.join(",")}`] : [],
    ...lock === "" ? [] : [`lock=${lock}`],
  ];
  return `#filed ${asks.join(" ")}
cd ${folder} && fd=3 IFS=,
hold() { eval "exec $fd>>$1"; flock -n $fd || echo "$FILED_JOB_ID: $1" >> violations; fd=$((fd + 1)); }
for slot in $FILED_POOL_gpu; do hold gpu.$slot; done
for slot in $FILED_POOL_api; do hold api.$slot; done
${lock === "" ? "" : `hold ${lock}.$(id -u)`}
sleep ${random.between(5, 40) / 1_000}
`;
}

rootTest(
  "no two jobs have a slot or a lock at a time, whatever changes and is killed meanwhile",
  async () => {
    const random = new Random(Number(Deno.env.get("FILED_MODEL_SEED") ?? 1));
    await using place = await Place.make();
    const folder = `${place.path}/work`;
    await Deno.mkdir(folder);
    await Deno.chmod(place.path, 0o711);
    await Deno.chmod(folder, 0o1777);
    const files = Object.entries(SIZES).flatMap(([pool, size]) =>
      Array.from({ length: size }, (_, slot) => `${pool}.${slot}`)
    );
    const locks = "for u in 0 $(id -u daemon) $(id -u bin); do touch l.$u m.$u; done";
    await ok(
      run(["sh", "-c", `cd ${folder} && touch violations ${files.join(" ")} && ${locks} && chmod 666 *`]),
    );
    let jobs = 0;
    for (let start = 1; start <= STARTS; start++) {
      await using filed = await Filed.start(place);
      await filed.configure({ pools: SIZES, max_attempts: 100, backoff_base: 0, max_job_count: 20 });
      for (let i = 0; i < JOBS_A_START; i++) {
        await submit(filed, `j${jobs++}`, textOf(random, folder), random.pick(USERS));
        if (random.chance(0.15)) await disturb(filed, random);
      }
      await filed.configure({ pools: SIZES });
      if (start < STARTS) await filed.stop("SIGKILL");
      else await until("all is done", async () => (await filed.list("complete")).length === jobs);
    }
    assert.equal(await Deno.readTextFile(`${folder}/violations`), "");
  },
);

async function submit(filed: Filed, id: string, text: string, user: string): Promise<void> {
  const draft = `${filed.mount}/pending/.${id}`;
  await Deno.writeTextFile(draft, text);
  await ok(filed.sh(`chown ${user} ${draft}`));
  const rename = () => Deno.rename(draft, `${filed.mount}/pending/${id}`);
  await rename().catch(async () => { // It wants more than there is now.
    await filed.configure({ pools: SIZES });
    await rename();
  });
}

/** Sets other sizes, and does something to a job that waits, unless it has just started. */
async function disturb(filed: Filed, random: Random): Promise<void> {
  const sizes = Object.entries(SIZES).map(([pool, size]) => [pool, random.between(0, size)]);
  const [waiting] = await filed.list("pending");
  if (waiting !== undefined) {
    const path = `$M/pending/${waiting}`;
    const how = random.pick([
      `mv ${path} $M/failed/ && mv $M/failed/${waiting} $M/pending/`,
      `chown bin ${path}`,
      `touch ${path}`,
    ]);
    await filed.sh(how);
  }
  await filed.configure({ pools: Object.fromEntries(sizes) });
}
