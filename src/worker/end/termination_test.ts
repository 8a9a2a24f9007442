import assert from "node:assert/strict";
import type { Members } from "./member.ts";
import { Termination } from "./termination.ts";

/** A process that nothing ends. */
const MEMBERS: Members = {
  find: () => Promise.resolve([{ pid: 7, groupId: 7, key: "7", startedAt: 0 }]),
  isUncertain: false,
  areLeft: () => true,
  still: (members) => [...members],
  now: () => 1,
  signal() {},
  nameOf: () => "stuck",
};

Deno.test("the time that SIGKILL has can become less after it was sent", async () => {
  const termination = new Termination({ members: MEMBERS, group: undefined, cgroup: undefined }, 0, 60_000);
  const survivors = termination.run();
  setTimeout(() => termination.hurry(60_000, 100), 20);
  assert.deepEqual(await survivors, [{ pid: 7, name: "stuck" }]);
});
