/** Any sequence of changes, commits and rollbacks leaves memory equal to a fresh store on the same file. */
import type { JobNo } from "../../src/job/id.ts";
import assert from "node:assert/strict";
import fc from "fast-check";
import { attemptKey } from "../../src/job/attempt.ts";
import type { Asks } from "../../src/job/header.ts";
import { DEPENDENCY_KINDS } from "../../src/job/dependencies.ts";
import type { Job } from "../../src/job/job.ts";
import { STATES } from "../../src/job/state.ts";
import type { JobChanges, Store } from "../../src/store/store.ts";
import { CircleError, StoreError } from "../../src/store/store.ts";
import type { Bytes } from "../../src/job/pieces.ts";
import { concat } from "../../src/job/log_text.ts";
import type { SqliteStore } from "../../src/store/sqlite/store.ts";
import { FailingStatements, type Fault } from "./failing_statements.ts";
import { submissionOf } from "../../src/job/turn.ts";
import { SqlitePlace } from "./sqlite_place.ts";
import { T0 } from "./suite.ts";

/** What jobs ask for that wait for others. */
const WAITING: Asks[] = [
  { use: [["gpu", 1]] },
  { use: [["api", 1], ["gpu", 2]] },
  { lock: { name: "lock" } },
  { lock: { name: "lock", coalesce: true }, use: [["gpu", 1]] },
];
const POOLS = { api: 1, gpu: 2 };
const IDS = ["a", "b", "c", "d"] as const;
const UIDS = [1, 2, 3] as const;
const PENDING = { state: "pending" } as const;
const utf8 = (text: string) => new TextEncoder().encode(text);
/** A text of several chunks. */
const LONG = utf8("long ".repeat(60_000));
const text = (bytes: Bytes | undefined) => bytes && new TextDecoder().decode(bytes.subarray());

/** One step: what is done, and the numbers that it takes. `size` is of a text; past 1,024 a log takes chunks. */
interface Step {
  kind: (typeof KINDS)[number];
  id: (typeof IDS)[number];
  other: (typeof IDS)[number];
  choice: number;
  size: number;
}

/** What moves jobs on, and what fails, is more often than the rest. */
const KINDS = [
  ...[
    "submit",
    "submit",
    "submit",
    "submit",
    "submit",
    "create",
    "draft",
    "draft",
    "long",
    "long",
    "edit",
    "edit",
    "close",
    "close as saved",
  ],
  ...["take back", "hold", "release", "release", "hold in line", "turn", "wait", "own", "rename", "withdraw"],
  ...["abort", "restart", "retry", "remove", "claim", "claim", "claim", "append", "append", "append again"],
  ...[
    "complete",
    "complete",
    "fail",
    "put back",
    "leave",
    "identify",
    "forget",
    "forget",
    "retain",
    "let go",
  ],
  ...["depend", "depend", "depend", "depend later", "tell", "tell", "tell all"],
  ...["time goes", "clock is set back", "setting", "read", "commit", "check"],
  ...["fault", "fault", "fault", "fault", "fault"],
] as const;

const steps = fc.array(
  fc.record<Step>({
    kind: fc.constantFrom(...KINDS),
    id: fc.constantFrom(...IDS),
    other: fc.constantFrom(...IDS),
    choice: fc.nat(11),
    size: fc.constantFrom(0, 1, 20, 900, 3_000),
  }),
  { minLength: 1, maxLength: 200, size: "max" },
);

/** A store and what a test must know besides what it answers. */
class Run {
  readonly #place: SqlitePlace;
  readonly #store: SqliteStore;
  readonly #faults: FailingStatements;
  #asked: Promise<void>[] = [];
  readonly #inLine = new Set<JobNo>();
  /** Which change held a job last, or let it go: they are not answered in the order asked. */
  readonly #lastHeld = new Map<JobNo, number>();
  readonly #retained = new Map<number, AsyncDisposable>();
  /** Of attempts, that were asked for by now: what is in no list is compared too. */
  #lastNumber = 0;
  #counter = 0;

  constructor(place: SqlitePlace, store: SqliteStore, faults: FailingStatements) {
    this.#place = place;
    this.#store = store;
    this.#faults = faults;
  }

  async step({ kind, id, other, choice, size }: Step): Promise<void> {
    const store = this.#store;
    this.#faults.revive();
    const job = await store.byId(id);
    const bytes = utf8(`${id}${this.#counter++} `.padEnd(size, "."));
    const number = job?.number ?? 0;
    const isPending = job?.state === "pending";
    switch (kind) {
      case "create":
      case "submit":
        return this.#ask(async () => {
          const uid = UIDS[choice % UIDS.length] as number;
          const created = store.create({ id, uid, gid: 1, mode: 0o640 });
          if (kind === "create") return void await created;
          const added = await store.byId(id); // It is there before it is stored.
          this.#faults.revive();
          if (added?.state !== "pending") return void await created;
          const asked = this.#counter++;
          const changes: JobChanges = {
            content: { is: "closed", bytes },
            turn: "first",
            held: choice % 4 === 0,
          };
          const submitted = store.update(added.number, PENDING, () => changes, "durable");
          const [, job] = await Promise.all([created, submitted]);
          if (job) this.#held(job.number, changes, asked);
        });
      case "draft":
        return this.#change(job, {
          content: { is: "draft", bytes },
          held: true,
          ...choice === 0 ? { turn: "first" } : {},
        });
      case "long": // It takes chunks as well.
        return this.#change(job, {
          content: { is: choice % 3 ? "draft" : "closed", bytes: concat(bytes, LONG.subarray(size)) },
          held: true,
          ...choice % 2 ? { turn: "first" } : {},
        });
      case "edit": { // Of what was saved last, some of it is cut off, or added, and some of it is another.
        const before = isPending ? await store.readCommand(number, "written") : undefined;
        if (!before) return;
        const after = before.resized(Math.max(0, before.length - choice * 60)).written(before.length, bytes)
          .written(choice * 25_000, new Uint8Array(10).fill(choice));
        return this.#change(job, {
          content: {
            is: choice % 4 ? "draft" : "closed",
            bytes: after,
          },
          held: true,
        });
      }
      case "close":
        return this.#change(job, {
          content: { is: "closed", bytes: choice === 0 ? new Uint8Array() : bytes },
          turn: "first",
          ...choice % 2 ? { held: false } : {},
          ...choice % 3 ? {} : { asks: { nice: choice }, isEmpty: choice % 2 === 0, priority: choice - 3 },
          ...choice % 3 === 1 ? { asks: WAITING[choice % WAITING.length] as Asks } : {},
          ...choice % 3 === 2 ? {} : { dependencies: [] }, // As the asks name none.
          ...choice % 4 ? {} : { deadlineAt: T0 + choice },
        });
      case "close as saved":
        return this.#change(job, {
          content: { is: "closed", bytes: "as-saved" },
          turn: "first",
          held: false,
        });
      case "take back":
        // With a mode, for a hold alone is no part of a transaction.
        return this.#change(job, { content: { is: "as-closed" }, held: choice % 2 === 0, mode: choice });
      case "hold":
      case "release":
        if (!isPending) return;
        await this.#settled(); // What is noted here of a hold would go back with a transaction, and a hold alone does not.
        await store.update(
          number,
          PENDING,
          () => (kind === "hold" ? { held: true } : { held: false, content: { is: "as-closed" } }),
          "relaxed",
        ).catch((error) => {
          if (!(error instanceof StoreError)) throw error; // It was new, and could not be stored.
        });
        return void this.#inLine.delete(number);
      case "hold in line":
        return this.#change(job, { held: "in-line", mode: choice });
      case "turn":
        return this.#change(job, {
          turn: ([null, "next", "first", 1_000 + choice, "next"] as const)[choice % 5] ?? null,
        });
      case "wait":
        return this.#change(job, { visibleAt: choice === 0 ? null : this.#place.now + choice });
      case "own":
        return this.#change(job, { uid: UIDS[choice % UIDS.length] as number, accessedAt: choice });
      case "rename":
        if (!job) return;
        return this.#ask(async () => {
          const changes = choice % 3 === 0 ? { turn: "first" as const } : { mode: choice };
          const renamed = await store.rename(
            number,
            { state: job.state },
            other,
            (replaced) =>
              replaced.state !== job.state || choice % 2 === 1
                ? "stays"
                : isPending && choice % 4 === 0
                ? "is-rewritten"
                : isPending && choice % 4 === 2
                ? "is-exchanged"
                : "goes",
            // Who has a job open holds it under its new id as well.
            (now, replaced) =>
              now.state !== "pending"
                ? {}
                : replaced && choice % 2 === 0
                ? { ...changes, held: now.held }
                : changes,
          );
          if (renamed.kind === "renamed" && renamed.replaced) this.#inLine.delete(renamed.replaced.number);
          if (renamed.kind === "rewritten" || renamed.kind === "exchanged") {
            for (const one of [number, renamed.job.number]) this.#inLine.delete(one);
          }
        });
      case "withdraw":
        if (!isPending) return;
        return this.#move(job, {
          state: "failed",
          held: false,
          visibleAt: null,
          content: { is: "as-closed" },
          ...this.#over(choice, bytes, choice % 2 ? "new" : "more"),
        });
      case "abort":
        if (job?.state !== "active") return;
        return this.#move(job, { state: "failed", held: false, ...this.#over(choice, bytes) });
      case "restart":
        if (job?.state !== "active") return;
        return this.#move(job, {
          state: "pending",
          attempts: 0,
          turn: "next",
          held: choice % 2 ? "in-line" : false,
          ...this.#over(choice, bytes),
        });
      case "retry":
        if (job?.state !== "complete" && job?.state !== "failed") return;
        return this.#move(job, {
          state: "pending",
          attempts: 0,
          turn: "next",
          held: choice % 2 ? "in-line" : true,
          ...choice % 3 ? { dependencies: "again" } : {},
        });
      case "remove":
        if (!job) return;
        return this.#ask(async () => {
          if (await store.remove(number, { state: job.state }, "durable")) this.#inLine.delete(number);
        });
      case "claim":
        return await this.#claim(choice % 4 + 1, choice);
      case "append":
      case "append again":
        return await this.#append(job, bytes, kind);
      case "complete":
        return this.#settle(job, { state: "complete", ...this.#over(1, bytes) });
      case "fail":
        return this.#settle(job, {
          state: "pending",
          visibleAt: this.#place.now + choice,
          ...this.#over(1, bytes),
        });
      case "put back":
        return this.#settle(job, { state: "pending", attempts: Math.max(0, (job?.attempts ?? 1) - 1) });
      case "leave": {
        const [run] = await this.#runs(choice);
        if (run === undefined) return;
        const changes: JobChanges = { state: "failed", ...this.#over(choice, bytes) };
        return this.#ask(async () => void await store.settle(run, () => changes, utf8(`left ${size}\n`)));
      }
      case "identify": {
        const [run] = await this.#runs(choice);
        const leader = { pid: choice, startTicks: size, bootId: "boot" };
        const traces = { leader, cgroup: choice % 2 ? `/${size}` : undefined, uid: choice };
        if (run !== undefined) this.#ask(() => store.runBook.identify(run, traces));
        return;
      }
      case "forget": {
        const [run] = await this.#runs(choice);
        if (run !== undefined && !await this.#isActive(run)) this.#ask(() => store.runBook.forget(run));
        return;
      }
      case "retain": {
        const key = attemptKey(number, job?.ordinal ?? 0);
        if (job && !this.#retained.has(key)) {
          this.#retained.set(key, store.retainLog(number, job.ordinal, choice % 2 ? choice : job.uid));
        }
        return;
      }
      case "let go": {
        const [key, retained] = [...this.#retained][choice % Math.max(1, this.#retained.size)] ?? [];
        if (key === undefined || !retained) return;
        this.#retained.delete(key);
        return this.#ask(() => Promise.resolve(retained[Symbol.asyncDispose]()));
      }
      case "depend":
      case "depend later": {
        const parent = kind === "depend" ? (await store.byId(other))?.number ?? null : null;
        const which = DEPENDENCY_KINDS[choice % DEPENDENCY_KINDS.length] ?? "after";
        const more = choice % 4 === 0 ? [{ kind: "after" as const, id, parent: null, isMet: true }] : [];
        return this.#change(job, {
          asks: { after: [other] },
          dependencies: [...more, { kind: which, id: other, parent, isMet: false }],
        });
      }
      case "tell":
        return this.#ask(async () => void await this.#tell(store, choice + 1, size > 20));
      case "tell all":
        return await this.#tellAll();
      case "time goes":
        this.#place.now += choice;
        return;
      case "clock is set back":
        this.#place.now -= 2 * choice;
        return this.#ask(() => store.waitFromNow());
      case "setting":
        this.#ask(() => store.writeNode(id, { uid: choice, gid: 1, mode: 1 }));
        return this.#ask(() => store.writeSetting(id, String(size)));
      case "read":
        await store.nextVisibleAt();
        for (const state of STATES) await store.listJobs(state, 0, 100);
        await store.byNo(choice);
        await store.usageOf(choice, choice % 2 ? "pendingJobs" : "logBytes");
        return;
      case "commit":
        store.commit();
        return this.#faults.revive();
      case "check":
        return await this.check();
      case "fault":
        return this.#faults.failAfter(
          choice,
          (["refused", "rolled-back", "dead"] as const)[size % 3] as Fault,
        );
      default:
        kind satisfies never;
    }
  }

  /** Compares all answers with those of a store that has just been opened. */
  async check(): Promise<void> {
    await this.#settled();
    const fresh = this.#place.openAt(this.#place.copy());
    await using _closed = fresh;
    await this.#compare(fresh);
  }

  async end(): Promise<void> {
    for (let limit = 1; limit <= 3; limit++) await this.#claim(limit, 0);
    await this.check();
    await this.#tellAll();
    for (const retained of this.#retained.values()) await retained[Symbol.asyncDispose]();
    this.#retained.clear();
    await this.check();
  }

  /** Asks for a change, of which several share a transaction. */
  #ask(change: () => Promise<void>): void {
    this.#asked.push(
      change().catch((error) => {
        if (!(error instanceof StoreError) && !(error instanceof CircleError)) throw error;
      }),
    );
    this.#faults.revive();
  }

  /** Tells dependants, and ends those that wait for what will never be. */
  async #tell(store: Store, limit: number, failDependants: boolean): Promise<number> {
    const doomed = await store.tellDependants(limit, failDependants);
    for (const { number, to, fate } of doomed) {
      const ending = { kind: "not-run", reason: fate, isForParent: true } as const;
      const over = { ending, log: "new", bytes: utf8(fate) } as const;
      const id = (await store.byNo(number))?.id ?? "";
      const content = { is: "as-closed" } as const;
      const changes = { state: to, held: false, content, visibleAt: null, over };
      await store.rename(number, PENDING, id, () => "stays", () => changes);
      this.#inLine.delete(number);
    }
    return doomed.length;
  }

  /** Once all is told, a fresh store, which tells all again, has nothing to add. */
  async #tellAll(): Promise<void> {
    await this.#settled();
    while (this.#store.hasDue) await this.#tell(this.#store, 3, false);
    const fresh = this.#place.openAt(this.#place.copy());
    await using _closed = fresh;
    while (fresh.hasDue) assert.equal(await this.#tell(fresh, 100, false), 0);
    await this.#compare(fresh);
  }

  #change(job: Job | undefined, changes: JobChanges): void {
    if (job?.state !== "pending") return;
    const asked = this.#counter++;
    this.#ask(async () => {
      if (await this.#store.update(job.number, PENDING, () => changes, "relaxed")) {
        this.#held(job.number, changes, asked);
      }
    });
  }

  #move(job: Job, changes: JobChanges): void {
    const asked = this.#counter++;
    this.#ask(async () => {
      const moved = await this.#store.rename(
        job.number,
        { state: job.state },
        job.id,
        () => "stays",
        () => changes,
      );
      if (moved.kind === "renamed") this.#held(job.number, changes, asked);
    });
  }

  #settle(job: Job | undefined, changes: JobChanges): void {
    if (job?.state !== "active") return;
    this.#ask(async () => void await this.#store.settle(job.run, () => changes));
  }

  /** @param asked When it was asked, as `#counter` has it. */
  #held(number: JobNo, { held }: JobChanges, asked: number) {
    if (held === undefined || asked < (this.#lastHeld.get(number) ?? 0)) return;
    this.#lastHeld.set(number, asked);
    if (held === "in-line") this.#inLine.add(number);
    else this.#inLine.delete(number);
  }

  #over(choice: number, bytes: Uint8Array, log: "more" | "new" = "more"): JobChanges {
    if (choice % 5 === 4) return {}; // The attempt has not been made.
    return { over: { ending: { kind: "exited", status: choice }, log, bytes } };
  }

  async #runs(choice: number): Promise<string[]> {
    const all = (await this.#store.runBook.all()).map(({ run }) => run).sort();
    return [...all.slice(choice % Math.max(1, all.length)), ...all];
  }

  async #isActive(run: string): Promise<boolean> {
    const active = await this.#store.listJobs("active", 0, 100);
    return active.some(({ job }) => job.state === "active" && job.run === run);
  }

  async #append(job: Job | undefined, bytes: Uint8Array, kind: "append" | "append again") {
    if (job?.state !== "active") return;
    const end = await this.#store.endOfLog(job.run);
    const position = Math.max(0, (end?.bytes ?? 0) - (kind === "append" ? 0 : 10));
    this.#ask(async () => void await this.#store.appendLog(job.run, position, bytes));
  }

  /** Claims here and from a fresh store, where the same jobs are held. */
  async #claim(limit: number, choice: number) {
    await this.#settled();
    const fresh = this.#place.openAt(this.#place.copy());
    await using _closed = fresh;
    for (const { job } of await this.#store.listJobs("pending", 0, 100)) {
      const held = this.#inLine.has(job.number) ? "in-line" : job.state === "pending" && job.held;
      const turn = held === "in-line" && job.state === "pending" ? { turn: job.turn } : {};
      await fresh.update(job.number, PENDING, () => ({ held, ...turn }), "relaxed");
    }
    const room = (uid: number) => choice % 3 === 0 ? Infinity : (uid + choice) % 4;
    const runs = Array.from({ length: limit }, () => `run ${this.#counter++}`);
    const found = async (store: Store) => {
      const pools = choice % 4 === 0 ? { ...POOLS, gpu: choice % 3 } : POOLS;
      const claims = await store.claim(runs, (command) => command.subarray(0, 2_000), room, pools);
      return claims.map(({ job, run, command, slots }) => ({ job, run, command: text(command), slots }));
    };
    const expected = await found(fresh);
    assert.deepEqual(await found(this.#store), expected);
  }

  /** What was asked for is stored by now, or refused. */
  async #settled(): Promise<void> {
    // A change, so that what is deferred is stored with it.
    this.#ask(async () => void await this.#store.appendLog("of no run", 0, new Uint8Array()));
    this.#store.commit();
    this.#faults.stop();
    const asked = this.#asked;
    this.#asked = [];
    await Promise.all(asked);
  }

  async #compare(fresh: Store) {
    const store = this.#store;
    for (const state of STATES) {
      assert.deepEqual(await store.list(state, 0, 100), await fresh.list(state, 0, 100));
      assert.equal(await store.count(state), await fresh.count(state));
      const listed = await store.listJobs(state, 0, 100);
      const jobs = await Promise.all(listed.map(async ({ position, job }) => ({
        position,
        job: await this.#afterCrash(job),
      })));
      assert.deepEqual(jobs, await fresh.listJobs(state, 0, 100));
      for (const { job } of listed) this.#lastNumber = Math.max(this.#lastNumber, job.number);
    }
    for (const uid of UIDS) {
      for (const what of ["pendingJobs", "logBytes"] as const) {
        const used = await store.usageOf(uid, what);
        store.forgetUsage();
        assert.equal(await store.usageOf(uid, what), used, "as it is counted anew");
        if (this.#retained.size === 0) assert.equal(await fresh.usageOf(uid, what), used);
      }
      for (const { use = [] } of WAITING) {
        assert.equal(await store.usesOf(uid, use), await fresh.usesOf(uid, use));
      }
    }
    assert.equal(await store.nextVisibleAt(), await fresh.nextVisibleAt());
    assert.equal(await store.nextDeadlineAt(), await fresh.nextDeadlineAt());
    const runBook = async (store: Store) =>
      (await store.runBook.all()).toSorted((one, other) => one.run.localeCompare(other.run));
    assert.deepEqual(await runBook(store), await runBook(fresh));
    for (const { run } of await fresh.runBook.all()) {
      assert.deepEqual(await store.endOfLog(run), await fresh.endOfLog(run));
    }
    for (const id of IDS) {
      const job = await store.byId(id);
      assert.deepEqual(job && await this.#afterCrash(job), await fresh.byId(id));
      assert.equal(await store.readSetting(id), await fresh.readSetting(id));
      assert.deepEqual({ ...await store.readNode(id) }, { ...await fresh.readNode(id) });
    }
    for (let number = 1; number <= this.#lastNumber; number++) await this.#compareJob(fresh, number);
    await this.#addTo(fresh);
  }

  /** What a fresh store numbers comes after all that is here. */
  async #addTo(fresh: Store) {
    const listed = await Promise.all(STATES.map((state) => this.#store.listJobs(state, 0, 100)));
    const turns = listed.flat().map(({ job }) => job.state === "pending" ? job.turn ?? 0 : 0);
    const added = await fresh.create({ id: "new", uid: 1, gid: 1, mode: 0o640 });
    assert.ok(added && added.number > this.#lastNumber);
    const submitted = await fresh.update(added.number, PENDING, () => ({ turn: "first" }), "relaxed");
    assert.ok(
      submitted?.state === "pending" &&
        submissionOf(submitted.turn ?? 0) > Math.max(...turns.map(submissionOf), 0),
    );
  }

  async #compareJob(fresh: Store, number: JobNo) {
    const store = this.#store;
    const job = await store.byNo(number);
    assert.deepEqual(job && await this.#afterCrash(job), await fresh.byNo(number));
    assert.deepEqual(await store.dependencies(number), await fresh.dependencies(number));
    const open = (await store.dependencies(number)).filter(({ isMet }) => !isMet).length;
    assert.equal(job?.state === "pending" ? job.blocked : 0, open);
    const kept = await this.#keptCommand(number);
    for (const version of ["written", "closed"] as const) {
      assert.equal(text(await fresh.readCommand(number, version)), kept);
    }
    for (let ordinal = 1; ordinal <= (job?.ordinal ?? 3); ordinal++) {
      const [mine, its] = [await store.attempt(number, ordinal), await fresh.attempt(number, ordinal)];
      if (!its && this.#retained.has(attemptKey(number, ordinal))) continue; // A new start drops what nobody reads.
      assert.deepEqual(mine, its);
      const read = (store: Store) => store.readLog(number, ordinal, 0, 1_000_000);
      assert.deepEqual(await read(store), await read(fresh));
      assert.equal((await read(store)).length, its?.logBytes ?? 0);
    }
  }

  /** What a new start makes of a command that is written and not closed. */
  async #keptCommand(number: JobNo): Promise<string | undefined> {
    const written = text(await this.#store.readCommand(number, "written"));
    return text(await this.#store.readCommand(number, "closed")) || written;
  }

  /** The same of the job. */
  async #afterCrash(job: Job): Promise<Job> {
    if (job.state !== "pending") return job;
    const closed = await this.#store.readCommand(job.number, "closed");
    const commandBytes = (await this.#keptCommand(job.number))?.length ?? 0;
    const wasNeverClosed = closed?.length === 0 && commandBytes > 0;
    const isEmpty = job.isEmpty && !wasNeverClosed;
    return { ...job, commandBytes, isEmpty, held: false, turn: wasNeverClosed ? null : job.turn };
  }
}

Deno.test("any sequence of changes, commits and rollbacks leaves memory equal to a fresh store on the same file", async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (steps) => {
      await using place = await SqlitePlace.make(inMemory());
      place.now = T0;
      using faults = new FailingStatements();
      await using store = await place.open();
      const run = new Run(place, store, faults);
      try {
        for (const step of steps) await run.step(step);
        await run.end();
      } finally {
        faults.stop();
      }
    }),
    { numRuns: 60 },
  );
});

/** A folder where a sync takes no time. */
function inMemory(): string | undefined {
  try {
    return Deno.statSync("/dev/shm").isDirectory ? "/dev/shm" : undefined;
  } catch {
    return undefined;
  }
}
