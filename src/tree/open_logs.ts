import { getLogger } from "@logtape/logtape";
import type { Job, LogReaders, Queue } from "../queue/queue.ts";
import type { Handle } from "./node.ts";

const log = getLogger(["filed", "tree"]);

/** The logs that somebody reads: one that its job has no more is kept until its last reader closes. */
export class OpenLogs implements LogReaders {
  readonly #queue: Queue;
  /** How many have a log open, by its number. */
  readonly #readers = new Map<number, number>();
  readonly #removed = new Map<number, Job>();
  /** Logs of jobs that were given away: what the kernel knows of who may open them can be old. */
  readonly #disowned = new Set<number>();

  constructor(queue: Queue) {
    this.#queue = queue;
    queue.keepLogsFor(this);
  }

  /** Whether the next log of its job must be another than this. */
  has(logNumber: number): boolean {
    return this.#readers.has(logNumber) || this.#disowned.has(logNumber);
  }

  /** One open of a job's log: of the attempt that it was opened for, whatever the job does later. */
  open({ logNumber, state }: Job): Handle {
    this.#readers.set(logNumber, (this.#readers.get(logNumber) ?? 0) + 1);
    return {
      // What the kernel has of a log that has ended stays right until its time changes: there is another
      // then.
      ...state === "active" ? {} : { cache: "keep" },
      read: (offset, sizeBytes) => this.#queue.readLog(logNumber, offset, sizeBytes),
      release: () => this.#release(logNumber),
    };
  }

  /** The job has another owner. */
  disown({ logNumber, logBytes }: Job) {
    if (logBytes > 0) this.#disowned.add(logNumber);
  }

  /**
   * The job was removed, or has another log, and this one was kept because somebody read it; by now the last
   * reader may have closed it.
   * @param job As it was.
   */
  async replaced(job: Job): Promise<void> {
    const { logNumber } = job;
    this.#disowned.delete(logNumber);
    if (this.#readers.has(logNumber)) this.#removed.set(logNumber, job);
    else await this.#drop(logNumber);
  }

  /** The job, as it was, whose log this no longer is. */
  formerJobOf(logNumber: number): Job | undefined {
    return this.#removed.get(logNumber);
  }

  async #release(logNumber: number): Promise<void> {
    const readers = (this.#readers.get(logNumber) ?? 1) - 1;
    if (readers > 0) return void this.#readers.set(logNumber, readers);
    this.#readers.delete(logNumber);
    if (this.#removed.delete(logNumber)) await this.#drop(logNumber);
  }

  /** The log is gone, whatever becomes of it: at the next start, what could not be dropped is. */
  async #drop(logNumber: number) {
    try {
      await this.#queue.dropLog(logNumber);
    } catch (error) {
      log.warn("cannot drop a log that nobody reads any more", { logNumber, error });
    }
  }
}
