/** Who starts when, of jobs with priorities, pools and locks: as a model says that knows all jobs, and sorts them. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { type Asks, parseHeader } from "../../src/job/header.ts";
import type { JobId, JobNo } from "../../src/job/id.ts";
import type { Job, Pending } from "../../src/job/job.ts";
import { submissionOf } from "../../src/job/turn.ts";
import { Queue } from "../../src/queue/queue.ts";
import type { SqliteStore } from "../../src/store/sqlite/store.ts";
import { SqlitePlace } from "../store/sqlite_place.ts";

const UIDS = [0, 1, 2] as const;
const POOLS = ["gpu", "api", "disk"] as const;
const LOCKS = ["deploy", "build"] as const;
const STATES = ["pending", "active", "complete", "failed"] as const;
/** Whose jobs are held to no cap of the priority: root's. */
const OWN_UID = 0;

/** @param maxPools That a job wants: a search is shorter where none wants several. */
function stepOf(maxPools: number) {
  const use = fc.uniqueArray(
    fc.record({ pool: fc.constantFrom(...POOLS), slots: fc.integer({ min: 1, max: 3 }) }),
    {
      selector: ({ pool }) => pool,
      maxLength: maxPools,
    },
  );
  const lock = fc.option(fc.record({ name: fc.constantFrom(...LOCKS), coalesces: fc.boolean() }), {
    freq: 2,
  });
  const asks = fc.record({ priority: fc.constantFrom(undefined, undefined, 5, -5), use, lock })
    .map(({ priority, use, lock }) =>
      [
        ...priority === undefined ? [] : [`priority=${priority}`],
        ...use.length === 0 ? [] : [`use=${use.map(({ pool, slots }) => `${pool}:${slots}`).join(",")}`],
        ...lock ? [`lock=${lock.name}${lock.coalesces ? ",coalesce" : ""}`] : [],
      ].join(" ")
    );
  return fc.oneof(
    { weight: 10, arbitrary: fc.record({ do: fc.constant("submit"), uid: fc.constantFrom(...UIDS), asks }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("rewrite"), which: fc.nat(), asks }) },
    { weight: 6, arbitrary: fc.record({ do: fc.constant("claim"), limit: fc.integer({ min: 1, max: 4 }) }) },
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant("end"),
        which: fc.nat(),
        status: fc.constantFrom(0, 1),
        survives: fc.constantFrom(false, false, false, true),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("put back"), which: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("forget"), which: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("remove"), which: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("hold"), which: fc.nat() }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("release"), which: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("retry"), which: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("abort"), which: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("draft"), which: fc.nat() }) },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant("chown"), which: fc.nat(), uid: fc.constantFrom(...UIDS) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant("delay"), which: fc.nat(), ms: fc.constantFrom(0, 5_000) }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("time goes"), ms: fc.constantFrom(1_000, 10_000) }) },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant("configure"),
        pools: fc.dictionary(fc.constantFrom(...POOLS), fc.nat(4)),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("crash") }) },
  );
}
type Step = ReturnType<typeof stepOf> extends fc.Arbitrary<infer Of> ? Of : never;

const utf8 = (text: string) => new TextEncoder().encode(text);

/** What a run has, until its processes are gone. */
interface Run {
  job: JobNo;
  id: string;
  isOver: boolean;
  slots: Map<string, readonly number[]>;
  lock: string | undefined;
}

/** A queue, and what the model knows of it besides what the queue answers. */
class World {
  readonly #place: SqlitePlace;
  #store: SqliteStore;
  #queue: Queue;
  #pools: Record<string, number> = { gpu: 2, api: 3, disk: 1 };
  readonly #runs = new Map<string, Run>();
  #serial = 0;

  private constructor(place: SqlitePlace, store: SqliteStore) {
    this.#place = place;
    this.#store = store;
    this.#queue = new Queue(store, OWN_UID);
  }

  static async make(place: SqlitePlace): Promise<World> {
    const world = new World(place, await place.open());
    await world.#queue.configure({ pools: world.#pools, maxAttempts: 2, atMost: { priority: 100 } });
    return world;
  }

  async step(step: Step): Promise<void> {
    switch (step.do) {
      case "submit":
        return await this.#submit(step.uid, step.asks);
      case "rewrite": {
        const job = await this.#pick("pending", step.which);
        if (job && !job.id.startsWith(".")) await this.#close(job, step.asks);
        return;
      }
      case "claim":
        return await this.#claim(step.limit);
      case "end":
        return await this.#end(step.which, step.status, step.survives);
      case "put back": {
        const [token, run] = this.#run(step.which, false);
        if (!run) return;
        this.#runs.delete(token);
        await this.#queue.requeue(token);
        return;
      }
      case "forget": {
        const [token, run] = this.#run(step.which, true);
        if (!run) return;
        this.#runs.delete(token);
        return await this.#queue.forget(token);
      }
      case "remove": {
        const job = await this.#pick(step.which % 3 === 0 ? "active" : "pending", step.which);
        if (job) await this.#queue.remove(job);
        return;
      }
      case "hold": {
        const job = await this.#pick("pending", step.which);
        if (job) await this.#queue.hold(job.file);
        return;
      }
      case "release": {
        const held = (await this.#jobs("pending")).filter((job) => job.state === "pending" && job.held);
        const job = held[step.which % Math.max(1, held.length)];
        if (job) await this.#queue.release(job.file);
        return;
      }
      case "retry": {
        const job = await this.#pick(step.which % 2 === 0 ? "failed" : "active", step.which);
        if (job) await this.#move(job, "pending", job.id);
        return;
      }
      case "abort": {
        const job = await this.#pick(step.which % 2 === 0 ? "active" : "pending", step.which);
        if (job) await this.#move(job, "failed", job.id);
        return;
      }
      case "draft": {
        const job = await this.#pick("pending", step.which);
        if (job) await this.#move(job, "pending", job.id.startsWith(".") ? job.id.slice(1) : `.${job.id}`);
        return;
      }
      case "chown": {
        const job = await this.#pick(STATES[step.which % 2] ?? "pending", step.which);
        if (job) await this.#queue.setOwnership(job, { uid: step.uid });
        return;
      }
      case "delay": {
        const job = await this.#pick("pending", step.which);
        if (job) await this.#queue.setTimes(job, { modifiedAt: this.#place.now + step.ms });
        return;
      }
      case "time goes":
        this.#place.now += step.ms;
        return;
      case "configure":
        this.#pools = step.pools;
        return await this.#queue.configure({ pools: step.pools });
      case "crash":
        return await this.#crash();
      default:
        return;
    }
  }

  async end(): Promise<void> {
    await this.#claim(4);
    await this.#store[Symbol.asyncDispose]();
  }

  async #jobs(state: typeof STATES[number]): Promise<Job[]> {
    return (await this.#store.listJobs(state, 0, 1_000)).map(({ job }) => job);
  }

  async #pick(state: typeof STATES[number], which: number): Promise<Job | undefined> {
    const jobs = await this.#jobs(state);
    return jobs[which % Math.max(1, jobs.length)];
  }

  #run(which: number, isOver: boolean): [token: string, run: Run | undefined] {
    const runs = [...this.#runs].filter(([, run]) => run.isOver === isOver);
    return runs[which % Math.max(1, runs.length)] ?? ["", undefined];
  }

  async #submit(uid: number, asks: string): Promise<void> {
    const id = `j${this.#serial++}` as JobId;
    const created = await this.#queue.create(id, { uid, gid: 1, mode: 0o600 });
    assert.ok(created.ok);
    await this.#close(created.value, asks);
    await this.#queue.release(created.value.file);
  }

  async #close({ number, file }: Job, asks: string): Promise<void> {
    const content = utf8(asks === "" ? ": plain" : `#filed ${asks}\n: asks`);
    const header = parseHeader(content, "whole", this.#place.now);
    assert.notEqual(header?.kind, "refused", asks);
    const before = await this.#jobs("pending");
    await this.#queue.saveClosed(
      file,
      content,
      { uids: new Set(), of: "all" },
      undefined,
      header?.kind === "asks" ? header : undefined,
    );
    await this.#checkReplaced(before, number);
  }

  async #move(job: Job, to: "pending" | "failed", id: string): Promise<void> {
    const before = await this.#jobs("pending");
    const moved = await this.#queue.move(job, to, id as JobId, () => false);
    if (moved.ok && to === "pending") {
      await this.#checkReplaced(before, job.number);
      await this.#queue.release(job.file);
    }
  }

  /** Of those that waited before, what a job that has come and coalesces replaces does so no more, and all else does. */
  async #checkReplaced(before: Job[], number: JobNo): Promise<void> {
    const job = await this.#queue.byNo(number);
    const turn = job?.state === "pending" && job.asks.lock?.coalesce ? job.turn : null;
    for (const other of before) {
      if (other.state !== "pending" || other.number === number) continue;
      const { lock } = other.asks;
      const isReplaced = job !== undefined && turn !== null && other.turn !== null && other.ordinal === 0 &&
        other.uid === job.uid &&
        lock?.name === job.asks.lock?.name && lock?.coalesce === true &&
        submissionOf(other.turn) < submissionOf(turn);
      const state = (await this.#queue.byNo(other.number))?.state;
      assert.equal(state, isReplaced ? "failed" : "pending", `${other.id}, after ${job?.id}`);
    }
  }

  async #end(which: number, status: number, survives: boolean): Promise<void> {
    const [token, run] = this.#run(which, false);
    if (!run) return;
    const survivors = survives ? [{ pid: 1, name: "left" }] : [];
    if (survives) run.isOver = true;
    else this.#runs.delete(token);
    await this.#queue.ended(token, {
      ending: { kind: "exited", status },
      droppedBytes: 0,
      tail: new Uint8Array(),
      survivors,
    });
  }

  /** What is open, what is held and what is in memory goes; runs are found, and ended. */
  async #crash(): Promise<void> {
    const path = this.#place.copy();
    await this.#store[Symbol.asyncDispose]();
    Deno.copyFileSync(path, this.#place.path);
    await Deno.remove(`${this.#place.path}-wal`).catch(() => {});
    Deno.copyFileSync(`${path}-wal`, `${this.#place.path}-wal`);
    this.#store = this.#place.openAt(this.#place.path);
    this.#queue = new Queue(this.#store, OWN_UID);
    assert.deepEqual(
      (await this.#queue.runs()).map(({ run }) => run).sort(),
      [...this.#runs.keys()].sort(),
    );
    for (const [token, run] of [...this.#runs]) {
      if (!run.isOver) {
        const end = { ending: { kind: "interrupted" } as const, droppedBytes: 0, tail: new Uint8Array() };
        this.#runs.delete(token);
        await this.#queue.ended(token, { ...end, survivors: [] });
      }
    }
  }

  /** Claims, and finds what the model does, which has what it needs of pools, and nobody else has. */
  async #claim(limit: number): Promise<void> {
    const expected = this.#expected((await this.#jobs("pending")) as Pending[], limit);
    const claims = await this.#queue.claim(limit);
    assert.deepEqual(claims.map(({ job }) => job.id), expected);
    for (const { job, run, slots } of claims) {
      const wanted = job.asks.use ?? [];
      assert.deepEqual(
        slots.map(([pool, numbers]) => [pool, numbers.length]),
        wanted.map((want) => [...want]),
      );
      for (const [pool, numbers] of slots) {
        assert.ok(numbers.every((number) => number < (this.#pools[pool] ?? 0)), `${numbers} of ${pool}`);
        for (const other of this.#runs.values()) {
          for (const number of other.slots.get(pool) ?? []) assert.ok(!numbers.includes(number));
        }
      }
      const lock = lockOf(job);
      this.#runs.set(run, { job: job.number, id: job.id, isOver: false, slots: new Map(slots), lock });
    }
  }

  #expected(jobs: Pending[], limit: number): string[] {
    const runs = [...this.#runs.values()];
    const used = new Map(POOLS.map((pool) => [pool as string, 0]));
    for (const { slots } of runs) {
      for (const [pool, numbers] of slots) used.set(pool, (used.get(pool) ?? 0) + numbers.length);
    }
    const inOrder = jobs.filter((job): job is Pending & { turn: number } =>
      job.turn !== null && !job.isEmpty && (job.visibleAt === null || job.visibleAt <= this.#place.now)
    ).sort((one, other) => one.turn - other.turn);
    const seen = new Set<string>();
    const reserved = new Set<string>();
    const started: string[] = [];
    for (const job of inOrder) {
      if (started.length >= limit) break;
      const lock = lockOf(job);
      const isFirst = lock === undefined || !seen.has(lock) && !runs.some((run) => run.lock === lock);
      if (lock !== undefined) seen.add(lock);
      if (!isFirst || job.held || runs.some((run) => run.job === job.number || run.id === job.id)) continue;
      const wanted = job.asks.use ?? [];
      const fits = wanted.every(([pool, slots]) => slots <= (this.#pools[pool] ?? 0));
      if (!fits || wanted.some(([pool]) => reserved.has(pool))) continue;
      if (wanted.some(([pool, slots]) => (used.get(pool) ?? 0) + slots > (this.#pools[pool] ?? 0))) {
        for (const [pool] of wanted) reserved.add(pool);
        continue;
      }
      for (const [pool, slots] of wanted) used.set(pool, (used.get(pool) ?? 0) + slots);
      started.push(job.id);
    }
    return started;
  }
}

function lockOf({ uid, asks }: { uid: number; asks: Asks }): string | undefined {
  return asks.lock && `${uid} ${asks.lock.name}`;
}

Deno.test("jobs with priorities, pools and locks start when a model of all of them says", async () => {
  const numRuns = Number(Deno.env.get("FILED_MODEL_RUNS") ?? 100);
  const seed = Number(Deno.env.get("FILED_MODEL_SEED") ?? 1);
  const steps = (maxPools: number) => fc.array(stepOf(maxPools), { maxLength: 120, size: "max" });
  await fc.assert(
    fc.asyncProperty(fc.oneof(steps(1), steps(2)), async (steps) => {
      await using place = await SqlitePlace.make();
      const world = await World.make(place);
      for (const step of steps) await world.step(step as Step);
      await world.end();
    }),
    { numRuns, seed },
  );
});
