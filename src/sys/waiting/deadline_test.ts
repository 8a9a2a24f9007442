import assert from "node:assert/strict";
import { exists } from "../files/file.ts";
import { atMost, LateError, outputWithin, withinMs } from "./deadline.ts";

const never = () => new Promise<never>(() => {});

Deno.test("atMost() says whether it came in time", async () => {
  assert.equal(await atMost(60_000, Promise.resolve()), true);
  assert.equal(await atMost(1, never()), false);
});

Deno.test("withinMs() gives the answer or its error, and is late if there is none", async () => {
  assert.equal(await withinMs(60_000, Promise.resolve(7)), 7);
  await assert.rejects(withinMs(60_000, Promise.reject(new TypeError("x"))), TypeError);
  await assert.rejects(withinMs(1, never()), LateError);
});

Deno.test("outputWithin() gives what a child prints", async () => {
  const { stdout } = await outputWithin(60_000, new Deno.Command("echo", { args: ["up"], stdout: "piped" }));
  assert.equal(new TextDecoder().decode(stdout), "up\n");
});

Deno.test({
  name: "outputWithin() kills a child that is late",
  sanitizeOps: false, // Nobody waits for its end.
  sanitizeResources: false,
  fn: async () => {
    const path = await Deno.makeTempFile();
    const args = ["-c", 'echo $$ > "$1"; exec sleep 1000', "sh", path];
    await assert.rejects(outputWithin(500, new Deno.Command("sh", { args })), LateError);
    const pid = (await Deno.readTextFile(path)).trim();
    const isAlive = () => exists(`/proc/${pid}/fd/0`); // A zombie has none.
    while (isAlive()) await new Promise((resolve) => setTimeout(resolve, 1));
    await Deno.remove(path);
  },
});
