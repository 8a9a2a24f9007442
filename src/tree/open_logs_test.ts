import assert from "node:assert/strict";
import type { Ended, Job } from "../job/job.ts";
import type { QueueEvent, QueueListener } from "../queue/events.ts";
import type { Queue } from "../queue/queue.ts";
import { inodeOf } from "./node_ids.ts";
import { OpenLogs } from "./open_logs.ts";

const NUMBER = 7;
const failed = (ordinal: number) =>
  ({ number: NUMBER, id: "x", state: "failed", ordinal, log: { ordinal } }) as Ended;
const pending = (ordinal: number) => ({ number: NUMBER, id: "x", state: "pending", ordinal }) as Job;

/** The logs of a queue that has the job, until it is removed. */
function start() {
  let tell: QueueListener = () => {};
  let isThere = true;
  let kept = 0;
  const queue = {
    subscribe: (listener: QueueListener) => void (tell = listener),
    byNo: () => Promise.resolve(isThere ? failed(1) : undefined),
    retainLog: () => {
      kept++;
      return { [Symbol.asyncDispose]: () => Promise.resolve(void kept--) };
    },
  };
  const logs = new OpenLogs(queue as unknown as Queue);
  return {
    logs,
    kept: () => kept,
    moved: (before: Job, job: Job) => tell({ kind: "moved", before, job, replaced: undefined }),
    gone: (event: QueueEvent) => {
      isThere = false;
      tell(event);
    },
  };
}

const SHARED = inodeOf(NUMBER, 0);
const GONE: [string, QueueEvent][] = [
  ["removed", { kind: "removed", job: failed(2) }],
  ["removed from pending/", { kind: "removed", job: pending(2) }],
  ["replaced", {
    kind: "moved",
    before: { ...failed(1), number: 8 },
    job: { ...failed(1), number: 8 },
    replaced: failed(2),
  }],
];

Deno.test("a log that a withdrawal begins has the job's inode number, unless somebody has an earlier one open", () => {
  const { logs, moved } = start();
  moved(pending(0), failed(1));
  assert.equal(logs.inode(NUMBER, 1), SHARED);
  logs.open(failed(1), 1);
  moved(failed(1), pending(1));
  assert.equal(logs.inode(NUMBER, 1), SHARED);
  moved(pending(1), failed(2));
  assert.deepEqual([logs.inode(NUMBER, 1), logs.inode(NUMBER, 2)], [SHARED, inodeOf(NUMBER, 2)]);
});

for (const [how, event] of GONE) {
  Deno.test(`nothing is known of the logs of a job that is ${how}, once nobody reads one`, async () => {
    for (const order of ["closed before", "closed after"]) {
      const { logs, kept, moved, gone } = start();
      const readers = [logs.open(failed(1), 1)];
      moved(pending(1), failed(2));
      readers.push(logs.open(failed(2), 1));
      const close = async () => {
        for (const reader of readers) await reader.release?.();
      };
      if (order === "closed before") await close();
      assert.equal(logs.inode(NUMBER, 2), inodeOf(NUMBER, 2));
      gone(event);
      if (order === "closed after") {
        assert.equal(logs.inode(NUMBER, 2), inodeOf(NUMBER, 2), "who has it open sees it still");
        await close();
      }
      assert.deepEqual([logs.inode(NUMBER, 2), logs.byNo(NUMBER, 2), kept()], [SHARED, undefined, 0]);
    }
  });
}
