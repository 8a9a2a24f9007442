import type { Job } from "../job/job.ts";
import assert from "node:assert/strict";
import type { QueueListener } from "../queue/events.ts";
import type { Queue } from "../queue/queue.ts";
import { Accounts } from "./accounts.ts";
import { OpenJobs } from "./open_jobs.ts";
import { Refusals } from "./refusals.ts";

const [ANN, BOB] = [1_001, 1_002];
const JOB = { number: 1, file: 1, id: "x", state: "pending", uid: ANN, commandBytes: 0 } as Job;
const WRITE = { access: "write", contents: "keep", mayMap: false } as const;

/** A queue that has JOB, whose releases end as `release` says. @param listeners Who subscribes. */
function queueWith(release: () => Promise<void>, listeners: QueueListener[] = []): Queue {
  const answers = {
    subscribe: (listener: QueueListener) => void listeners.push(listener),
    hold: () => Promise.resolve(JOB),
    byFile: () => Promise.resolve(JOB),
    command: () => Promise.resolve(new Uint8Array()),
    release,
  };
  return answers as unknown as Queue;
}

function openJobs(queue: Queue, accounts = new Accounts()): OpenJobs {
  return new OpenJobs(queue, accounts, () => 0, new Refusals(accounts, 0, () => 0));
}

Deno.test("a job that is open again is not let go because an earlier try to do so failed", async () => {
  const releases: PromiseWithResolvers<void>[] = [];
  const secondRelease = Promise.withResolvers<"let go">();
  const queue = queueWith(() => {
    const release = Promise.withResolvers<void>();
    if (releases.push(release) === 2) secondRelease.resolve("let go");
    return release.promise;
  });
  using jobs = openJobs(queue);
  const first = await jobs.open(JOB, ANN, WRITE);
  const released = first.release();
  while (releases.length === 0) await Promise.resolve();
  await jobs.open(JOB, ANN, WRITE);
  releases[0]?.reject(new Error("no room"));
  await released;
  const { promise: later, resolve } = Promise.withResolvers<"held">();
  const timer = setTimeout(() => resolve("held"), 1_500); // Past the time of the next try.
  assert.equal(await Promise.race([secondRelease.promise, later]), "held");
  clearTimeout(timer);
});

Deno.test("a job that is open for writing when it arrives in pending/ is let go by its close, not before", async () => {
  let releases = 0;
  const accounts = new Accounts();
  const listeners: QueueListener[] = [];
  const queue = queueWith(() => Promise.resolve(void releases++), listeners);
  using jobs = openJobs(queue, accounts);
  const handle = await jobs.open(JOB, BOB, WRITE);
  const before = { ...JOB, state: "failed" } as Job;
  for (const listener of listeners) listener({ kind: "moved", job: JOB, before, replaced: undefined });
  const { promise: later, resolve } = Promise.withResolvers<void>();
  setTimeout(resolve, 300); // Past the time that one waits which nobody has open.
  await later;
  assert.deepEqual([releases, accounts.of(ANN).heldJobs], [0, 1]);
  await handle.release();
  assert.deepEqual([releases, accounts.users], [1, []]);
});

Deno.test("who has a job open that is removed keeps its content, and holds it no more", async () => {
  const accounts = new Accounts();
  const listeners: QueueListener[] = [];
  using jobs = openJobs(queueWith(() => Promise.resolve(), listeners), accounts);
  const handle = await jobs.open(JOB, BOB, WRITE);
  for (const listener of listeners) listener({ kind: "removed", job: JOB });
  assert.deepEqual([jobs.file(JOB.file), jobs.removedFile(JOB.file)], [undefined, handle.file]);
  assert.equal(accounts.of(ANN).heldJobs, 0);
  await handle.release();
  assert.deepEqual([jobs.removedFile(JOB.file), accounts.users], [undefined, []]);
});
