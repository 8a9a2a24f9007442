import { killAgain, type Reach } from "./ending.ts";
import { holdProcess, lives, type Process } from "./processes.ts";
import type { Reactor } from "./reactor.ts";
import { delay } from "./waiting.ts";

/** Processes that are held, at most: descriptors are for what runs. */
const HELD = 128;
/** Between two looks at a process that is not held. */
const LOOK_MS = 1_000;

/**
 * Waits for what SIGKILL did not end: until a file system answers, or a program with other rights has done
 * its work.
 */
export class Vigils implements Disposable {
  readonly #reactor: Reactor;
  /** By what the wait for a held process is given up. */
  readonly #held = new Set<Disposable>();
  #isOver = false;

  constructor(reactor: Reactor) {
    this.#reactor = reactor;
  }

  /** Resolves once nothing is left; never after this was disposed of. */
  async untilGone(reach: Reach): Promise<void> {
    for (let left; (left = await killAgain(reach)).length > 0;) {
      await Promise.all(left.map((process) => this.#untilEnded(process)));
    }
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    for (const held of this.#held) held[Symbol.dispose]();
    this.#held.clear();
  }

  async #untilEnded(process: Process): Promise<void> {
    if (this.#isOver) return await new Promise(() => {});
    const pidfd = this.#held.size < HELD ? holdProcess(process.pid) : undefined;
    if (!pidfd || !lives(process)) {
      pidfd?.[Symbol.dispose]();
      while (!this.#isOver && lives(process)) await delay(LOOK_MS);
      return;
    }
    const ended = Promise.withResolvers<void>();
    using held = new DisposableStack();
    held.use(pidfd);
    held.use(this.#reactor.watch(pidfd.fd, () => ended.resolve()));
    this.#held.add(held);
    await ended.promise;
    this.#held.delete(held);
  }
}
