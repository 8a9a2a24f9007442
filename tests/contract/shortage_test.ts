/**
 * What filed lacks is not counted against jobs: they wait, keep their order, and complete at their first
 * attempt.
 */
import assert from "node:assert/strict";
import { Filed, type FiledOptions, makeFifo, ok, Place, rootTest, run, userTest } from "../harness.ts";
import { statusField } from "../proc.ts";
import { started } from "./expect.ts";

/** What runs a shell's script before it becomes filed. */
function after(script: string): string[] {
  return ["sh", "-c", `${script}; exec "$@"`, "sh"];
}

/** As many descriptors as filed itself uses, and some 20 more. */
const FEW_DESCRIPTORS = after("ulimit -n 64");

/** Jobs that wait until there are lines in a FIFO, one for each. */
class Queue implements AsyncDisposable {
  private constructor(readonly place: Place, readonly ids: string[], private readonly go: Deno.FsFile) {}

  static async make(count: number): Promise<Queue> {
    const place = await Place.make();
    const go = await Deno.open(await makeFifo(place, "go"), { read: true, write: true });
    return new Queue(place, Array.from({ length: count }, (_, i) => `job-${100 + i}`), go);
  }

  start(options: FiledOptions): Promise<Filed> {
    return Filed.start(this.place, options);
  }

  async submit(filed: Filed): Promise<void> {
    for (const id of this.ids) {
      await filed.submit(id, `read -r _ < ${this.place.path}/go; echo attempt $FILED_ATTEMPT`);
    }
  }

  /** Lets that many jobs end. */
  async let(count: number): Promise<void> {
    await this.go.write(new TextEncoder().encode("\n".repeat(count)));
  }

  async assertComplete(filed: Filed): Promise<void> {
    for (const id of this.ids) assert.match(await filed.finished(id), /\nattempt 1\n$/);
    assert.deepEqual([await filed.list("failed"), await filed.list("complete")], [[], this.ids]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.go.close();
    await this.place[Symbol.asyncDispose]();
  }
}

/** The jobs that came to run, in the order of their last starts. */
function ranInOrder(filed: Filed): string[] {
  return [...new Set(started(filed).reverse())].reverse();
}

function warnings(filed: Filed): string[] {
  const messages = filed.log.filter(({ level }) => level === "WARN").map(({ message }) => message);
  // Those of these tests do.
  return messages.filter((message) => !message.startsWith("a rule of the sandbox reaches"));
}

Deno.test("a restart in a shortage loses nothing", async () => {
  await using queue = await Queue.make(20);
  await using filed = await queue.start({ prefix: FEW_DESCRIPTORS });
  await queue.submit(filed);
  await filed.event("cannot start jobs");
  await filed.stop();
  await using next = await queue.start({});
  await queue.let(queue.ids.length);
  await queue.assertComplete(next);
  assert.deepEqual(warnings(next), []);
});

const SANDBOXED = { prefix: after("ulimit -n 90"), args: ["--sandbox", "--rw", "/tmp"] };

const CASES: [string, number, FiledOptions][] = [
  ["20 jobs, and descriptors for some of them", 20, { prefix: FEW_DESCRIPTORS }],
  ["20 sandboxed jobs, and descriptors for some of them", 20, SANDBOXED],
  ["150 jobs, and descriptors for some of them", 150, {
    prefix: after("ulimit -n 200"),
    config: { max_job_count: 400 },
  }],
];
for (const [name, count, options] of CASES) {
  Deno.test(`${name}: all complete at their first attempt, in order, with one warning`, async () => {
    await using queue = await Queue.make(count);
    await using filed = await queue.start(options);
    await queue.submit(filed);
    const { properties } = await filed.event("cannot start jobs");
    assert.equal(properties.missing, "file descriptors");
    await queue.let(count);
    await queue.assertComplete(filed);
    await filed.event("can start jobs again");
    assert.deepEqual(ranInOrder(filed), queue.ids);
    assert.deepEqual(warnings(filed), ["cannot start jobs"]);
  });
}

/** How many threads this user has, here and elsewhere, as RLIMIT_NPROC counts them. */
async function countThreads(): Promise<number> {
  let count = 0;
  for await (const { name } of Deno.readDir("/proc")) {
    const path = `/proc/${name}/status`;
    const uid = /^\d+$/.test(name) && await statusField(path, "Uid").catch(() => undefined);
    if (uid === Deno.uid()) count += await statusField(path, "Threads").catch(() => 0);
  }
  return count;
}

// Root is under no such limit.
userTest(
  "jobs, and processes for some of them: all complete at their first attempt, in order, with one warning",
  async () => {
    await using queue = await Queue.make(60);
    await using filed = await queue.start({ config: { max_job_count: 60 } });
    const limit = await countThreads() + 20;
    await ok(run(["prlimit", `--pid=${filed.pid}`, `--nproc=${limit}`]));
    await queue.submit(filed);
    const { properties } = await filed.event("cannot start jobs");
    assert.equal(properties.missing, "processes and threads");
    await queue.let(queue.ids.length);
    await queue.assertComplete(filed);
    await filed.event("can start jobs again");
    assert.deepEqual(ranInOrder(filed), queue.ids);
    assert.deepEqual(warnings(filed), ["cannot start jobs"]);
  },
);

/** Of nobody: limits of processes are counted for each uid of the whole machine. */
const UID = 1_000_000_000 + Math.floor(Math.random() * 1_000_000_000);

rootTest("a user who has too many processes keeps nobody else's jobs waiting, and loses none", async () => {
  await using queue = await Queue.make(4);
  await using filed = await queue.start({ prefix: ["prlimit", "--nproc=2", "--"] });
  await Deno.chmod(queue.place.path, 0o711);
  for (const id of queue.ids) {
    const draft = `${filed.mount}/pending/.${id}`;
    await filed.submit(`.${id}`, `read -r _ < ${queue.place.path}/go; echo attempt $FILED_ATTEMPT`);
    await Deno.chown(draft, UID, UID);
    await Deno.rename(draft, `${filed.mount}/pending/${id}`);
  }
  const before = performance.now();
  const { properties } = await filed.event("cannot start a user's jobs");
  assert.equal(properties.user, UID);
  assert.equal(await filed.finish("other", "echo $FILED_ATTEMPT"), ">>> echo $FILED_ATTEMPT\n1\n");
  const putOff = filed.log.filter(({ message }) => message === "attempt put off").length;
  const seconds = (performance.now() - before) / 1_000;
  assert.ok(putOff <= queue.ids.length + 2 * seconds, `${putOff} tries in ${seconds} s`);
  await queue.let(queue.ids.length);
  for (const id of queue.ids) assert.match(await filed.finished(id), /\nattempt 1\n$/);
  await filed.event("can start a user's jobs again");
  assert.deepEqual(warnings(filed), ["cannot start a user's jobs"]);
});

rootTest("what is kept for users' sandboxed jobs does not keep others' from starting", async () => {
  await using place = await Place.make();
  await using filed = await Filed.start(place, SANDBOXED);
  for (let user = 0; user < 40; user++) {
    await filed.submit(`.${user}`, "echo $FILED_ATTEMPT");
    await Deno.chown(`${filed.mount}/pending/.${user}`, UID + user, UID + user);
    await Deno.rename(`${filed.mount}/pending/.${user}`, `${filed.mount}/pending/${user}`);
    assert.match(await filed.finished(String(user)), /\n1\n$/);
  }
});
