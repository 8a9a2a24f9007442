/** Users who want more of a queue than their shares. contract/shares_test.ts has each way by itself. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { Filed, ok, Place, rootTest, run } from "../harness.ts";
import { User } from "../users.ts";

const GREEDY = new URL("greedy.py", import.meta.url).pathname;
const PROCESSES = 4;
const PENDING = 40;
const LIVES = 4;
/** Of the other user, in each life of the daemon. */
const JOBS = 8;
const SETTINGS = {
  max_job_count: 8,
  max_job_count_per_user: 2,
  max_pending_per_user: PENDING,
  max_attempts: 1, // A retry passes.
};

rootTest(
  "a user who tries everything at once has no more than the share, and others run, whatever ends filed",
  async () => {
    const seed = Date.now() % 1_000_000;
    await using place = await Place.make();
    await using ann = await User.in(place.path);
    await using bob = await User.in(place.path);
    const shared = `${place.path}/shared`;
    await Deno.mkdir(shared);
    await Deno.chmod(shared, 0o777);
    const stop = `${shared}/stop`;
    const second = `${place.path}/second`;
    await Deno.mkdir(second);
    // Who finds both locks taken is a third that runs. They go with their processes, whatever ends those.
    const taken = `flock -n -E 99 ${shared}/1 sleep .01 || [ $? != 99 ]`;
    const job = `${taken} || ${taken.replace("/1", "/2")} || echo $$ >> ${shared}/over`;

    const program = `${shared}/greedy.py`;
    await Deno.copyFile(GREEDY, program); // Nobody else may look into the home of root.

    await using first = await Filed.start(place, { config: SETTINGS });
    await first.admitAll();
    await ok(first.sh("chmod 1777 $M/complete"));
    const greedy = Array.from({ length: PROCESSES }, (_, index) => {
      const [command = "", ...args] = [
        ...ann.prefix,
        "python3",
        program,
        String(seed + index),
        stop,
        job,
        String(bob.uid),
      ];
      return new Deno.Command(command, {
        args: [...args, first.mount, second],
        stdin: "null",
        stdout: "piped",
        stderr: "inherit",
        env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
      }).spawn();
    });
    let most = 0;
    for (let life = 0; life < LIVES; life++) {
      await using filed = life === 0 ? first : await Filed.start(place);
      await ok(run(["mount", "--bind", filed.mount, second]));
      for (let index = 0; index < JOBS; index++) {
        const id = `bob-${life}-${index}`;
        await ok(filed.sh(`echo true > $M/pending/${id}`, { user: bob.name }));
        most = Math.max(most, pendingOf(filed, ann));
        await filed.finished(id);
        most = Math.max(most, pendingOf(filed, ann));
      }
      if (life === LIVES - 1) {
        await Deno.writeTextFile(stop, "");
        const refused = await Promise.all(greedy.map(async (child) => {
          const { success, stdout } = await child.output();
          assert.ok(success);
          return Number(JSON.parse(new TextDecoder().decode(stdout)).EDQUOT);
        }));
        assert.ok(refused.every((count) => count > 0), `SEED=${seed}: ${refused}`);
        await assertCountIsRight(filed, ann);
      }
      await filed.stop(life === LIVES - 1 ? "SIGTERM" : "SIGKILL");
      await ok(run(["umount", "-l", second]));
    }
    assert.ok(most > PENDING / 2 && most <= PENDING, `SEED=${seed}: ${most} were in pending/`);
    const over = await Deno.readTextFile(`${shared}/over`).catch(() => "");
    assert.equal(over, "", `SEED=${seed}: more ran at once`);
  },
);

/** What a user has in pending/, at one moment: a listing takes several requests. */
function pendingOf(filed: Filed, { uid }: User): number {
  using database = new DatabaseSync(filed.state, { readOnly: true });
  const count = database.prepare("SELECT count(*) AS jobs FROM jobs WHERE state = 'pending' AND uid = ?");
  return count.get(uid)?.jobs as number;
}

/** What was counted all the while is what is there: exactly the rest of the share is left. */
async function assertCountIsRight(filed: Filed, ann: User): Promise<void> {
  await filed.configure({ max_job_count: 0 });
  const script = `cd $M/pending; for i in $(seq ${2 * PENDING}); do : 2> /dev/null > new$i; done`;
  await filed.sh(script, { user: ann.name });
  assert.equal(pendingOf(filed, ann), PENDING);
}
