/** A user who wants more for a job than the caps. contract/caps_test.ts has each way by itself. */
import assert from "node:assert/strict";
import { Filed, ok, Place, rootTest, run, until } from "../harness.ts";
import { User } from "../users.ts";

const GREEDY = new URL("greedy.py", import.meta.url).pathname;
const PROCESSES = 4;
const LOOSE = { nice: 0, max_open_files: 200, at_most: { priority: 9, max_attempts: 3 } };
const STRICT = { nice: 5, max_open_files: 64, at_most: { priority: 0, max_attempts: 1 } };
/** Jobs that have started when the caps are tightened, and are watched from then on. */
const STARTS = 100;

rootTest(
  "whatever a user tries, no job starts with more than the caps that config.json has by then",
  async () => {
    const seed = Date.now() % 1_000_000;
    await using place = await Place.make();
    await using ann = await User.in(place.path);
    const shared = `${place.path}/shared`;
    await Deno.mkdir(shared);
    await Deno.chmod(shared, 0o777);
    const [stop, strict, over, second] = ["stop", "strict", "over", "second"].map((name) =>
      `${shared}/${name}`
    ) as [
      string,
      string,
      string,
      string,
    ];
    await Deno.mkdir(second);
    const program = `${shared}/greedy.py`;
    await Deno.copyFile(GREEDY, program); // Nobody else may look into the home of root.
    const seen =
      `n=$(nice) o=$(ulimit -n); [ ! -e ${strict} ] || [ $n -ge 5 -a $o -le 64 -a $FILED_ATTEMPT -le 2 ]`;
    const job =
      "#filed {nice=0|nice=5|nice=9|# |max_log_bytes=1k} {max_open_files=64|max_open_files=150|nice=7}\n" +
      "#filed {priority=9|priority=0|priority=-3} {max_attempts=1|max_attempts=3|backoff_mult=1}\n" +
      `${seen} || echo $n $o $FILED_ATTEMPT >> ${over}\n{true|false}`;

    await using filed = await Filed.start(place, { config: { ...LOOSE, max_attempts: 1, backoff_base: 0 } });
    await filed.admitAll();
    await ok(filed.sh("chmod 1777 $M/complete $M/failed"));
    await ok(run(["mount", "--bind", filed.mount, second]));
    const greedy = Array.from({ length: PROCESSES }, (_, index) => {
      const [command = "", ...args] = [
        ...ann.prefix,
        "python3",
        program,
        String(seed + index),
        stop,
        job,
        "0",
      ];
      return new Deno.Command(command, {
        args: [...args, filed.mount, second],
        stdin: "null",
        stdout: "piped",
        stderr: "inherit",
        env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
      }).spawn();
    });
    await filed.events("attempt started", {}, STARTS);
    await filed.configure({ ...STRICT, max_job_count: 0 });
    await until("none runs that has started before", async () => (await filed.list("active")).length === 0);
    await Deno.writeTextFile(strict, "");
    await filed.configure({ max_job_count: 20 });
    await filed.events("attempt started", {}, filed.log.filter(isStart).length + STARTS);
    await Deno.writeTextFile(stop, "");
    for (const child of greedy) {
      const { success, stdout } = await child.output();
      assert.ok(success);
      assert.ok(JSON.parse(new TextDecoder().decode(stdout)).EPERM > 0, `SEED=${seed}`);
    }
    await filed.stop();
    await ok(run(["umount", "-l", second]));
    assert.equal(
      await Deno.readTextFile(over).catch(() => ""),
      "",
      `SEED=${seed}: nice, open files, attempt`,
    );
  },
);

function isStart({ message }: { message: string }): boolean {
  return message === "attempt started";
}
