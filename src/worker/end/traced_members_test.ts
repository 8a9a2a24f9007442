import assert from "node:assert/strict";
import type { Process } from "./processes.ts";
import { type Evidence, selectMembers } from "./traced_members.ts";

const LEADER = { pid: 100, startTicks: 1_000, bootId: "boot" };

function process(pid: number, rest: Partial<Process> = {}): Process {
  return {
    pid,
    name: "x",
    parentPid: 1,
    groupId: pid,
    sessionId: pid,
    startTicks: 1_001,
    isZombie: false,
    ...rest,
  };
}

const NO_EVIDENCE: Evidence = {
  leader: LEADER,
  hasGroup: false,
  wasMember: () => false,
  hasMark: () => false,
  lives: () => true,
};

const hasMark = ({ name }: Process) => name === "marked";

const CASES: [string, Process[], Partial<Evidence>, number[]][] = [
  ["nothing without evidence", [process(7)], {}, []],
  ["the leader", [process(100, { startTicks: 1_000 })], {}, [100]],
  ["no stranger with the leader's number", [process(100, { startTicks: 1_005 })], {}, []],
  ["what carries the mark", [process(7, { name: "marked" }), process(8)], { hasMark }, [7]],
  ["nothing older than the leader", [process(7, { name: "marked", startTicks: 999 })], { hasMark }, []],
  ["what carries the mark, of an unknown leader", [process(7, { name: "marked" })], {
    hasMark,
    leader: undefined,
  }, [7]],
  ["what was a member before", [process(7), process(8)], { wasMember: ({ pid }) => pid === 7 }, [7]],
  ["the group that the leader left", [process(7, { groupId: 100, sessionId: 100 })], { hasGroup: true }, [7]],
  ["no group that has only the leader's number", [process(7, { groupId: 100, sessionId: 100 })], {}, []],
  [
    "the session, if a member is in it",
    [
      process(7, { name: "marked", sessionId: 100 }),
      process(8, { sessionId: 100 }),
      process(9),
    ],
    { hasMark },
    [7, 8],
  ],
  [
    "what descends from a member",
    [
      process(7, { name: "marked" }),
      process(9, { parentPid: 8 }),
      process(8, { parentPid: 7 }),
      process(10),
    ],
    { hasMark },
    [7, 8, 9],
  ],
  [
    "no child of a number that changed hands",
    [
      process(7, { name: "marked" }),
      process(8, { parentPid: 7 }),
    ],
    { hasMark, lives: ({ pid }) => pid !== 7 },
    [7],
  ],
];

for (const [name, processes, evidence, pids] of CASES) {
  Deno.test(`selectMembers() picks ${name}`, () => {
    const members = selectMembers(processes, { ...NO_EVIDENCE, ...evidence });
    assert.deepEqual(members.map(({ pid }) => pid).sort((a, b) => a - b), pids);
  });
}
