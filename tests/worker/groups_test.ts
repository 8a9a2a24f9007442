/**
 * The control groups of runs: whose they are, and what becomes of those that somebody removes.
 * faults/groups_test.ts has whole daemons.
 */
import assert from "node:assert/strict";
import { newIdentity } from "../../src/queue/queue.ts";
import { type CgroupRoot, removeCgroup } from "../../src/worker/cgroup/cgroup.ts";
import { Cgroups } from "../../src/worker/cgroup/cgroups.ts";
import { DaemonGroup } from "../../src/worker/cgroup/daemon_group.ts";
import { must } from "../../src/must.ts";
import { groupTest, ownRoot } from "../groups.ts";
import { Workshop } from "./workshop.ts";

const RUN = crypto.randomUUID();

/** Such a test, on where the groups are. */
function rootTest(name: string, act: (root: CgroupRoot) => void) {
  groupTest(name, () => act(must(ownRoot(), "groups can be made")));
}

/**
 * What a daemon that was killed leaves: a group of a run in one that nobody has locked.
 * @returns Both paths.
 */
function leaveGroups({ own }: CgroupRoot, identity: string): { daemons: string; runs: string } {
  using daemon = DaemonGroup.make(own, identity);
  const runs = `${daemon.path}/run`;
  Deno.mkdirSync(runs);
  return { daemons: daemon.path, runs };
}

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

/** Runs a job. @returns The group that it had. */
async function groupOfRun(workshop: Workshop): Promise<string> {
  const { run, told: { cgroup } } = await workshop.startTold(":");
  assert.ok(cgroup);
  assert.deepEqual(await run.exit(), { kind: "exited", status: 0 });
  return cgroup;
}

const parentOf = (path: string) => path.slice(0, path.lastIndexOf("/"));

groupTest("a kept group that somebody removed is not used again", async () => {
  await using workshop = new Workshop();
  const kept = await groupOfRun(workshop);
  assert.equal(await groupOfRun(workshop), kept);
  Deno.removeSync(kept);
  assert.notEqual(await groupOfRun(workshop), kept);
});

groupTest("the daemon's group that somebody removed is made anew", async () => {
  await using workshop = new Workshop();
  const kept = await groupOfRun(workshop);
  removeCgroup(parentOf(kept));
  assert.notEqual(parentOf(await groupOfRun(workshop)), parentOf(kept));
});

groupTest("a stop leaves no group", async () => {
  await using workshop = new Workshop();
  const group = await groupOfRun(workshop);
  await workshop.executor[Symbol.asyncDispose]();
  assert.equal(isThere(parentOf(group)), false);
});

rootTest("the groups of a dead daemon are found by another of the same state file, and removed", (root) => {
  const identity = newIdentity();
  const left = leaveGroups(root, identity);
  using cgroups = new Cgroups(root, identity);
  assert.deepEqual(cgroups.listOrphans(), []); // It was empty, and is gone.
  assert.equal(isThere(left.daemons), false);
  assert.equal(cgroups.whose(left.runs), "ours"); // As a run's that ended.
  assert.equal(cgroups.release(left.runs, "once"), true);
});

rootTest(
  "the groups of a daemon that lives are nobody else's, though the state file be the same",
  (root) => {
    const identity = newIdentity();
    using living = new Cgroups(root, identity);
    const group = living.take("other", RUN);
    assert.ok(group);
    {
      using other = new Cgroups(root, identity);
      assert.deepEqual(other.listOrphans(), []);
      assert.equal(other.whose(group), "another's");
      assert.notEqual(parentOf(other.take("other", RUN) ?? ""), parentOf(group));
    }
    assert.equal(isThere(group), true);
    living.release(group, "once");
  },
);

rootTest("the groups of another state file's daemons are left alone, also of dead ones", (root) => {
  const left = leaveGroups(root, newIdentity());
  try {
    using cgroups = new Cgroups(root, newIdentity());
    assert.deepEqual(cgroups.listOrphans(), []);
    assert.equal(cgroups.whose(left.runs), "nobody's");
    assert.equal(isThere(left.runs), true);
  } finally {
    removeCgroup(left.daemons);
  }
});

rootTest(
  "a group of filed 0.1.0 is one of runs where the state file says so, and left alone otherwise",
  (root) => {
    const old = `${root.own}/filed-2147483647-${crypto.randomUUID()}`; // No process has this number.
    Deno.mkdirSync(old);
    try {
      using cgroups = new Cgroups(root, newIdentity());
      assert.deepEqual(cgroups.listOrphans(), []);
      assert.equal(isThere(old), true);
      assert.equal(cgroups.whose(old), "ours");
      assert.equal(cgroups.release(old, "once"), true);
      assert.equal(isThere(old), false);
    } finally {
      removeCgroup(old);
    }
  },
);

const STRANGERS = ["/tmp/filed-12-a1b2", "/sys/fs/cgroup-not/filed-12-a1b2"];
for (const path of STRANGERS) {
  rootTest(`${path} is no group of runs`, (root) => {
    using cgroups = new Cgroups(root, newIdentity());
    assert.equal(cgroups.whose(path), "nobody's");
  });
}

rootTest(
  "a group in which a run of the daemon's own user may have set something serves no other user",
  (root) => {
    using cgroups = new Cgroups(root, newIdentity());
    const own = cgroups.take("own", RUN);
    assert.ok(own !== undefined && cgroups.release(own, "own"));
    assert.notEqual(cgroups.take("other", RUN), own);
    assert.equal(cgroups.take("own", RUN), own);
  },
);
