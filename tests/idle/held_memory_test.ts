import assert from "node:assert/strict";
import { took } from "../proc.ts";
import { serveHanging, startHolder } from "../fuse/hanging.ts";
import { within } from "../harness.ts";
import { KILLING_MS } from "../../src/run/messages.ts";
import { Workshop } from "../worker/workshop.ts";

/** What another user's job may take to start, and an executor to end, on a machine that has time for it. */
const START_MS = 1_000;
const STOP_MS = KILLING_MS + 1_000;
const ATTACKER = { uid: 3_999_997, gid: 3_999_997 };
const OTHER = { uid: 3_999_998, gid: 3_999_998 };

for (const cgroups of ["used", "unused"] as const) {
  Deno.test({
    name: `a process that holds its own memory delays no other user's job, and no stop, cgroups ${cgroups}`,
    ignore: Deno.uid() !== 0,
    fn: async () => {
      await using workshop = new Workshop({ cgroups });
      await using hanging = await serveHanging();
      await workshop.fifos("up", "never");
      const bait = workshop.start("trap '' TERM; echo > $DIR/up; while :; do read x < $DIR/never; done", {
        runAs: ATTACKER,
      });
      await workshop.read("up");
      {
        await using _holder = await startHolder(hanging, ATTACKER.uid);
        workshop.executor.end(bait.token, 0);
        const startMs = await took(() =>
          within("its end", () => workshop.start(":", { runAs: OTHER }).ended.promise)
        );
        assert.ok(startMs < START_MS, `${startMs} ms`);
        const stopMs = await took(() => within("the stop", () => workshop.executor[Symbol.asyncDispose]()));
        assert.ok(stopMs < STOP_MS, `${stopMs} ms`);
      }
      assert.deepEqual(workshop.processes(), []);
    },
  });
}
