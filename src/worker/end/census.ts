import { ErrnoError } from "../../sys/errno.ts";
import { listProcesses, type Process } from "./processes.ts";
import { delay } from "../../run/waiting.ts";

/** Until the next try, where there is no descriptor or memory to look with. */
const RETRY_MS = 50;

/**
 * Lists the processes of the host: once for all who ask while another list is being made, so that many runs
 * that end at a time cost what one does.
 */
export class Census {
  readonly #list: () => Promise<Process[]>;
  /** Settles with the list that is being made. */
  #current: Promise<unknown> = Promise.resolve();
  /** The one after that. */
  #next: Promise<Process[]> | undefined;

  constructor(list: () => Promise<Process[]> = listProcesses) {
    this.#list = list;
  }

  /** @returns What lives, as it is found after this was called. */
  take(): Promise<Process[]> {
    this.#next ??= this.#current.then(() => {
      this.#current = this.#next ?? this.#current;
      this.#next = undefined;
      return untilSeen(this.#list);
    });
    return this.#next;
  }
}

/** Looks at processes, as often as it takes until there is a descriptor and memory to look with. */
export async function untilSeen<T>(look: () => T | Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await look();
    } catch (error) {
      if (!(error instanceof ErrnoError)) throw error;
      await delay(RETRY_MS);
    }
  }
}
