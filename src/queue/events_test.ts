import assert from "node:assert/strict";
import type { Active, Ended, Job, Pending } from "../job/job.ts";
import type { State } from "../job/state.ts";
import { abandonedRun, changedStates, Listeners, mayAllowStart, type QueueEvent } from "./events.ts";

const FACTS = {
  number: 1,
  file: 1,
  id: "a",
  commandBytes: 1,
  asks: {},
  attempts: 1,
  ordinal: 1,
  uid: 1,
  gid: 1,
  mode: 0o600,
  foreignWriter: null,
  createdAt: 0,
  writtenAt: 0,
  changedAt: 0,
  accessedAt: null,
};
const LOG = { ordinal: 1, bytes: 0, writtenAt: 0 };
const pending: Pending = {
  ...FACTS,
  state: "pending",
  turn: 1,
  visibleAt: null,
  deadlineAt: null,
  isEmpty: false,
  blocked: 0,
  held: false,
};
const held: Pending = { ...pending, held: true };
const active: Active = { ...FACTS, state: "active", run: "run", log: LOG };
const complete: Ended = { ...FACTS, state: "complete", log: LOG };
const failed: Ended = { ...FACTS, state: "failed", log: LOG };
const SUCCESS = { kind: "exited", status: 0 } as const;

const moved = (before: Job, job: Job): QueueEvent => ({ kind: "moved", before, job, replaced: undefined });
const ended = (job: Job | undefined): QueueEvent => ({ kind: "ended", job, run: "run", ending: SUCCESS });

interface Expected {
  states: State[];
  mayAllowStart: boolean;
  abandoned?: string;
}

const CASES: [name: string, event: QueueEvent, expected: Expected][] = [
  ["a job that was created, held", { kind: "created", job: held }, {
    states: ["pending"],
    mayAllowStart: false,
  }],
  ["a job that was let go", { kind: "released", file: 1 }, { states: [], mayAllowStart: true }],
  ["a job that was started", { kind: "started", job: active, run: "run" }, {
    states: ["pending", "active"],
    mayAllowStart: false,
  }],
  ["an attempt that succeeded", ended(complete), { states: ["active", "complete"], mayAllowStart: false }],
  ["an attempt that failed for good", ended(failed), { states: ["active", "failed"], mayAllowStart: false }],
  ["an attempt that failed, of a job that waits", ended(pending), {
    states: ["active", "pending"],
    mayAllowStart: true,
  }],
  ["an attempt that ended after its job was taken", ended(undefined), { states: [], mayAllowStart: true }],
  ["an attempt that was put back", { kind: "put-back", job: pending, run: "run" }, {
    states: ["active", "pending"],
    mayAllowStart: true,
  }],
  ["an attempt that was put back after its job was taken", { kind: "put-back", job: undefined, run: "run" }, {
    states: [],
    mayAllowStart: true,
  }],
  ["the last process of a run that is gone", { kind: "gone", run: "run" }, {
    states: [],
    mayAllowStart: true,
  }],
  ["a job that was renamed", moved(pending, { ...pending, id: "b" }), {
    states: ["pending", "pending"],
    mayAllowStart: true,
  }],
  ["a job that was renamed while it runs", moved(active, { ...active, id: "b" }), {
    states: ["active", "active"],
    mayAllowStart: true,
  }],
  ["a job that was restarted", moved(active, held), {
    states: ["active", "pending"],
    mayAllowStart: true,
    abandoned: "run",
  }],
  ["a job that was aborted", moved(active, failed), {
    states: ["active", "failed"],
    mayAllowStart: true,
    abandoned: "run",
  }],
  ["a job that was retried", moved(failed, held), { states: ["failed", "pending"], mayAllowStart: true }],
  ["a job that was withdrawn", moved(pending, failed), {
    states: ["pending", "failed"],
    mayAllowStart: true,
  }],
  ["a job that was changed", { kind: "changed", job: pending }, { states: [], mayAllowStart: true }],
  ["a job that was changed while it is held", { kind: "changed", job: held }, {
    states: [],
    mayAllowStart: false,
  }],
  ["a job that was changed while it runs", { kind: "changed", job: active }, {
    states: [],
    mayAllowStart: false,
  }],
  ["a job that was changed after its end", { kind: "changed", job: complete }, {
    states: [],
    mayAllowStart: false,
  }],
  ["a job that was removed", { kind: "removed", job: pending }, { states: ["pending"], mayAllowStart: true }],
  ["a job that was removed while it runs", { kind: "removed", job: active }, {
    states: ["active"],
    mayAllowStart: true,
    abandoned: "run",
  }],
  ["a log that was removed", { kind: "removed", job: complete }, {
    states: ["complete"],
    mayAllowStart: true,
  }],
  ["other settings", { kind: "configured" }, { states: [], mayAllowStart: true }],
  ["what happened elsewhere", { kind: "elsewhere", states: ["failed", "active"] }, {
    states: ["failed", "active"],
    mayAllowStart: true,
  }],
];
for (const [name, event, expected] of CASES) {
  Deno.test(`of ${name}, the states that changed, whether others may start, and whose processes are to end`, () => {
    assert.deepEqual([...changedStates(event)], expected.states);
    assert.equal(mayAllowStart(event), expected.mayAllowStart);
    assert.equal(abandonedRun(event), expected.abandoned);
  });
}

Deno.test("Listeners tell each of all events in order, once the time of the change is known", () => {
  let now = 5;
  const listeners = new Listeners(() => now);
  assert.deepEqual((["pending", "active"] as const).map((state) => listeners.changedAt(state)), [5, 5]);
  const heard: unknown[] = [];
  listeners.add(({ kind }) => heard.push(["one", kind, listeners.changedAt("pending")]));
  listeners.add(({ kind }) => heard.push(["two", kind]));
  now = 7;
  listeners.tell({ kind: "removed", job: pending });
  now = 9;
  listeners.tell({ kind: "configured" });
  assert.deepEqual(heard, [["one", "removed", 7], ["two", "removed"], ["one", "configured", 7], [
    "two",
    "configured",
  ]]);
  assert.deepEqual((["pending", "active"] as const).map((state) => listeners.changedAt(state)), [7, 5]);
});
