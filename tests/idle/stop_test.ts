/** A daemon under full load ends when it is told to. */
import assert from "node:assert/strict";
import { Filed, mountsBelow, ok, Place, run } from "../harness.ts";
import { stalledMs } from "../proc.ts";
import { Crowd, IDS } from "../soak/crowd.ts";

const IS_ROOT = Deno.uid() === 0;
/** What a stop may take beyond its grace, on a machine that has time for it. */
const STOP_MS = 2_000;

interface Stop {
  graceSec: number;
  /** Of the grace, how much passes. */
  waitedSec: number;
  act(filed: Filed): unknown;
}

const STOPS: Record<string, Stop> = {
  "SIGTERM": { graceSec: 1, waitedSec: 1, act: (filed) => filed.signal("SIGTERM") },
  "a second signal": {
    graceSec: 1_000,
    waitedSec: 0,
    async act(filed) {
      filed.signal("SIGTERM");
      await filed.event("waiting for jobs");
      filed.signal("SIGINT");
    },
  },
  "umount -l": {
    graceSec: 1,
    waitedSec: 1,
    act: (filed) => ok(run(IS_ROOT ? ["umount", "-l", filed.mount] : ["fusermount3", "-uz", filed.mount])),
  },
};

for (const [what, { graceSec, waitedSec, act }] of Object.entries(STOPS)) {
  Deno.test(`under full load ${what} ends filed in time, unmounted, with all that ran queued again`, async () => {
    await using place = await Place.make();
    await using crowd = await Crowd.gather(place, graceSec);
    const { filed } = crowd;
    const [toldAt, stalledBefore] = [performance.now(), await stalledMs()];
    await act(filed);
    const { code, signal } = await filed.ended();
    const tookMs = performance.now() - toldAt - (await stalledMs() - stalledBefore);
    assert.deepEqual({ code, signal, words: filed.words }, { code: 0, signal: null, words: [] });
    assert.deepEqual(await mountsBelow(place.path), []);
    assert.deepEqual(await crowd.processes(), []);
    assert.ok(tookMs <= waitedSec * 1_000 + STOP_MS, `it took ${tookMs} ms`);
    await Deno.writeTextFile(`${place.path}/again`, "");
    await using next = await Filed.start(place);
    for (const id of IDS) assert.match(await next.finished(id), /\nattempt 1\n$/);
    assert.deepEqual(await next.list("pending"), ["open"]);
  });
}
