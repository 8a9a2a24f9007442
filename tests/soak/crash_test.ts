/** The short form of `make soak`: anything at any time; contract/crash_test.ts has single crashes. */
import assert from "node:assert/strict";
import { type Figures, soak } from "./soak.ts";

const KILLS = 12;

Deno.test(`a filed that is killed ${KILLS} times under load keeps its promises`, async () => {
  const seed = Date.now() % 1_000_000;
  const faults: string[] = [];
  const figures: Figures = await soak({ seed, kills: KILLS, onFault: (fault) => faults.push(fault) });
  assert.deepEqual(faults, [], `SEED=${seed}`);
  assert.ok(figures.runs > 0);
});
