import type { Pidfd } from "../../sys/processes/pidfd.ts";
import { killAgain, type ProcessSet } from "./termination.ts";
import type { Member, Members } from "./member.ts";
import { holdProcess } from "./processes.ts";
import type { Reactor } from "../reactor.ts";
import { delay } from "../../run/waiting.ts";

/** Processes that are held, at most: descriptors are for what runs. */
const HELD = 128;
/** Between two looks at processes of which none is held. */
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
  async untilGone(set: ProcessSet): Promise<void> {
    for (let left; (left = await killAgain(set)).length > 0;) await this.#untilEnded(left, set.members);
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    for (const held of this.#held) held[Symbol.dispose]();
    this.#held.clear();
  }

  /** Waits for those of them that can be held; for all that is known if none can be. */
  async #untilEnded(left: readonly Member[], members: Members): Promise<void> {
    if (this.#isOver) return await new Promise(() => {});
    const held = this.#hold(left);
    // Asked once they are held: so each that is there is the one that is held.
    const there = new Set(members.still(left).map(({ key }) => key));
    const ends = held.map(({ key, pidfd }) =>
      there.has(key) ? this.#untilReadable(pidfd) : pidfd[Symbol.dispose]()
    );
    if (held.length > 0) await Promise.all(ends);
    else while (!this.#isOver && members.areLeft()) await delay(LOOK_MS);
  }

  #hold(left: readonly Member[]): { key: string; pidfd: Pidfd }[] {
    return left.slice(0, HELD - this.#held.size).flatMap(({ key, pid }) => {
      const pidfd = holdProcess(pid);
      return pidfd ? { key, pidfd } : [];
    });
  }

  async #untilReadable(pidfd: Pidfd): Promise<void> {
    const ended = Promise.withResolvers<void>();
    using held = new DisposableStack();
    held.use(pidfd);
    held.use(this.#reactor.watch(pidfd.fd, () => ended.resolve()));
    this.#held.add(held);
    await ended.promise;
    this.#held.delete(held);
  }
}
