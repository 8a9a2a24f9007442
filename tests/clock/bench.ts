import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import type { JobId } from "../../src/job/id.ts";
import { Queue } from "../../src/queue/queue.ts";
import type { Executor } from "../../src/run/executor.ts";
import type { Exit, StartMessage } from "../../src/run/messages.ts";
import { Scheduler, type WallAlarm } from "../../src/schedule/scheduler.ts";
import { SqliteStore } from "../../src/store/sqlite/store.ts";
import { Place, within } from "../harness.ts";

type Start = Omit<StartMessage, "kind">;

/** Starts nothing, and hears of all that would start. */
class StillExecutor {
  readonly starts: Start[] = [];
  #onStart = Promise.withResolvers<void>();

  start(run: Start) {
    this.starts.push(run);
    this.#onStart.resolve();
    this.#onStart = Promise.withResolvers();
  }

  /** Resolves once that many were started, with the last of them. */
  async started(count: number): Promise<Start> {
    await within(`${count} starts`, async () => {
      while (this.starts.length < count) await this.#onStart.promise;
    });
    return this.starts[count - 1] as Start;
  }

  /** What `end` does. */
  onEnd: (run: string) => void = () => {};

  end(run: string) {
    this.onEnd(run);
  }

  taken() {}

  endWithin() {}

  sweep() {
    return Promise.resolve(new Map());
  }
}

/** The alarm of a clock that only the test moves. */
class HandAlarm implements WallAlarm {
  onTime: (why: "due" | "clock-set") => void = () => {};
  at: number | undefined;

  set(at: number | undefined) {
    this.at = at;
  }
}

/** A queue and its scheduler, with the hands of the clock in the test's. */
export class ClockBench implements AsyncDisposable {
  readonly executor = new StillExecutor();
  readonly alarm = new HandAlarm();
  readonly queue: Queue;
  readonly scheduler: Scheduler;
  readonly failures: unknown[] = [];

  private constructor(readonly place: Place, readonly store: SqliteStore, public now: number) {
    this.executor.onEnd = (run) => this.#end(run, { kind: "signaled", signal: "SIGTERM" });
    this.queue = new Queue(store, () => this.now);
    this.scheduler = new Scheduler(this.queue, {
      alarm: this.alarm,
      identityOf: () => ({ kind: "daemon" }),
      onFailure: (error) => this.failures.push(error),
    });
  }

  /** @param now What the clock shows, epoch ms. */
  static async start(place: Place, now: number): Promise<ClockBench> {
    const bench = new ClockBench(place, SqliteStore.open(`${place.path}/filed.db`), now);
    await bench.scheduler.start(bench.executor as unknown as Executor);
    await bench.settled();
    return bench;
  }

  async submit(id: string): Promise<void> {
    const created = await this.queue.create(id as JobId, { uid: 0, gid: 0, mode: 0o644 });
    assert.ok(created.ok);
    const { number } = created.value;
    await this.queue.close(
      number,
      new TextEncoder().encode("false"),
      { uids: new Set(), of: "all" },
      undefined,
    );
    await this.queue.release(number);
  }

  /** The run ends with status 1, and its job waits for its next attempt. */
  async fail({ run, jobId }: Start): Promise<void> {
    this.#end(run, { kind: "exited", status: 1 });
    await within(`the end of ${jobId}`, async () => {
      while ((await this.queue.find(jobId))?.run === run) await this.settled();
    });
    await this.settled();
  }

  /** The clock shows another time at once; the kernel tells the alarm. */
  async setClock(now: number): Promise<void> {
    this.now = now;
    this.alarm.onTime("clock-set");
    await this.settled();
  }

  /** The clock goes on to the time at which the alarm rings. */
  async untilAlarm(): Promise<void> {
    assert.notEqual(this.alarm.at, undefined, "no alarm is set: what waits would wait for ever");
    this.now = Math.max(this.now, this.alarm.at as number);
    this.alarm.onTime("due");
    await this.settled();
  }

  /** Waits until the scheduler has nothing left to do: its work is a chain of promises and of calls of the store. */
  async settled(): Promise<void> {
    for (let call = 0; call < 4; call++) {
      for (let turn = 0; turn < 10; turn++) await setImmediate();
      await this.queue.setNode("settled", { uid: 0, gid: 0, mode: 0 }); // Durable, as all calls before it then are.
    }
    for (let turn = 0; turn < 10; turn++) await setImmediate();
    assert.deepEqual(this.failures, []);
  }

  #end(run: string, exit: Exit) {
    this.scheduler.onEnded({
      kind: "ended",
      run,
      exit,
      droppedBytes: 0,
      tail: new Uint8Array(),
      survivors: [],
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.scheduler.stop(0, AbortSignal.abort());
    await this.store[Symbol.asyncDispose]();
  }
}
