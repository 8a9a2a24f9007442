import { getLogger } from "@logtape/logtape";
import type { Job, Queue } from "../queue/queue.ts";

const log = getLogger(["filed", "tree"]);

/** One open of a job's log. */
export interface LogHandle {
  kind: "log";
  number: number;
}

/** The logs that somebody reads: one of a removed job is kept until its last reader closes. */
export class OpenLogs {
  readonly #queue: Queue;
  readonly #readers = new Map<number, number>();
  readonly #removed = new Map<number, Job>();

  constructor(queue: Queue) {
    this.#queue = queue;
  }

  has(number: number): boolean {
    return this.#readers.has(number);
  }

  open(number: number): LogHandle {
    this.#readers.set(number, (this.#readers.get(number) ?? 0) + 1);
    return { kind: "log", number };
  }

  /** The job was removed, its log kept because somebody read it; by now the last reader may have closed it. */
  async removed(job: Job): Promise<void> {
    if (this.has(job.number)) this.#removed.set(job.number, job);
    else await this.#drop(job.number);
  }

  /** A removed job that is still read, as it was. */
  get(number: number): Job | undefined {
    return this.#removed.get(number);
  }

  async release({ number }: LogHandle): Promise<void> {
    const readers = (this.#readers.get(number) ?? 1) - 1;
    if (readers > 0) return void this.#readers.set(number, readers);
    this.#readers.delete(number);
    if (this.#removed.delete(number)) await this.#drop(number);
  }

  /** The job is gone, whatever becomes of its log: at the next start, what could not be dropped is. */
  async #drop(number: number) {
    try {
      await this.#queue.dropLog(number);
    } catch (error) {
      log.warn("cannot drop the log of a removed job", { number, error });
    }
  }
}
