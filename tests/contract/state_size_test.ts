/** The size of the state file. */
import assert from "node:assert/strict";
import { Filed, Place, until } from "../harness.ts";

const LOG_BYTES = 12_000_000;
/** What is kept free for what comes next, and more. */
const SMALL_BYTES = 6_000_000;

Deno.test("the room of removed jobs leaves the state file, while nothing else is to be done", async () => {
  await using place = await Place.make();
  {
    await using filed = await Filed.start(place);
    await filed.finish("x", `head -c ${LOG_BYTES} /dev/zero | tr '\\0' x`);
    await Deno.remove(`${filed.mount}/complete/x`);
    await filed.stop();
    assert.ok((await Deno.stat(filed.state)).size > LOG_BYTES);
  }
  await using filed = await Filed.start(place);
  await until("a small state file", async () => (await Deno.stat(filed.state)).size < SMALL_BYTES);
});
