import assert from "node:assert/strict";
import type { Job, Queue } from "../queue/queue.ts";
import { Accounts } from "./accounts.ts";
import { OpenCommands } from "./open_commands.ts";

const JOB = { number: 1, id: "x", state: "pending", uid: 1, commandBytes: 0 } as Job;

Deno.test("a job that is open again is not let go because an earlier try to do so failed", async () => {
  const releases: PromiseWithResolvers<void>[] = [];
  const secondRelease = Promise.withResolvers<"let go">();
  const queue = {
    hold: () => Promise.resolve(JOB),
    command: () => Promise.resolve(new Uint8Array()),
    release: () => {
      if (releases.push(Promise.withResolvers<void>()) === 2) secondRelease.resolve("let go");
      return releases.at(-1)?.promise;
    },
  } as unknown as Queue;
  using commands = new OpenCommands(queue, () => 0, new Accounts());
  const first = await commands.open(JOB, 1, "write", "keep");
  const released = commands.release(first);
  while (releases.length === 0) await Promise.resolve();
  await commands.open(JOB, 1, "write", "keep");
  releases[0]?.reject(new Error("no room"));
  await released;
  const { promise: later, resolve } = Promise.withResolvers<"held">();
  const timer = setTimeout(() => resolve("held"), 1_500); // Past the time of the next try.
  assert.equal(await Promise.race([secondRelease.promise, later]), "held");
  clearTimeout(timer);
});
