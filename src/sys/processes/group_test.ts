import assert from "node:assert/strict";
import { groupsOf, isKnownGroup } from "./group.ts";

Deno.test("isKnownGroup() tells the groups of the group database from other numbers", async () => {
  assert.equal(await isKnownGroup(0), true);
  assert.equal(await isKnownGroup(3_999_998), false);
});

Deno.test("groupsOf() agrees with id(1)", async () => {
  const { stdout } = await new Deno.Command("id", { args: ["-G", "root"] }).output();
  const expected = new TextDecoder().decode(stdout).trim().split(" ").map(Number);
  assert.deepEqual((await groupsOf("root", 0)).toSorted(), expected.toSorted());
});
