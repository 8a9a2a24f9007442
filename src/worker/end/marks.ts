import type { RunToken } from "../../job/attempt.ts";
import { MarkReader } from "./mark_reader.ts";
import type { Process } from "./processes.ts";

/** Processes that are read in one go. */
const BATCH = 1_000;
/** Readers that hang at processes of one user; with so many, no other process of that user is read. */
const HANGING_OF_A_USER = 3;
/** The same of all users, since each is a process. */
const HANGING = 48;

type ProcessKey = `${number} ${number}`;

/**
 * Reads of which run processes say that they are, by FILED_RUN in their environment. Whoever owns a process
 * can make that hang for ever, and so that no SIGKILL helps: it can hold its own memory, or have a file
 * system of its own answer for it. So another process reads, which may hang; and it reads what may belong to
 * one user only, so that nobody waits for another's. What did not answer is never asked again, but may still
 * answer.
 */
export class Marks implements Disposable {
  /** `undefined`: it has none. It gets none later, since it got its environment from a parent. */
  #known = new Map<ProcessKey, RunToken | undefined>();
  /** It has shown no environment once, as if it executed a program just then; who does so twice has none. */
  #blank = new Set<ProcessKey>();
  /** Processes that a reader is at, or comes to yet. */
  readonly #asked = new Map<ProcessKey, MarkReader>();
  readonly #readers = new Map<MarkReader, { uid: number; hangs: boolean }>();
  /** By uid: settles when it is known what answers. */
  readonly #reading = new Map<number, Promise<void>>();

  /**
   * @param processes All of them may belong to `uid`.
   * @returns By pid, the mark of each; `undefined`: it has none. Nothing is known of those left out, who let
   * nobody look at them, or executed a program just then.
   */
  async of(processes: readonly Process[], uid: number): Promise<Map<number, RunToken | undefined>> {
    while (this.#reading.has(uid)) await this.#reading.get(uid);
    if (processes.some((process) => this.#isToAsk(process))) {
      const reading = this.#readAll(processes, uid).finally(() => this.#reading.delete(uid));
      this.#reading.set(uid, reading);
      await reading;
    }
    const known = processes.filter((process) => this.#known.has(keyOf(process)));
    return new Map(known.map((process) => [process.pid, this.#known.get(keyOf(process))]));
  }

  /** Forgets the processes that are not among those that live. */
  keepOnly(living: readonly Process[]): void {
    if (this.#known.size + this.#blank.size <= living.length) return;
    const keys = new Set(living.map(keyOf));
    this.#known = new Map([...this.#known].filter(([key]) => keys.has(key)));
    this.#blank = this.#blank.intersection(keys);
  }

  [Symbol.dispose](): void {
    for (const reader of this.#readers.keys()) reader.kill();
  }

  #isToAsk(process: Process): boolean {
    const key = keyOf(process);
    return !this.#known.has(key) && !this.#asked.has(key);
  }

  async #readAll(processes: readonly Process[], uid: number): Promise<void> {
    const tried = new Set<Process>();
    while (this.#mayRead(uid)) {
      const batch = processes.filter((one) => !tried.has(one) && this.#isToAsk(one)).slice(0, BATCH);
      const reader = batch.length > 0 && await MarkReader.start(batch.map(({ pid }) => pid));
      if (!reader) return;
      for (const process of batch) tried.add(process);
      await this.#read(batch, uid, reader);
    }
  }

  #mayRead(uid: number): boolean {
    const hanging = [...this.#readers.values()].filter(({ hangs }) => hangs);
    return hanging.length < HANGING && hanging.filter((one) => one.uid === uid).length < HANGING_OF_A_USER;
  }

  /** Resolves once the reader has ended, or hangs. */
  async #read(batch: readonly Process[], uid: number, reader: MarkReader): Promise<void> {
    const state = { uid, hangs: false };
    this.#readers.set(reader, state);
    for (const process of batch) this.#asked.set(keyOf(process), reader);
    const ended = reader.ended.then(() => this.#end(batch, reader));
    await reader.untilItHangs();
    this.#learn(batch, reader);
    if (reader.hasEnded) return await ended;
    state.hangs = true;
    // It hangs at what comes after the last that answered, most often. If it is what comes after that, the
    // next hangs there.
    const index = batch.findLastIndex(({ pid }) => reader.marks.has(pid));
    for (const process of batch.slice(index + 2)) this.#asked.delete(keyOf(process));
  }

  #learn(batch: readonly Process[], { marks }: MarkReader) {
    for (const process of batch) {
      if (marks.has(process.pid)) this.#known.set(keyOf(process), marks.get(process.pid));
    }
  }

  #end(batch: readonly Process[], reader: MarkReader) {
    this.#learn(batch, reader);
    this.#readers.delete(reader);
    for (const key of batch.map(keyOf)) {
      if (this.#asked.get(key) !== reader) continue;
      this.#asked.delete(key);
      if (this.#known.has(key)) continue;
      if (this.#blank.has(key)) this.#known.set(key, undefined);
      else this.#blank.add(key);
    }
  }
}

function keyOf({ pid, startTicks }: Process): ProcessKey {
  return `${pid} ${startTicks}`;
}
