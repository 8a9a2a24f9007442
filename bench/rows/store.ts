/**
 * Measures the store alone, in this process and without FUSE.
 *
 * First what the life of a plain job costs, job by job, on a file in memory: create, write, close, claim,
 * identify, and end with one line of output. It is what we write to files, checkpoints included, and what we
 * take of the processors. The targets are 40 % and 63 % of what filed 0.1.0 took: 90 kB and 270 us.
 *
 * Then a claim that takes a job from behind very many that can't start: those of a user who has as many jobs
 * running as may run, those that are held, those that wait for their time, for a lock or for 50 pools that are
 * full, and those of a lower priority. Then one from among 1,000 lanes that are all ready. Against a claim where
 * nothing else is queued, by turns.
 *
 * The limit: for a life, the statements themselves, and a page of the log for each page that they change. For
 * a claim, none: what can't start is no part of the search for what can.
 */
import type { Bytes } from "../../src/job/pieces.ts";
import process from "node:process";
import { SqliteStore } from "../../src/store/sqlite/store.ts";
import type { Asks } from "../../src/job/header.ts";
import type { Durability, JobChanges } from "../../src/store/store.ts";
import { spreadOf } from "../pairs.ts";
import { pause, type Rig } from "../rig.ts";
import { compare, measured, type Row, type Target } from "../row.ts";

/** How long one measurement of claims goes on. */
const ROUND_MS = 200;

const OBSTACLES: Record<string, Obstacle> = {
  "of a user at the limit": { uid: 1 },
  "held": { held: true },
  "waiting for a time": { visibleAt: 4e12 },
  "behind one lock": { lock: "lock" },
  "of a lower priority": { priority: -1 },
  "waiting for 50 pools": { pools: 50 },
};
/** Each pool is asked once for each claim. */
const OF_POOLS = { atMost: 1.5 };

interface Obstacle {
  uid?: number;
  held?: boolean;
  visibleAt?: number;
  /** Somebody has it. */
  lock?: string;
  priority?: number;
  /** Each job wants a slot of the next of so many, which are all taken. */
  pools?: number;
}

export async function* store(rig: Rig): AsyncGenerator<Row> {
  yield* life(rig);
  for (const [name, obstacle] of Object.entries(OBSTACLES)) yield await claimBehind(rig, name, obstacle);
  yield await claimAmong(rig);
}

async function* life(rig: Rig): AsyncGenerator<Row> {
  await using folder = await memoryFolder();
  await using queue = new StoredQueue(`${folder.path}/state.db`);
  const count = rig.size(1_000, 300);
  const kilobytes: number[] = [];
  const cpuUs: number[] = [];
  for (let round = -1; round < 3; round++) {
    const [bytesBefore, cpuBefore] = [await writtenBytes(), process.cpuUsage()];
    for (let i = 0; i < count; i++) await queue.live(`job${round}-${i}`);
    await pause(0);
    const { user, system } = process.cpuUsage(cpuBefore);
    if (round < 0) continue; // It was cold.
    kilobytes.push((await writtenBytes() - bytesBefore) / count / 1_000);
    cpuUs.push((user + system) / count);
  }
  yield measured("store: written for the life of a job", "kB", kilobytes, { atMost: 36 });
  yield measured("store: CPU for the life of a job", "us", cpuUs, { atMost: 170 });
}

async function claimBehind(rig: Rig, name: string, obstacle: Obstacle): Promise<Row> {
  await using behind = new StoredQueue(rig.path("state.db"));
  const count = rig.size(100_000, 10_000);
  await behind.fill(count, obstacle);
  const what = `store: a claim behind ${count.toLocaleString("en")} jobs ${name}`;
  return await compareClaims(
    rig,
    what,
    behind,
    {},
    obstacle.pools === undefined ? { atMost: 1.1 } : OF_POOLS,
  );
}

/** All lanes are ready, and the first of one is claimed: those of 1,000 users, of whom each has a job waiting. */
async function claimAmong(rig: Rig): Promise<Row> {
  await using among = new StoredQueue(rig.path("state.db"), () => Infinity);
  for (let uid = 1; uid <= 1_000; uid++) await among.fill(1, { uid }, `of ${uid}`);
  return await compareClaims(
    rig,
    "store: a claim before 1,000 lanes that are ready",
    among,
    { priority: 1 },
    { atMost: 1.1 },
  );
}

/** @param first What the jobs have that are claimed. */
async function compareClaims(
  rig: Rig,
  what: string,
  queue: StoredQueue,
  first: Obstacle,
  target: Target,
): Promise<Row> {
  await using empty = new StoredQueue(rig.path("state.db"));
  const medianUs = async (queue: StoredQueue, round: number) => {
    const times: number[] = [];
    const until = performance.now() + ROUND_MS;
    for (let i = 0; times.length === 0 || performance.now() < until; i++) {
      times.push(await queue.timeClaim(`free${round}-${i}`, first) * 1_000);
      await pause(0); // The store alone never lets a signal come through.
    }
    return spreadOf(times).median;
  };
  const pairs = await rig.alternate(
    (round) => medianUs(queue, round),
    (round) => medianUs(empty, round),
    rig.size(3, 2),
  );
  return compare(what, "us", "none before", pairs, target);
}

/** A folder in memory: a disk's share in what a sync takes of the processors is not the store's. */
async function memoryFolder(): Promise<{ path: string } & AsyncDisposable> {
  const path = await Deno.makeTempDir({ dir: "/dev/shm", prefix: "filed-bench-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/** What this process has given to write(2) and the like. */
async function writtenBytes(): Promise<number> {
  return Number(/^wchar: (\d+)$/m.exec(await Deno.readTextFile("/proc/self/io"))?.[1]);
}

const COMMAND = new TextEncoder().encode("true\n");
const OUTPUT = new TextEncoder().encode("all is well\n");
const END = new TextEncoder().encode("<<< exited with 0\n");
const TRACES = {
  leader: { pid: 1_000, startTicks: 1_000_000, bootId: "8a2f9f1c-0b37-4d5e-9c55-3f1f9a0f3c11" },
  cgroup: "/sys/fs/cgroup/filed-1/1",
  uid: 0,
};
const header = (command: Bytes) => command.subarray();
const PENDING = { state: "pending" } as const;
/** How many jobs are asked for before the first is waited for. */
const AT_ONCE = 500;

/** All calls of the store, in one place. */
class StoredQueue implements AsyncDisposable {
  readonly #store: SqliteStore;
  readonly #room: (uid: number) => number;
  readonly #pools: Record<string, number> = {};
  #runs = 0;
  #jobs = 0;

  /** @param room Of users. */
  constructor(path: string, room = (uid: number) => uid === 0 ? Infinity : 0) {
    this.#store = SqliteStore.open(path);
    this.#room = room;
  }

  /** One job, from its creation to its end. */
  async live(id: string): Promise<void> {
    await this.#submit(id, {}, "durable");
    await this.#end(await this.#claim());
  }

  /** How long the claim of a job takes that can start, ms. */
  async timeClaim(id: string, job: Obstacle): Promise<number> {
    await this.#submit(id, job, "durable");
    const startedAt = performance.now();
    const run = await this.#claim();
    const ms = performance.now() - startedAt;
    await this.#end(run);
    return ms;
  }

  /** Queues jobs that can't start. */
  async fill(count: number, obstacle: Obstacle, name = "blocked"): Promise<void> {
    for (let pool = 0; pool < (obstacle.pools ?? 0); pool++) this.#pools[poolOf(pool)] = 1;
    // The first have what the others wait for.
    for (let taker = 0; taker < (obstacle.pools ?? (obstacle.lock === undefined ? 0 : 1)); taker++) {
      await this.#submit(`taker-${taker}`, obstacle, "relaxed");
      await this.#claim();
    }
    for (let first = 0; first < count; first += AT_ONCE) {
      const ids = Array.from({ length: Math.min(AT_ONCE, count - first) }, (_, i) => `${name}-${first + i}`);
      await Promise.all(ids.map((id) => this.#submit(id, obstacle, "relaxed")));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#store[Symbol.asyncDispose]();
  }

  async #submit(
    id: string,
    { uid = 0, held = false, visibleAt, lock, priority, pools }: Obstacle,
    durability: Durability,
  ): Promise<void> {
    const now = Date.now();
    const job = await this.#store.create({ id, uid, gid: 0, mode: 0o644 });
    if (!job) throw new Error(`${id} is there already`);
    const written = { content: { is: "draft", bytes: COMMAND }, writtenAt: now, changedAt: now } as const;
    await this.#store.update(job.number, PENDING, () => written, durability);
    const content = { is: "closed", bytes: "as-saved" } as const;
    const closed = { content, turn: "first", held, changedAt: now } as const;
    const asks: Asks = {
      ...lock === undefined ? {} : { lock: { name: lock } },
      ...pools === undefined ? {} : { use: [[poolOf(this.#jobs++ % pools), 1]] },
    };
    const changes: JobChanges = {
      ...closed,
      ...visibleAt === undefined ? {} : { visibleAt },
      ...priority === undefined ? {} : { priority },
      ...lock === undefined && pools === undefined ? {} : { asks },
    };
    await this.#store.update(job.number, PENDING, () => changes, durability);
  }

  async #claim(): Promise<string> {
    const run = `run-${++this.#runs}`;
    const claims = await this.#store.claim([run], header, this.#room, this.#pools);
    if (claims.length !== 1) throw new Error("a job that can start was not claimed");
    return run;
  }

  async #end(run: string): Promise<void> {
    await this.#store.runBook.identify(run, TRACES);
    await this.#store.appendLog(run, COMMAND.length, OUTPUT);
    await this.#store.settle(run, () => {
      const now = Date.now();
      const over = { ending: { kind: "exited", status: 0 }, log: "more", bytes: END } as const;
      return { state: "complete", loggedAt: now, changedAt: now, over };
    });
  }
}

function poolOf(index: number): string {
  return `pool${index}`;
}
