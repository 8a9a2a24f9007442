import assert from "node:assert/strict";
import { ErrnoError } from "../errno.ts";
import { freeBytes } from "./free_space.ts";

Deno.test("freeBytes() is what df shows", async () => {
  const args = ["--output=avail,size", "-B1", "."];
  const { stdout } = await new Deno.Command("df", { args }).output();
  const [avail, size] = new TextDecoder().decode(stdout).split("\n")[1]?.trim().split(/ +/).map(Number) ?? [];
  const free = freeBytes(".");
  assert.ok(Math.abs(free - (avail as number)) < (size as number) / 10, `${free}, ${avail}`); // Others write too.
});

Deno.test("freeBytes() of what is not there is ENOENT", () => {
  assert.throws(
    () => freeBytes("/nowhere/at/all"),
    (error) => error instanceof ErrnoError && error.is("ENOENT"),
  );
});
