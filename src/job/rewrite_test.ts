import assert from "node:assert/strict";
import { changesOfRewrite, type Read, type Rewritable } from "./rewrite.ts";

const [NOW, LATER, LATEST] = [1_000, 2_000, 3_000];
const TEXT = {
  ...{ commandBytes: 4, isEmpty: false, held: false, uid: 1, gid: 1, mode: 0o644, foreignWriter: null },
  ...{ writtenAt: 5, accessedAt: null, attempts: 0, visibleAt: null, deadlineAt: null, asks: {} },
};
const JOB: Rewritable = { ...TEXT, id: "x", turn: 7 };
const DRAFT: Rewritable = { ...TEXT, id: ".x", turn: null };
const QUEUED: Rewritable = { ...TEXT, id: "y", turn: 9 };

/** What is rewritten, by what, what the text of that asks for, and some of what changes. */
const CASES: [string, Partial<Rewritable>, Rewritable, Read, object][] = [
  ["a draft brings its text, and the place stays", {}, DRAFT, { asks: {}, isEmpty: false }, {
    ...{ turn: 7, isEmpty: false, visibleAt: null },
  }],
  ["a job in line gives its place up", {}, QUEUED, "unsound", { turn: 7, isEmpty: false }],
  ["a job that has no place gets the other's", { turn: null }, QUEUED, "unsound", { turn: 9 }],
  ["a job that has none gets one", { turn: null }, DRAFT, { asks: {}, isEmpty: false }, {
    turn: "first",
  }],
  [
    "what is empty takes the place of a job that has none to no place",
    { turn: null },
    {
      ...{ ...DRAFT, commandBytes: 0 },
    },
    "unsound",
    { turn: null, isEmpty: true },
  ],
  ["what is open still does not run", {}, DRAFT, "unsound", { turn: 7, isEmpty: true, asks: {} }],
  ["a draft has no place", { id: ".d" }, QUEUED, "unsound", { turn: null, isEmpty: false }],
  ["owner and mode are the new file's", {}, { ...QUEUED, mode: 0o600, gid: 3, foreignWriter: 8 }, "unsound", {
    ...{ uid: 1, gid: 3, mode: 0o600, foreignWriter: 8 },
  }],
  ["attempts are not for another owner", {}, { ...QUEUED, uid: 2 }, "unsound", {
    uid: 2,
    forgetsAttempts: true,
  }],
  ["the time of a retry stays", { attempts: 1, visibleAt: LATER }, QUEUED, "unsound", { visibleAt: LATER }],
  ["the time of the other's retry goes", {}, { ...QUEUED, attempts: 1, visibleAt: LATER }, "unsound", {
    visibleAt: null,
  }],
  ["the new file's time counts", { visibleAt: LATEST }, { ...DRAFT, visibleAt: LATER }, {
    ...{ asks: {}, isEmpty: false },
  }, { visibleAt: LATER }],
  ["a start of the old header goes with it", { visibleAt: LATER, asks: { startAt: LATER } }, DRAFT, {
    ...{ asks: {}, isEmpty: false },
  }, { visibleAt: null, deadlineAt: null, asks: {} }],
  ["a start of the new one counts", {}, DRAFT, {
    asks: { startAt: LATER, deadlineAt: LATEST },
    isEmpty: false,
  }, {
    ...{ visibleAt: LATER, deadlineAt: LATEST },
  }],
  ["not for a retry", { attempts: 1, visibleAt: LATEST }, DRAFT, {
    ...{ asks: { startAt: LATER, deadlineAt: LATEST }, isEmpty: false },
  }, { visibleAt: LATEST, deadlineAt: null }],
  ["nor where somebody has touched it", {}, { ...QUEUED, asks: { startAt: LATER } }, "unsound", {
    visibleAt: null,
  }],
  [
    "a deadline of the old header goes with it",
    { deadlineAt: LATER, asks: { deadlineAt: LATER } },
    QUEUED,
    "unsound",
    {
      deadlineAt: null,
    },
  ],
];

for (const [what, job, by, read, expected] of CASES) {
  Deno.test(`a rewrite by rename: ${what}`, () => {
    const changes = changesOfRewrite({ ...JOB, ...job }, by, () => read, NOW);
    assert.deepEqual({ ...changes, ...expected }, changes);
    assert.equal(changes.changedAt, NOW);
    assert.equal("forgetsAttempts" in changes, "forgetsAttempts" in expected);
  });
}
