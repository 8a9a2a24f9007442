import assert from "node:assert/strict";
import { RunTable } from "../../src/store/sqlite/runs.ts";
import { openTable } from "./temp_table.ts";

const LEADER = { pid: 1, startTicks: 2, bootId: "boot" };

function open() {
  const { table, ...place } = openTable((database) => new RunTable(database));
  return { ...place, runs: table, stored: () => new RunTable(place.database).all() };
}

Deno.test("after a rollback the runs are as they were", () => {
  using place = open();
  const { runs } = place;
  place.commit(() => runs.add("kept", 1, "a"));
  place.rollBack(() => {
    runs.remove("kept");
    runs.add("new", 2, "b");
  });
  assert.deepEqual([runs.jobOf("kept"), runs.jobOf("new")], [1, undefined]);
  assert.deepEqual(runs.all(), place.stored());
});

const ROLLED_BACK: [string, (runs: RunTable) => void][] = [
  ["was written in it", () => {}],
  ["was not written, of a run that was removed in it", (runs) => runs.remove("run")],
];
for (const [when, change] of ROLLED_BACK) {
  Deno.test(`what a run is known by is written after a rollback, if it ${when}`, () => {
    using place = open();
    const { runs } = place;
    place.commit(() => runs.add("run", 1, "a"));
    runs.identify("run", { leader: LEADER, cgroup: undefined, uid: 9 });
    place.rollBack(() => change(runs));
    place.commit(() => {});
    assert.deepEqual(place.stored(), [{ run: "run", id: "a", leader: LEADER, cgroup: undefined, uid: 9 }]);
  });
}

Deno.test("a rollback reads nothing: the disk may give nothing back", () => {
  using place = open();
  const { runs, database } = place;
  place.commit(() => runs.add("run", 1, "a"));
  database.exec("BEGIN");
  runs.remove("run");
  database.exec("ROLLBACK; DROP TABLE runs");
  runs.rolledBack();
  assert.equal(runs.jobOf("run"), 1);
});
