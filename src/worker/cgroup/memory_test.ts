import assert from "node:assert/strict";
import { CgroupMemory, hasRunOutOfMemory } from "./memory.ts";

/**
 * A folder of plain files that stands for a cgroup: it has what is written there, and does nothing about it.
 */
class FakeGroup implements Disposable {
  readonly path = Deno.makeTempDirSync({ prefix: "filed-cgroup-" });

  constructor(files: Record<string, string>) {
    for (const [name, text] of Object.entries(files)) Deno.writeTextFileSync(`${this.path}/${name}`, text);
  }

  read(name: string): string {
    return Deno.readTextFileSync(`${this.path}/${name}`);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

const FILES = { "memory.max": "", "memory.oom.group": "" };

Deno.test("CgroupMemory writes a limit for all of a group, which the kernel then ends as a whole", () => {
  using group = new FakeGroup({ ...FILES, "memory.swap.max": "" });
  assert.ok(new CgroupMemory("/none", () => "/none/runs").limit(group.path, 64));
  assert.equal(group.read("memory.max"), "64M");
  assert.equal(group.read("memory.oom.group"), "1");
  assert.equal(group.read("memory.swap.max"), "0");
});

Deno.test("CgroupMemory does without a limit for swap where no swap is counted", () => {
  using group = new FakeGroup(FILES);
  assert.ok(new CgroupMemory("/none", () => "/none/runs").limit(group.path, 64));
});

Deno.test("CgroupMemory asks the daemon's group, and that of its runs, to pass the controller on; and sees if that was in vain", () => {
  using own = new FakeGroup({ "cgroup.subtree_control": "" });
  using ofRuns = new FakeGroup({ "cgroup.subtree_control": "" });
  using group = new FakeGroup({});
  assert.equal(new CgroupMemory(own.path, () => ofRuns.path).limit(group.path, 64), false);
  assert.deepEqual([own, ofRuns].map((one) => one.read("cgroup.subtree_control")), ["+memory", "+memory"]);
});

const NONE = [["whose group can't pass it on", "/none"], ["that has no group", undefined]] as const;

for (const [name, own] of NONE) {
  Deno.test(`CgroupMemory limits nothing for a daemon ${name}`, () => {
    using group = new FakeGroup({});
    using memory = new CgroupMemory(own, () => own && `${own}/runs`);
    assert.equal(memory.limit(group.path, 64), false);
  });
}

const EVENTS: [string, Record<string, string>, boolean][] = [
  ["at its limit, where the kernel ended something", { oom: "1", oom_kill: "2" }, true],
  ["at its limit, where freeing some memory was enough", { max: "7", oom: "0", oom_kill: "0" }, false],
  ["of which the kernel ended something as the host had no memory", { oom: "0", oom_kill: "1" }, false],
];

for (const [name, events, expected] of EVENTS) {
  Deno.test(`hasRunOutOfMemory() of a group ${name}`, () => {
    const lines = Object.entries(events).map(([event, count]) => `${event} ${count}\n`);
    using group = new FakeGroup({ "memory.events": `low 0\n${lines.join("")}` });
    assert.equal(hasRunOutOfMemory(group.path), expected);
  });
}

Deno.test("hasRunOutOfMemory() of a group whose memory is not counted", () => {
  assert.equal(hasRunOutOfMemory("/none"), false);
});
