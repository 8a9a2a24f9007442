/** The state file's disk is full: what cannot be stored is refused, what was acknowledged stays, and all goes on later. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { SqliteStore } from "../../src/store/sqlite/store.ts";
import type { JobChanges } from "../../src/store/store.ts";
import { assertStarted, Gate, read } from "../contract/expect.ts";
import { fails, Filed, ok, Place, rootTest } from "../harness.ts";
import { Disk } from "./disk.ts";

const PAUSED = { config: { max_job_count: 0 } };

/** Submits until it is refused. @returns The errno, the call that gave it, and the jobs that were acknowledged. */
async function submitUntilRefused(
  filed: Filed,
): Promise<{ acknowledged: string[]; refused: string; call: string; errno: string }> {
  return JSON.parse(
    await ok(filed.python(`
import errno, json
acknowledged, call, code = [], None, None
command = b"echo ran #" + b"x" * 10_000
while call is None:
    name = f"job-{len(acknowledged):04}"
    step = "open"
    try:
        file = os.open(f"{M}/pending/{name}", os.O_CREAT | os.O_WRONLY)
        try:
            step = "write"
            os.write(file, command)
        finally:
            if step == "write":
                os.close(file)
        acknowledged.append(name)
    except OSError as error:
        call, code = step, errno.errorcode[error.errno]
print(json.dumps({"acknowledged": acknowledged, "refused": name, "call": call, "errno": code}))
`)),
  );
}

/**
 * The jobs that have a command, less those that were refused: what was written of one, and could not be closed, is there
 * until there is room to take it back. It never runs.
 */
async function submitted(filed: Filed, ...refused: string[]): Promise<string[]> {
  const names = (await filed.list("pending")).filter((name) => !refused.includes(name));
  const sizes = await Promise.all(
    names.map(async (name) => (await Deno.stat(`${filed.mount}/pending/${name}`)).size),
  );
  return names.filter((_, index) => (sizes[index] as number) > 0);
}

rootTest(
  "a full disk refuses a job with ENOSPC, keeps the others, and takes more when there is room",
  async () => {
    await using place = await Place.make();
    const disk = await Disk.inMemory(place, "1m");
    await using filed = await Filed.start(place, { args: disk.args, ...PAUSED });
    const { acknowledged, refused, errno } = await submitUntilRefused(filed);
    assert.equal(errno, "ENOSPC");
    assert.ok(acknowledged.length > 0);
    assert.deepEqual(await submitted(filed, refused), acknowledged);
    await disk.fill();
    // What was refused was large: there may be room for a little, in what the write-ahead log has already.
    let small = 0;
    const submitSmall = () => filed.sh(`/bin/echo more > $M/pending/small-${small}`);
    for (; (await submitSmall()).status === 0; small++) acknowledged.push(`small-${small}`);
    await fails(submitSmall(), /No space left on device/);
    acknowledged.sort();
    assert.equal((await read(filed, `pending/${acknowledged[0]}`)).length, 10_010);

    await ok(filed.sh(`mount -o remount,size=32m ${disk.path}`));
    await filed.submit("after", "echo after");
    assert.deepEqual(await submitted(filed, refused, `small-${small}`), ["after", ...acknowledged]);
    await filed.stop();
    await using again = await Filed.start(place, { args: disk.args });
    assert.deepEqual(await submitted(again, refused, `small-${small}`), ["after", ...acknowledged]);
  },
);

rootTest("the daemon starts again although the disk is full, and has what was acknowledged", async () => {
  await using place = await Place.make();
  const disk = await Disk.inMemory(place, "1m");
  let acknowledged: string[];
  let refused: string;
  {
    await using filed = await Filed.start(place, { args: disk.args, ...PAUSED });
    ({ acknowledged, refused } = await submitUntilRefused(filed));
    await filed.stop("SIGKILL");
  }
  await disk.fill();
  await using again = await Filed.start(place, { args: disk.args });
  assert.deepEqual(await submitted(again, refused), acknowledged);
});

rootTest(
  "the daemon starts again although the disk is full and a run is left, serves, and settles that once there is room",
  async () => {
    await using place = await Place.make();
    const disk = await Disk.inMemory(place, "2m");
    using gate = await Gate.make(place);
    let acknowledged: string[];
    let refused: string;
    {
      await using filed = await Filed.start(place, {
        args: disk.args,
        config: { max_job_count: 1, max_attempts: 1 },
      });
      await filed.finish("done", "true");
      await filed.submit("x", gate.waiting);
      await gate.closedOn();
      await disk.fill();
      ({ acknowledged, refused } = await submitUntilRefused(filed));
      await filed.stop("SIGKILL");
    }
    await using again = await Filed.start(place, { args: disk.args });
    await again.event("cannot store what a job did", { job: "x" });
    assert.deepEqual([await again.list("active"), await again.list("complete")], [["x"], ["done"]]);
    assert.deepEqual(await submitted(again, refused), acknowledged);
    await disk.empty();
    await again.event("attempt interrupted", { job: "x" });
    assert.match(await read(again, "failed/x"), /interrupted/);
  },
);

rootTest("a job that is new before what the start takes back could be stored is stored with it", async () => {
  await using place = await Place.make();
  const disk = await Disk.inMemory(place, "1m");
  const newJob = (id: string) => ({ id, uid: 1, gid: 2, mode: 0o640 });
  const change = (store: SqliteStore, number: number | undefined, changes: JobChanges) =>
    store.update(number ?? 0, { state: "pending" }, () => changes, "durable");
  const before = SqliteStore.open(disk.stateFile);
  const left = await before.create(newJob("left"));
  await change(before, left?.number, { content: { is: "draft", bytes: Uint8Array.of(1) }, turn: "first" });
  using reader = new DatabaseSync(disk.stateFile); // Has the log stay, as after a crash.
  reader.exec("SELECT * FROM jobs");
  await before[Symbol.asyncDispose]();

  await disk.fill();
  await using store = SqliteStore.open(disk.stateFile);
  await disk.empty();
  const job = await store.create(newJob("new"));
  assert.equal(
    (await change(store, job?.number, { content: { is: "closed", bytes: Uint8Array.of(1, 2) } }))
      ?.commandBytes,
    2,
  );
  assert.deepEqual([await store.byId("new").then((job) => job?.number), await store.count("pending")], [
    job?.number,
    2,
  ]);
});

rootTest("what a job did on a full disk is stored once there is room", async () => {
  await using place = await Place.make();
  const disk = await Disk.inMemory(place, "4m");
  using gate = await Gate.make(place);
  await using filed = await Filed.start(place, { args: disk.args });
  await filed.submit("x", `echo one; ${gate.waiting}; echo two`);
  await gate.closedOn();
  await disk.fill();
  gate.open();
  await filed.event("cannot store what a job did");
  assert.deepEqual(await filed.list("active"), ["x"]);
  assert.match(await read(filed, "active/x"), /^>>> /);
  await fails(filed.sh("/bin/echo more > $M/pending/more"), /No space left on device/);
  await disk.empty();
  assert.match(await filed.finished("x"), /\none\ntwo\n$/);
  assert.deepEqual(await filed.list("active"), []);
  await assertStarted(filed, "x");
});

rootTest("who writes a job on a full disk hears so, also after a close that nobody looked at", async () => {
  await using place = await Place.make();
  const disk = await Disk.inMemory(place, "4m");
  await using filed = await Filed.start(place, { args: disk.args });
  await disk.fill();
  const script = `
import errno
def tried(call, *args):
    try:
        call(*args)
        return "done"
    except OSError as error:
        return errno.errorcode[error.errno]
file = os.open(M + "/pending/x", os.O_CREAT | os.O_WRONLY, 0o644)
while "x" in os.listdir(M + "/pending"): # It is gone once it could not be stored.
    pass
print(tried(os.close, os.dup(file)), tried(os.write, file, b"echo ran"), tried(os.write, file, b"echo ran"))
`;
  assert.equal(await ok(filed.python(script)), "ENOSPC ENOSPC ENOSPC\n");
  await disk.empty();
  assert.deepEqual(await filed.list("pending"), []);
});

rootTest(
  "a job whose close failed for want of room does not run, also when there is room at its release",
  async () => {
    await using place = await Place.make();
    const disk = await Disk.inMemory(place, "2m");
    await using filed = await Filed.start(place, { args: disk.args });
    const script = `
import errno, mmap
file = os.open(M + "/pending/x", os.O_CREAT | os.O_RDWR, 0o644)
os.write(file, b"echo ")
kept = mmap.mmap(file, 5) # Keeps the file open, without a close that could fail.
ballast = os.open("${disk.path}/ballast", os.O_CREAT | os.O_WRONLY)
try:
    while True:
        os.write(ballast, bytes(4096))
except OSError:
    pass
os.write(file, b"ran #" + b"x" * 20_000)
try:
    os.close(file)
    print("closed")
except OSError as error:
    print(errno.errorcode[error.errno])
os.unlink("${disk.path}/ballast")
kept.close()
`;
    assert.equal(await ok(filed.python(script)), "ENOSPC\n");
    await assertStarted(filed);
  },
);
