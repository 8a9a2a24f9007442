import type { RunToken } from "../job/attempt.ts";
import { getLogger } from "@logtape/logtape";
import { setImmediate } from "node:timers";
import type { Config } from "../job/config.ts";
import { kindOf } from "../job/content.ts";
import type { Ending } from "../job/ending.ts";
import type { Asks } from "../job/header.ts";
import { describeSurvivors, type Survivor } from "../job/log_text.ts";
import type { Job } from "../job/job.ts";
import type { Pieces } from "../job/pieces.ts";
import { commandOf, stdinOf } from "../job/submission.ts";
import { Tally } from "../job/tally.ts";
import { type Claim, CLAIM_BYTES, type Queue, StoreError } from "../queue/queue.ts";
import { abandonedRun, mayAllowStart, type QueueEvent } from "../queue/events.ts";
import type { Executor, ExecutorEvents } from "../run/executor.ts";
import type { Identity } from "./target_user.ts";
import type { EndedMessage, Exit, OutputMessage, StartedMessage } from "../run/messages.ts";
import { Pauses, type User } from "./pauses.ts";
import type { Shortage } from "../run/shortage.ts";
import { atMost } from "../sys/waiting/deadline.ts";

const log = getLogger(["filed", "runner"]);

/** Between SIGTERM and SIGKILL, for a job that somebody removed or moved away. */
const END_GRACE_MS = 5_000;
/** The same when filed stops: what supervises filed does not wait long. */
const STOP_GRACE_MS = 700;
/** And from then on until all is told; what is not then is for the next start. */
const STOP_KILLING_MS = 600;
/** All of a stop that comes after the grace, but for the unmount. */
const STOP_MS = 1_650;
/** Of that, at its end, what the worker has to clean up. */
const STOP_CLEANING_MS = 250;
/** Until the next try, when the state file can't be written (its disk is full). */
const RETRY_MS = 1_000;
/** With so many runs of a user that are over, but for processes that nothing ends, no other job of theirs starts. */
const LINGERING_OF_A_USER = 64;
/** Jobs taken in one go, at most. */
const CLAIM_LIMIT = 32;
/** A longer content counts while it is on its way to the worker: with so many bytes there, no other job is taken. */
const LONG_BYTES = 65_536;
const UNDER_WAY_BYTES = CLAIM_BYTES;

interface Run {
  jobId: string;
  /** `undefined`: of an earlier daemon. */
  attempt: number | undefined;
  /** Whom its processes run as; `undefined`: nobody knows. */
  uid: number | undefined;
  /** What was last stored for this run: its messages are stored in the order they came. */
  stored: Promise<unknown>;
}

/** A run that is not stored as ended. */
interface Running extends Run {
  /** Whose the job was as it started. */
  uid: number;
  timeoutSec: number;
  user: User;
  /** Of its content, if that is long. */
  longBytes: number;
  /** Whether the executor has said if there is a process. */
  isAnswered: boolean;
  /** filed stops: the attempt does not count. */
  isStopped: boolean;
}

/** Rings at a time of the wall clock, and when that clock is set. */
export interface WallAlarm {
  onTime: (why: "due" | "clock-set") => void;
  /** @param at Epoch ms; `undefined`: never. */
  set(at: number | undefined): void;
}

export interface SchedulerOptions {
  alarm: WallAlarm;
  identityOf(job: Job): Identity;
  /** Whose shortages hold up the jobs of a user. */
  userOf(uid: number): User;
  /** The scheduler can't go on. */
  onFailure(error: unknown): void;
}

/**
 * Starts what is ready as soon as it is, and stores what comes of it. It has no clock that ticks: it acts when the
 * queue says that a job may be ready, when a run ends, and when the next job that waits is due.
 */
export class Scheduler implements ExecutorEvents {
  readonly #queue: Queue;
  readonly #options: SchedulerOptions;
  readonly #running = new Map<RunToken, Running>();
  /** Runs that are stored as ended, but for processes that nothing ended: no job of their ids starts. */
  readonly #lingering = new Map<RunToken, Run>();
  /**
   * How many of `#running` have processes. What lingers takes no slot: anybody can have a process wait for a
   * file system of their own that never answers, and would fill all slots for as long as they like. The store
   * bounds how many a user may have.
   */
  #living = 0;
  /** The same of each account, by whose the jobs were when they started. */
  readonly #livingOf = new Tally();
  /** Of the contents that the executor has, and has not said if there is a process. */
  #bytesUnderWay = 0;
  #executor: Executor | undefined;
  #state: "idle" | "starting-jobs" | "asked-again" | "stopped" = "stopped";
  #retry: ReturnType<typeof setTimeout> | undefined;
  readonly #pauses = new Pauses(() => this.#wake());
  #onEmpty: (() => void) | undefined;
  #starting: Promise<void> = Promise.resolve();

  constructor(queue: Queue, options: SchedulerOptions) {
    this.#queue = queue;
    this.#options = options;
    options.alarm.onTime = (why) => {
      if (why === "due") this.#wake();
      else this.#adjustToClock().catch((error) => options.onFailure(error));
    };
  }

  /** Ends what an earlier daemon left running, counts its attempts, and begins to start jobs. */
  async start(executor: Executor): Promise<void> {
    this.#executor = executor;
    const runs = await this.#queue.runs();
    if (runs.length > 0) await this.#sweep(runs, executor);
    this.#state = "idle";
    this.#queue.subscribe((event) => this.#heard(event));
    await this.#adjustToClock();
  }

  /** Starts no more jobs; gives those that run `graceMs`, less if `hurry` aborts, then ends and requeues them. */
  async stop(graceMs: number, hurry: AbortSignal): Promise<void> {
    this.#state = "stopped";
    this.#options.alarm.set(undefined);
    clearTimeout(this.#retry);
    this.#pauses[Symbol.dispose]();
    await this.#starting;
    if (this.#running.size === 0) return this.#executor?.endWithin(STOP_MS);
    const empty = new Promise<void>((resolve) => this.#onEmpty = resolve);
    log.info("waiting for jobs", { running: this.#running.size, graceSec: graceMs / 1_000 });
    await atMost(graceMs, Promise.race([empty, aborted(hurry)]));
    this.#executor?.endWithin(STOP_MS);
    for (const [run, running] of this.#running) {
      running.isStopped = true;
      this.#executor?.end(run, STOP_GRACE_MS, STOP_KILLING_MS);
    }
    await atMost(STOP_MS - STOP_CLEANING_MS, empty);
    for (const [run, { jobId }] of this.#running) await this.#requeueUnheard(run, jobId);
  }

  /** A job may be able to start. */
  #wake() {
    if (this.#state === "starting-jobs") this.#state = "asked-again";
    if (this.#state !== "idle") return;
    this.#state = "starting-jobs";
    this.#starting = this.#startJobs().catch((error) => this.#options.onFailure(error));
  }

  #heard(event: QueueEvent) {
    const abandoned = abandonedRun(event);
    if (abandoned !== undefined) this.#executor?.end(abandoned, END_GRACE_MS);
    if (event.kind === "moved" && event.ending?.kind === "not-run") {
      const { id, state } = event.job;
      log.info("job not run", { job: id, state, reason: event.ending.reason });
    }
    if (mayAllowStart(event)) this.#wake();
  }

  onStarted({ run, leader, cgroup, uid }: StartedMessage) {
    this.#answered(run);
    this.#store(run, () => this.#queue.identify(run, { leader, cgroup, uid }));
  }

  onOutput({ run, bytes }: OutputMessage) {
    const { length } = bytes;
    this.#store(run, async () => {
      await this.#queue.appendLog(run, bytes);
      // In a turn of its own: jobs that print as fast as they can must not keep the kernel's requests waiting.
      setImmediate(() => this.#executor?.taken(run, length));
    });
  }

  onEnded(message: EndedMessage) {
    const { run, exit, survivors } = message;
    const running = this.#running.get(run);
    if (!running) return;
    this.#live(running, -1);
    this.#answered(run);
    if (exit.kind === "put-off") return this.#putOff(run, running, exit.shortage);
    this.#pauses.runEnded(running.user);
    this.#store(run, async () => {
      if (running.isStopped) {
        const job = await this.#queue.requeue(run, survivors);
        if (job) log.info("attempt stopped", { job: job.id, attempt: running.attempt });
      } else {
        const job = await this.#queue.ended(run, { ...message, ending: endingOf(exit, running.timeoutSec) });
        log.info("attempt ended", {
          job: job?.id ?? running.jobId, // It may have got another meanwhile.
          attempt: running.attempt,
          ...exit,
          state: job?.state ?? "taken away",
        });
      }
      if (survivors.length > 0) {
        warnOf(survivors, running);
        this.#lingering.set(run, running);
      }
      this.#forget(run);
    });
  }

  onGone(run: RunToken) {
    this.#store(run, async ({ jobId }) => {
      await this.#queue.forget(run);
      this.#lingering.delete(run);
      log.info("processes that could not be ended are gone", { job: jobId });
    });
  }

  onFailure(error: unknown) {
    this.#options.onFailure(error);
  }

  #answered(run: RunToken) {
    const running = this.#running.get(run);
    if (!running || running.isAnswered) return;
    running.isAnswered = true;
    const hadToWait = this.#bytesUnderWay >= UNDER_WAY_BYTES;
    this.#bytesUnderWay -= running.longBytes;
    if (hadToWait || this.#pauses.allowed !== undefined) this.#wake(); // It may have been what others waited for.
  }

  /** Takes a job back to its place: it has not begun. */
  #putOff(run: RunToken, { user }: Running, shortage: Shortage) {
    const returned = this.#pauses.putOff(shortage, user);
    this.#store(run, async ({ attempt }) => {
      const job = await this.#queue.requeue(run);
      if (job) log.info("attempt put off", { job: job.id, attempt });
      this.#forget(run);
      returned();
    });
  }

  #forget(run: RunToken) {
    this.#running.delete(run);
    if (this.#running.size === 0) this.#onEmpty?.();
  }

  /** Puts a job back of whose end nothing was heard: its run is for the next start. */
  async #requeueUnheard(run: RunToken, jobId: string) {
    try {
      await this.#queue.requeue(run, "unknown");
      log.warn("attempt stopped, and maybe not gone", { job: jobId });
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      log.error("cannot store what a job did", { job: jobId, error });
    }
  }

  /** Ends what runs of an earlier daemon left. */
  async #sweep(runs: Awaited<ReturnType<Queue["runs"]>>, executor: Executor) {
    const swept = Promise.withResolvers<void>();
    for (const { run, id, uid } of runs) {
      this.#lingering.set(run, { jobId: id, attempt: undefined, uid, stored: swept.promise });
    }
    const survivors = await executor.sweep(runs);
    for (const { run, id } of runs) {
      const left = survivors.get(run) ?? [];
      try {
        await this.#interrupt(run, id, left);
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
        this.#store(run, () => this.#interrupt(run, id, left)); // Until then nothing of the job starts, and all else goes on.
      }
    }
    swept.resolve();
  }

  async #interrupt(run: RunToken, id: string, survivors: readonly Survivor[]) {
    const end = { ending: { kind: "interrupted" } as const, droppedBytes: 0, tail: new Uint8Array() };
    const job = await this.#queue.ended(run, { ...end, survivors });
    if (job) log.warn("attempt interrupted", { job: job.id, attempt: job.attempts, state: job.state });
    if (survivors.length > 0) warnOf(survivors, { jobId: id, attempt: undefined });
    else this.#lingering.delete(run);
  }

  /** A clock that was set back must not leave retries waiting for as long. */
  async #adjustToClock() {
    try {
      await this.#queue.adjustToClock();
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      log.error("cannot adjust what waits to the clock", { error });
    }
    this.#wake();
  }

  async #startJobs() {
    clearTimeout(this.#retry);
    do {
      this.#state = "starting-jobs";
      try {
        await this.#endLate();
        await this.#tellDependants();
        const slots = await this.#fillSlots();
        const at = await this.#queue.nextVisibleAt();
        const deadlineAt = await this.#queue.nextDeadlineAt();
        // What is due by now waits for a slot, and whoever frees one wakes us.
        const isOverdue = at !== undefined && at <= this.#queue.now();
        this.#options.alarm.set(earlier(isOverdue && slots === "taken" ? undefined : at, deadlineAt));
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
        log.error("cannot take a job", { error });
        this.#retry = setTimeout(() => this.#wake(), RETRY_MS);
      }
    } while (this.#hasBeenAskedAgain());
    if (this.#state === "starting-jobs") this.#state = "idle";
  }

  /** Ends the jobs that were to have started by now. */
  async #endLate() {
    while ((await this.#queue.nextDeadlineAt() ?? Infinity) <= this.#queue.now()) {
      await this.#queue.endLate();
    }
  }

  /** All of them, before one may start: else those behind might start before those ahead. */
  async #tellDependants() {
    while (this.#queue.hasDue && !this.#isStopped()) await this.#queue.tellDependants();
  }

  #hasBeenAskedAgain() {
    return this.#state === "asked-again";
  }

  #isStopped() {
    return this.#state === "stopped";
  }

  /** @returns Whether some are free. */
  async #fillSlots(): Promise<"free" | "taken"> {
    for (;;) {
      const config = await this.#queue.config();
      const free = Math.min(config.maxJobCount - this.#living, this.#allowed());
      if (free <= 0 || this.#isStopped() || this.#bytesUnderWay >= UNDER_WAY_BYTES) return "taken";
      await this.#queue.placed();
      const limit = Math.min(free, CLAIM_LIMIT);
      const claims = await this.#queue.claim(limit, (uid) => this.#room(uid, config));
      if (this.#isStopped()) {
        for (const { run } of claims) await this.#queue.requeue(run);
        return "taken";
      }
      const now = await this.#queue.config(); // They may have been changed meanwhile, and hold for each start from then on.
      for (const claim of claims) this.#begin(claim, this.#queue.settingsOf(claim.job, now));
      if (claims.length < limit && sumOf(claims) < CLAIM_BYTES) return "free";
    }
  }

  /**
   * How many starts a pause of all allows; none as long as one is still under way that may be put off, so
   * that none overtakes it.
   */
  #allowed(): number {
    const { allowed } = this.#pauses;
    if (allowed === undefined) return Infinity;
    if (allowed <= 0 || this.#running.values().some(({ isAnswered }) => !isAnswered)) return 0;
    this.#executor?.resume();
    return allowed;
  }

  /**
   * How many more jobs of a user may start: as the share says, and runs that nothing ends each keep a row, a cgroup
   * and a descriptor.
   */
  #room(uid: number, { maxJobCountPerUser }: Config): number {
    if (this.#lingering.size >= LINGERING_OF_A_USER && this.#lingeringOf(uid) >= LINGERING_OF_A_USER) {
      return 0;
    }
    const share = maxJobCountPerUser === 0
      ? Infinity
      : maxJobCountPerUser - this.#livingOf.of(this.#queue.accountOf(uid));
    return Math.min(share, this.#pauses.room(this.#options.userOf(uid)));
  }

  #live({ uid }: Running, change: 1 | -1) {
    this.#living += change;
    this.#livingOf.add(this.#queue.accountOf(uid), change);
  }

  #lingeringOf(uid: number): number {
    return this.#lingering.values().filter((running) => running.uid === uid).reduce((count) => count + 1, 0);
  }

  #begin(claim: Claim, config: Config) {
    const { job, run, command } = claim;
    const identity = this.#options.identityOf(job);
    const user = this.#options.userOf(job.uid);
    const longBytes = command.length > LONG_BYTES ? command.length : 0;
    this.#pauses.take(user);
    this.#bytesUnderWay += longBytes;
    const running = {
      jobId: job.id,
      attempt: job.attempts,
      timeoutSec: config.timeoutSec,
      user,
      uid: job.uid,
      longBytes,
      isAnswered: false,
      stored: Promise.resolve(),
      isStopped: false,
    };
    this.#running.set(run, running);
    this.#live(running, 1);
    if (identity.kind === "refused") this.#refuse(run, identity.reason);
    else this.#execute(claim, config, identity);
    log.info("attempt started", { job: job.id, attempt: job.attempts }); // After what the job waits for.
  }

  #execute(
    { job, run, command, slots }: Claim,
    { timeoutSec, maxLogBytes, maxMemoryMb, maxCpuSec, maxFileMb, maxOpenFiles, nice }: Config,
    identity: Exclude<Identity, { kind: "refused" }>,
  ) {
    this.#executor?.start({
      run,
      jobId: job.id,
      attempt: job.attempts,
      ...asked(command, job.asks),
      slots,
      runAs: identity.kind === "other" ? identity.user : undefined,
      timeoutMs: timeoutSec * 1_000,
      maxLogBytes,
      limits: { maxMemoryMb, maxCpuSec, maxFileMb, maxOpenFiles, nice },
    });
  }

  /** Ends a run that nobody may make. */
  #refuse(run: RunToken, reason: string) {
    const exit: Exit = { kind: "not-started", reason, isFinal: false };
    this.onEnded({ kind: "ended", run, exit, droppedBytes: 0, tail: new Uint8Array(), survivors: [] });
  }

  /** Stores one thing after another for a run; tries again for as long as the state file can't be written. */
  #store(run: RunToken, store: (of: Run) => Promise<void>) {
    const running = this.#running.get(run) ?? this.#lingering.get(run);
    if (!running) return;
    running.stored = running.stored.then(async () => {
      for (;;) {
        try {
          return await store(running);
        } catch (error) {
          if (!(error instanceof StoreError)) throw error;
          log.error("cannot store what a job did", { job: running.jobId, error });
          await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
        }
      }
    }).catch((error) => this.#options.onFailure(error));
  }
}

/** What a job is, and what it asks of its start. */
function asked(content: Pieces, asks: Asks) {
  const command = commandOf(content, asks);
  return {
    content: command.subarray(),
    how: asks.old ? "text" as const : kindOf(command),
    stdin: stdinOf(content, asks),
    cwd: asks.cwd,
    warnMs: (asks.warnSec ?? 0) * 1_000,
  };
}

function sumOf(claims: readonly Claim[]): number {
  return claims.reduce((sum, { command }) => sum + command.length, 0);
}

function warnOf(survivors: readonly Survivor[], { jobId, attempt }: Pick<Run, "jobId" | "attempt">) {
  const processes = describeSurvivors(survivors);
  log.warn("processes could not be ended", {
    job: jobId,
    ...attempt === undefined ? {} : { attempt },
    processes,
  });
}

function endingOf(exit: Exclude<Exit, { kind: "put-off" }>, timeoutSec: number): Ending {
  return exit.kind === "timed-out" ? { kind: "timed-out", afterSec: timeoutSec } : exit;
}

function earlier(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? one ?? other : Math.min(one, other);
}

/** Resolves once `signal` aborts. */
function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
