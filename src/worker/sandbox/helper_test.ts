import assert from "node:assert/strict";
import { Reactor } from "../reactor.ts";
import { Helper } from "./helper.ts";

for (const [script, hasSucceeded] of [["exit 0", true], ["exit 1", false], ["kill -9 $$", false]] as const) {
  Deno.test(`a helper that does ${script} tells so, and to kill it then does nothing`, async () => {
    await using reactor = new Reactor();
    const helper = new Helper([script], undefined, reactor);
    assert.equal(await helper.succeeded, hasSucceeded);
    helper.kill();
  });
}

Deno.test("a helper that waits for ever can be killed", async () => {
  await using reactor = new Reactor();
  const helper = new Helper(["exec sleep 60"], undefined, reactor);
  helper.kill();
  assert.equal(await helper.succeeded, false);
});
