import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import type { JobId } from "../../src/job/id.ts";
import type { Exit } from "../../src/run/messages.ts";
import { assembleStill, type Start, type StillParts } from "../assembly.ts";
import { type Place, within } from "../harness.ts";

/** A queue and its scheduler, with the hands of the clock in the test's. */
export class ClockBench implements AsyncDisposable {
  private constructor(readonly clock: { now: number }, readonly parts: StillParts) {
    this.executor.onEnd = (run) => this.#end(run, { kind: "signaled", signal: "SIGTERM" });
  }

  /** @param now What the clock shows, epoch ms. */
  static async start(place: Place, now: number): Promise<ClockBench> {
    const clock = { now };
    const parts = await assembleStill(`${place.path}/filed.db`, { now: () => clock.now });
    const bench = new ClockBench(clock, parts);
    await parts.scheduler.start(parts.executor);
    await bench.settled();
    return bench;
  }

  get queue() {
    return this.parts.queue;
  }

  get executor() {
    return this.parts.executor;
  }

  get alarm() {
    return this.parts.alarm;
  }

  async submit(id: string): Promise<void> {
    const created = await this.queue.create(id as JobId, { uid: 0, gid: 0, mode: 0o644 });
    assert.ok(created.ok);
    const { file } = created.value;
    await this.queue.saveClosed(
      file,
      new TextEncoder().encode("false"),
      { uids: new Set(), of: "all" },
      undefined,
    );
    await this.queue.release(file);
  }

  /** The run ends with status 1, and its job waits for its next attempt. */
  async fail({ run, jobId }: Start): Promise<void> {
    this.#end(run, { kind: "exited", status: 1 });
    await within(`the end of ${jobId}`, async () => {
      const isRun = async () => {
        const job = await this.queue.byId(jobId);
        return job?.state === "active" && job.run === run;
      };
      while (await isRun()) await this.settled();
    });
    await this.settled();
  }

  /** The clock shows another time at once; the kernel tells the alarm. */
  async setClock(now: number): Promise<void> {
    this.clock.now = now;
    this.alarm.onTime("clock-set");
    await this.settled();
  }

  /** The clock goes on to the time at which the alarm rings. */
  async untilAlarm(): Promise<void> {
    assert.notEqual(this.alarm.at, undefined, "no alarm is set: what waits would wait for ever");
    this.clock.now = Math.max(this.clock.now, this.alarm.at as number);
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
    assert.deepEqual(this.parts.failures, []);
  }

  #end(run: string, exit: Exit) {
    this.parts.scheduler.onEnded({
      kind: "ended",
      run,
      exit,
      droppedBytes: 0,
      tail: new Uint8Array(),
      survivors: [],
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.parts.scheduler.stop(0, AbortSignal.abort());
    await this.parts[Symbol.asyncDispose]();
  }
}
