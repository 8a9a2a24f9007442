import assert from "node:assert/strict";
import { environ } from "./environ.ts";

const text = (entry: Uint8Array) => new TextDecoder().decode(entry);

Deno.test("environ() is the environment as it is now", () => {
  const name = `FILED_TEST_${Deno.pid}`;
  Deno.env.set(name, "two  words\nand é");
  assert.ok(environ().map(text).includes(`${name}=two  words\nand é`));
  Deno.env.delete(name);
  assert.equal(environ().map(text).some((entry) => entry.startsWith(name)), false);
  const names = environ().map((entry) => text(entry).split("=")[0]);
  assert.deepEqual(names.sort(), Object.keys(Deno.env.toObject()).sort());
});
