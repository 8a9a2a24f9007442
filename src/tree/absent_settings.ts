import { Expiring } from "./expiring.ts";

/** How long a program goes on to miss what it has removed: mv(1) writes another at once. */
export const ABSENT_MS = 2_000;

/** A thread of a client. `pid` is its thread id; 0 if it is in another PID namespace, and so may be any. */
interface Thread {
  uid: number;
  pid: number;
}

/**
 * The threads that have removed config.json, or given it another name. They don't find it until they have
 * made another, as they expect; everybody else finds it all the time.
 */
export class AbsentSettings {
  /** The user, by thread id. */
  readonly #absent: Expiring<number, number>;

  constructor(now: () => number) {
    this.#absent = new Expiring(ABSENT_MS, now);
  }

  has({ uid, pid }: Thread): boolean {
    return this.#absent.get(pid) === uid;
  }

  /** @returns Whether that can be: threads of other PID namespaces are not told apart. */
  add({ uid, pid }: Thread): boolean {
    if (pid === 0) return false;
    this.#absent.set(pid, uid);
    return true;
  }

  /** It has made another. */
  delete({ pid }: Thread) {
    this.#absent.delete(pid);
  }
}
