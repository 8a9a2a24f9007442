import { getLogger } from "@logtape/logtape";
import type { Active, Ended, Job } from "../job/job.ts";
import type { QueueEvent } from "../queue/events.ts";
import type { Queue } from "../queue/queue.ts";
import type { Handle } from "./node.ts";
import { inodeOf } from "./node_ids.ts";

const log = getLogger(["filed", "tree"]);

/** A job outside of pending/, where it shows its log. */
export type LoggedJob = Active | Ended;

/** A log that somebody has open. */
interface OpenLog {
  /** As it was last seen with this log. */
  job: LoggedJob;
  readers: number;
}

/** The logs that somebody reads: each stays until its last reader closes, whatever becomes of its job. */
export class OpenLogs {
  readonly #queue: Queue;
  /** By job and ordinal. */
  readonly #open = new Map<number, Map<number, OpenLog>>();
  /** Ordinals of the logs that began while somebody had an earlier one of their job open. */
  readonly #apart = new Map<number, Set<number>>();

  constructor(queue: Queue) {
    this.#queue = queue;
    queue.subscribe((event) => this.#heard(event));
  }

  /** One open of a job's log by a user: of the attempt that it was opened for, whatever the job does later. */
  open(job: LoggedJob, uid: number): Handle {
    const { number, log: { ordinal } } = job;
    const logs = this.#open.get(number) ?? new Map<number, OpenLog>();
    const open = logs.get(ordinal) ?? { job, readers: 0 };
    const retained = this.#queue.retainLog(number, ordinal, uid);
    open.readers++;
    this.#open.set(number, logs.set(ordinal, open));
    return {
      // What the kernel has of a log that has ended stays right until its time changes: there is another then.
      ...job.state === "active" ? {} : { cache: "keep" },
      read: (offset, sizeBytes) => this.#queue.readLog(number, ordinal, offset, sizeBytes),
      release: () => this.#release(open, retained, number, ordinal),
    };
  }

  /** The job of a log that somebody has open. */
  byNo(number: number, ordinal: number): LoggedJob | undefined {
    return this.#open.get(number)?.get(ordinal)?.job;
  }

  /**
   * stat(2)'s inode number of a job's log: that of the job, as long as nobody can see two of its logs. Else
   * each has its own, since tail -F tells them apart by it.
   */
  inode(number: number, ordinal: number): bigint {
    return inodeOf(number, this.#apart.get(number)?.has(ordinal) ? ordinal : 0);
  }

  #heard(event: QueueEvent) {
    if (event.kind === "removed") this.#removed(event.job);
    if (event.kind === "rewritten") this.#removed(event.by);
    if (event.kind === "moved" && event.replaced) this.#removed(event.replaced);
    const hasNewLog = event.kind === "started" ||
      event.kind === "moved" && event.job.ordinal !== event.before.ordinal;
    if (!hasNewLog) return;
    const { number, ordinal } = event.job;
    const open = this.#open.get(number);
    if (!open) return void this.#apart.delete(number);
    const apart = [...this.#apart.get(number) ?? []].filter((known) => open.has(known));
    this.#apart.set(number, new Set([...apart, ordinal]));
  }

  #removed(job: Job) {
    const logs = this.#open.get(job.number);
    if (!logs) this.#apart.delete(job.number);
    const open = logs?.get(job.ordinal);
    if (open && job.state !== "pending") open.job = job;
  }

  /** A log that could not be dropped is at the next start. */
  async #release(open: OpenLog, retained: AsyncDisposable, number: number, ordinal: number): Promise<void> {
    if (--open.readers === 0) {
      const logs = this.#open.get(number);
      logs?.delete(ordinal);
      if (logs?.size === 0) this.#open.delete(number);
      if (!await this.#queue.byNo(number)) this.#apart.delete(number);
    }
    try {
      await retained[Symbol.asyncDispose]();
    } catch (error) {
      log.warn("cannot drop a log that nobody reads any more", { job: open.job.id, error });
    }
  }
}
