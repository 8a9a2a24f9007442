import assert from "node:assert/strict";
import { isKnownGroup } from "./group.ts";

Deno.test("isKnownGroup() tells the groups of the group database from other numbers", () => {
  assert.equal(isKnownGroup(0), true);
  assert.equal(isKnownGroup(3_999_998), false);
});
