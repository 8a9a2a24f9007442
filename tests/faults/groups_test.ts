/**
 * Control groups that others remove, and other daemons whose groups are in the same place.
 * worker/groups_test.ts has the executor alone.
 */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { listGroups, removeCgroup } from "../../src/worker/cgroup/cgroup.ts";
import { groupsOf } from "../groups.ts";
import { Filed, makeFifo, ok, onlyChildOf, Place, rootTest, run, startFiled, within } from "../harness.ts";
import { Wire } from "../wire.ts";

/** One that is to be the only one, with those of runs in it. */
function groupOf({ state }: Filed): { path: string; runs: string[] } {
  const [path, ...others] = groupsOf(state);
  assert.ok(path);
  assert.deepEqual(others, []);
  return { path, runs: listGroups(path).sort() };
}

rootTest("a job runs, at its first attempt, though somebody removed all groups that were kept", async () => {
  await using filed = await startFiled({ config: { max_attempts: 1 } });
  using go = await Deno.open(await makeFifo(filed.place, "go"), { read: true, write: true });
  const atOnce = ["a", "b", "e"]; // As many groups are kept: more than a start tries one after another.
  for (const id of atOnce) await filed.submit(id, `read -r _ < ${filed.place.path}/go`);
  for (const id of atOnce) await filed.event("attempt started", { job: id });
  await go.write(new TextEncoder().encode("\n".repeat(atOnce.length)));
  for (const id of atOnce) await filed.finished(id);
  const { path, runs } = groupOf(filed);
  assert.equal(runs.length, atOnce.length);
  for (const group of runs) Deno.removeSync(group);
  assert.match(
    await filed.finish("c", "cat /proc/self/cgroup"),
    new RegExp(`0::.*/${path.split("/").at(-1)}/`),
  );
  removeCgroup(path);
  assert.match(await filed.finish("d", "cat /proc/self/cgroup"), /0::.*\/filed-q\w+-\w+\/[\w-]+\n/);
  assert.deepEqual(await filed.list("complete"), ["a", "b", "c", "d", "e"]);
  assert.deepEqual(filed.log.filter(({ message }) => message === "cannot start jobs"), []);
});

rootTest(
  "no group of a filed that lives vanishes while one in another PID namespace comes and goes",
  async () => {
    await using place = await Place.make();
    await using wire = await Wire.make(place);
    await using filed = await Filed.start(place);
    const go = await makeFifo(place, "go");
    await filed.finish("before", "true");
    await filed.submit("job", `exec 3> ${wire.path}; echo up >&3; read -r _ < ${go}; echo $FILED_ATTEMPT`);
    assert.equal(await wire.line(), "up");
    const before = groupOf(filed);
    {
      await using elsewhere = await Elsewhere.start();
      await elsewhere.finish("other", "true");
      assert.deepEqual(groupOf(filed), before);
    }
    assert.deepEqual(groupOf(filed), before);
    await within("the job", () => Deno.writeTextFile(go, "\n"));
    assert.match(await filed.finished("job"), /\n1\n$/);
  },
);

rootTest("no group of a filed in another PID namespace vanishes while one here comes and goes", async () => {
  await using place = await Place.make();
  await using elsewhere = await Elsewhere.start();
  await using wire = await Wire.make(elsewhere.place);
  const go = await makeFifo(elsewhere.place, "go");
  await elsewhere.submit("job", `exec 3> ${wire.path}; echo up >&3; read -r _ < ${go}; echo $FILED_ATTEMPT`);
  assert.equal(await wire.line(), "up");
  const before = groupOf(elsewhere.filed);
  for (const id of ["once", "again"]) {
    await using filed = await Filed.start(place);
    await filed.finish(id, "true");
    assert.deepEqual(groupOf(elsewhere.filed), before);
  }
  assert.deepEqual(groupOf(elsewhere.filed), before);
  await within("the job", () => Deno.writeTextFile(go, "\n"));
  assert.match(await elsewhere.finished("job"), /\n1\n$/);
});

rootTest("after a crash the groups of the dead filed are removed, and no others", async () => {
  await using place = await Place.make();
  await using wire = await Wire.make(place);
  await using other = await startFiled();
  await other.finish("job", "true");
  const others = groupOf(other);
  await using filed = await Filed.start(place);
  await filed.submit("job", `exec 3> ${wire.path}; echo up >&3; exec sleep 60`);
  assert.equal(await wire.line(), "up");
  const { path } = groupOf(filed);
  await filed.stop("SIGKILL");
  await using next = await Filed.start(place, { config: { max_job_count: 0 } });
  await wire.end();
  assert.deepEqual(groupsOf(next.state).filter((group) => group === path), []);
  assert.deepEqual(groupOf(other), others);
});

/** What a run is known by is stored a moment after its start. */
async function untilIdentified({ state }: Filed): Promise<void> {
  using database = new DatabaseSync(state, { readOnly: true });
  const query = database.prepare("SELECT count(*) AS known FROM runs WHERE cgroup IS NOT NULL");
  while (query.get()?.known !== 1) await new Promise((resolve) => setTimeout(resolve, 1));
}

rootTest("a filed on a copy of the state file leaves alone what runs of the original", async () => {
  await using place = await Place.make();
  const go = await makeFifo(place, "go");
  await using wire = await Wire.make(place);
  await using filed = await Filed.start(place, { config: { backoff_base: 1_000 } });
  await filed.submit("job", `exec 3> ${wire.path}; echo up >&3; read -r _ < ${go}; echo done`);
  assert.equal(await wire.line(), "up");
  await within("the run's group in the state file", () => untilIdentified(filed));
  await using other = await Place.make();
  await ok(run(["sh", "-c", `cp ${filed.state} ${filed.state}-wal ${other.path}`]));
  await using copy = await Filed.start(other);
  await copy.event("attempt interrupted", { job: "job" });
  await copy.stop();
  await within("the job", () => Deno.writeTextFile(go, "\n"));
  assert.match(await filed.finished("job"), /\ndone\n$/);
});

/**
 * A filed that is the first process of a PID namespace, with a /proc of its own, as in a container that has
 * the host's cgroups.
 */
class Elsewhere implements AsyncDisposable {
  private constructor(readonly place: Place, readonly filed: Filed) {}

  static async start(): Promise<Elsewhere> {
    await using starting = new AsyncDisposableStack();
    const place = starting.use(await Place.make());
    const prefix = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
    const filed = await Filed.start(place, { prefix });
    starting.move();
    return new Elsewhere(place, filed);
  }

  /** The mount is seen there only. */
  path(name: string): string {
    return `/proc/${this.filed.pid}/root${this.filed.mount}/${name}`;
  }

  submit(id: string, command: string): Promise<void> {
    return Deno.writeTextFile(this.path(`pending/${id}`), command);
  }

  async finished(id: string): Promise<string> {
    await this.filed.event("attempt ended", { job: id, state: "complete" });
    return await Deno.readTextFile(this.path(`complete/${id}`));
  }

  async finish(id: string, command: string): Promise<string> {
    await this.submit(id, command);
    return await this.finished(id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // unshare(1) itself ignores the signal.
    await using _place = this.place;
    await using _filed = this.filed;
    Deno.kill(await onlyChildOf(this.filed.pid), "SIGTERM");
    await this.filed.ended();
  }
}
