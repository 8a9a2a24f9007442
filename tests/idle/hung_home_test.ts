/** What one user's directories keep waiting: nobody but that user. */
import assert from "node:assert/strict";
import { Filed, ok, rootTest, startFiled, within } from "../harness.ts";
import { HungMount } from "../hung_mount.ts";
import { User } from "../users.ts";
import { STOP_MS } from "../contract/expect.ts";

/** Below what any wait for a directory that does not answer would take. */
const SOON_MS = 1_000;
const [OTHER, OTHER_UID] = ["daemon", 1] as const;

for (const config of [{}, { max_memory_mb: 500 }]) {
  const what = `${Object.keys(config)}` || "no limit";
  rootTest(
    `a home that does not answer keeps neither others' jobs nor a stop waiting, with ${what}`,
    async () => {
      await using filed = await startFiled({ config });
      const home = `${filed.place.path}/home`;
      await Deno.mkdir(home);
      await filed.admitAll();
      await using user = await User.at(home);
      {
        await using hung = await HungMount.make(home, user.uid);
        await ok(filed.sh("echo 'echo waiting' > $M/pending/bait", { user: user.name }));
        await hung.asked(); // The job's process waits for its home.
        const before = performance.now();
        await ok(filed.sh("echo 'echo started' > $M/pending/other", { user: OTHER }));
        assert.match(await filed.finished("other"), /\nstarted\n/);
        await ok(filed.sh("echo id -u > $M/pending/.given"));
        await ok(filed.sh(`chown ${OTHER} $M/pending/.given && mv $M/pending/.given $M/pending/given`));
        assert.match(await filed.finished("given"), new RegExp(`\n${OTHER_UID}\n`));
        assert.ok(performance.now() - before < 2 * SOON_MS);
        const stopping = performance.now();
        await within("the stop", () => filed.stop());
        assert.ok(performance.now() - stopping < STOP_MS, `${performance.now() - stopping} ms`);
        // What waits holds neither the mount nor the state file.
        await using next = await Filed.start(filed.place);
        assert.match(await next.finish("next", "echo again"), /\nagain\n/);
      }
    },
  );
}
