/** What is made, and could not be taken to disk: who asked hears so, and all who listen hear that it is made. */
import assert from "node:assert/strict";
import type { JobId } from "../../src/job/id.ts";
import type { Bytes } from "../../src/job/pieces.ts";
import type { Job } from "../../src/job/job.ts";
import { Queue } from "../../src/queue/queue.ts";
import { type Durability, type Store, StoreError, UnsyncedError } from "../../src/store/store.ts";
import { Accounts } from "../../src/tree/accounts.ts";
import { OpenJobs } from "../../src/tree/open_jobs.ts";
import { Refusals } from "../../src/tree/refusals.ts";
import { SqlitePlace } from "./sqlite_place.ts";

const ANN = { uid: 1_001, gid: 1_001, mode: 0o600 };
const ALL = { uids: new Set([ANN.uid]), of: "all" } as const;
const utf8 = (text: string) => new TextEncoder().encode(text);
const id = (text: string) => text as JobId;
const WRITING = { where: "at", source: "call" } as const;
const NOBODY = () => false;

/** A store on a disk that a test has fail. */
class Disk {
  isFailing = false;
  /** So many releases of jobs fail, and change nothing. */
  refusedReleases = 0;
  /** What updates were asked to be. */
  readonly durabilities: Durability[] = [];

  /** The same store, which can take nothing durable to disk while this fails. */
  under(store: Store): Store {
    const durable = async <T>(made: Promise<T>, durability: Durability): Promise<T> => {
      const { isFailing } = this;
      const value = await made;
      if (!isFailing || durability !== "durable") return value;
      throw new UnsyncedError(value, new StoreError("io", "Cannot write the state file"));
    };
    const failing: Pick<Store, "update" | "updateFile" | "rename" | "remove" | "writeSetting"> = {
      updateFile: (file, changes, durability) => {
        this.durabilities.push(durability);
        if (durability === "relaxed" && this.refusedReleases-- > 0) {
          return Promise.reject(new StoreError("io", "Cannot write the state file"));
        }
        return durable(store.updateFile(file, changes, durability), durability);
      },
      update: (number, expected, changes, durability) =>
        durable(store.update(number, expected, changes, durability), durability),
      rename: (...values) => durable(store.rename(...values), "durable"),
      remove: (number, expected, durability) =>
        durable(store.remove(number, expected, durability), durability),
      writeSetting: (...values) => durable(store.writeSetting(...values), "durable"),
    };
    return new Proxy(store, {
      get(target, name) {
        if (name in failing) return failing[name as keyof typeof failing];
        const value = Reflect.get(target, name);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  }
}

/** A queue on such a disk, with what is told of it. */
async function start() {
  await using starting = new AsyncDisposableStack();
  const place = starting.use(await SqlitePlace.make());
  const disk = new Disk();
  const queue = new Queue(disk.under(starting.use(await place.open())), 0);
  const told: string[] = [];
  queue.subscribe((event) => {
    if (event.kind === "moved") {
      const { job, before, replaced } = event;
      told.push(
        `moved ${before.state}/${before.id} ${job.state}/${job.id} over ${replaced?.id ?? "nothing"}`,
      );
    } else told.push("job" in event && event.job ? `${event.kind} ${event.job.id}` : event.kind);
  });
  /** The disk fails for as long as something is asked for, which is refused. @returns What was told meanwhile. */
  const refused = async (ask: () => Promise<unknown>) => {
    told.length = 0;
    disk.isFailing = true;
    await assert.rejects(ask(), UnsyncedError);
    disk.isFailing = false;
    return [...told];
  };
  const create = async (name: string) => {
    const created = await queue.create(id(name), ANN);
    assert.ok(created.ok);
    return created.value;
  };
  const submit = async (name: string) => {
    const { file } = await create(name);
    await queue.saveClosed(file, utf8("echo"), ALL, undefined);
    await queue.release(file);
    return await queue.byFile(file) as Job;
  };
  const claimed = async () => (await queue.claim(9)).map(({ job }) => job.id);
  const owned = starting.move();
  const open = { queue, disk, refused, create, submit, claimed };
  return { ...open, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

Deno.test("the queue tells of what is made and not on disk, and refuses it", async () => {
  await using place = await start();
  const { queue, refused, submit } = place;
  const [x, y, z] = [await submit("x"), await submit("y"), await submit("z")];
  const rename = (job: Job, to: Job["state"], name: string) => queue.move(job, to, id(name), () => true);
  assert.deepEqual(await refused(() => queue.saveClosed(x.file, utf8("true"), ALL, undefined)), [
    "changed x",
  ]);
  assert.deepEqual(await refused(() => queue.setOwnership(x, { mode: 0o640 })), ["changed x"]);
  assert.deepEqual(await refused(() => queue.setTimes(x, { modifiedAt: 5 })), ["changed x"]);
  assert.deepEqual(await refused(() => queue.configure({ maxJobCount: 3 })), ["configured"]);
  assert.deepEqual(await refused(() => rename(x, "pending", "y")), ["rewritten y"]);
  assert.deepEqual(await refused(() => rename(z, "failed", "z")), ["moved pending/z failed/z over nothing"]);
  const moved = await queue.byFile(x.file) as Job;
  assert.deepEqual(await refused(() => queue.renameLate(moved, id("w"), NOBODY)), [
    "moved pending/y pending/w over nothing",
  ]);
  assert.deepEqual(await refused(() => queue.remove(moved)), ["removed y"]);
  for (const { number } of [x, y]) assert.equal(await queue.byNo(number), undefined);
  assert.equal((await queue.config()).maxJobCount, 3);
});

Deno.test("what runs and is removed is ended, though that is not on disk", async () => {
  await using place = await start();
  await place.submit("x");
  const [claim] = await place.queue.claim(1);
  assert.ok(claim);
  assert.deepEqual(await place.refused(() => place.queue.remove(claim.job)), ["removed x"]);
});

Deno.test("nothing is told of what was not made", async () => {
  await using place = await start();
  const { queue, refused, submit } = place;
  const [x] = [await submit("x"), await submit("y")];
  assert.deepEqual(await refused(() => queue.move(x, "pending", id("y"), NOBODY)), []);
  await queue.remove(x);
  assert.deepEqual(await refused(() => queue.remove(x)), []);
  assert.deepEqual(await refused(() => queue.setTimes(x, { modifiedAt: 5 })), []);
});

function openJobs(queue: Queue, accounts = new Accounts()): OpenJobs {
  const now = () => queue.now();
  return new OpenJobs(queue, accounts, now, new Refusals(accounts, 0, now));
}

Deno.test("a job that came to pending/ and is not on disk there holds up the queue no longer than another", async () => {
  await using place = await start();
  const { queue, refused, submit, claimed } = place;
  using _jobs = openJobs(queue);
  const x = await submit("x");
  await queue.move(x, "failed", id("x"), NOBODY);
  const failed = await queue.byNo(x.number) as Job;
  const released = Promise.withResolvers<void>();
  queue.subscribe(({ kind }) => kind === "released" && released.resolve());
  await refused(() => queue.move(failed, "pending", id("x"), NOBODY));
  const behind = await queue.create(id("behind"), ANN);
  assert.ok(behind.ok);
  await queue.saveClosed(behind.value.file, utf8("echo"), ALL, undefined);
  assert.deepEqual(await claimed(), []);
  await released.promise;
  await queue.release(behind.value.file);
  assert.deepEqual(await claimed(), ["x", "behind"]);
});

Deno.test("a job whose close was refused does not start, until it is closed again", async () => {
  await using place = await start();
  const { queue, refused, create, claimed } = place;
  const accounts = new Accounts();
  using jobs = openJobs(queue, accounts);
  const text = (bytes: Bytes | undefined) => new TextDecoder().decode(bytes?.subarray());
  const job = await create("x");
  const handle = jobs.created(job, { isUnfinished: false, mayMap: false });
  await handle.write(0, utf8("echo x"), WRITING);
  await refused(() => handle.flush());
  await handle.release();
  const stored = await queue.byNo(job.number);
  assert.ok(stored?.state === "pending");
  assert.deepEqual([stored.held, stored.turn, text(await queue.command(job.file))], [
    false,
    null,
    "echo x",
  ]);
  assert.deepEqual(await claimed(), []);
  assert.deepEqual(accounts.users, []);

  const again = await jobs.open(stored, ANN.uid, { access: "write", contents: "truncate", mayMap: false });
  await again.write(0, utf8("echo y"), WRITING);
  await again.flush();
  await again.release();
  assert.deepEqual(await claimed(), ["x"]);
});

Deno.test("a job whose close was refused does not start either where it can be let go later only", async () => {
  await using place = await start();
  const { queue, disk, refused, create, claimed } = place;
  using jobs = openJobs(queue);
  for (const how of ["closed", "unfinished"] as const) {
    const handle = jobs.created(await create(how), { isUnfinished: how === "unfinished", mayMap: false });
    await handle.write(0, utf8("echo"), WRITING);
    await refused(() => handle.flush());
    disk.refusedReleases = 1;
    const released = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let releases = 0;
    queue.subscribe(({ kind }) => kind === "released" && released[releases++]?.resolve());
    await handle.release();
    for (const { promise } of released) await promise;
    assert.deepEqual(await claimed(), []);
  }
});

Deno.test("a job starts as it was last closed where a later write to it was refused", async () => {
  await using place = await start();
  const { queue, refused, submit } = place;
  using jobs = openJobs(queue);
  const job = await submit("x");
  const handle = await jobs.open(job, ANN.uid, { access: "write", contents: "keep", mayMap: false });
  await refused(async () => await handle.write(4, utf8(" more"), WRITING));
  await assert.rejects(handle.flush(), UnsyncedError);
  await handle.release();
  const [claim] = await queue.claim(1);
  assert.deepEqual([claim?.job.id, claim?.command.subarray()], ["x", utf8("echo")]);
});

Deno.test("to empty a job is durable, and to close one that is empty is not", async () => {
  await using place = await start();
  const { queue, disk, create } = place;
  const { file } = await create("x");
  const lastOf = async (change: () => Promise<unknown>) => {
    await change();
    return disk.durabilities.at(-1);
  };
  const close = (text: string) => lastOf(() => queue.saveClosed(file, utf8(text), ALL, undefined));
  assert.equal(await close(""), "prompt");
  assert.equal(await close("echo"), "durable");
  assert.equal(await close(""), "durable");
  assert.equal(await close("echo"), "durable");
  // A draft may be empty already, of what would run still.
  for (const draft of ["ec", ""]) {
    assert.equal(await lastOf(() => queue.saveDraft(file, utf8(draft), ALL, undefined)), "durable");
    assert.equal(await close(""), "durable");
    assert.equal(await close("echo"), "durable");
  }
});
