import { getLogger } from "@logtape/logtape";
import { ignoredSignals, ignoreSignal, resetSignal } from "../sys/processes/ignored_signals.ts";

const log = getLogger(["filed", "daemon"]);

/** With their numbers, which are the same on x86-64 and arm64. */
const STOPPING = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGTERM: 15 } as const;
/** They would end filed, and leave a dead mount, while nobody who sends one means that. */
const MEANINGLESS = { SIGUSR1: 10, SIGUSR2: 12 } as const;

/**
 * Past its limit of file sizes a process is ended by it; ignored, the write fails, and so does what asked for
 * it.
 */
const SIGXFSZ = 25;
/** Where it is ignored, nobody can ask how a child ended, and waitpid(2) says ECHILD. */
const SIGCHLD = 17;
/** What filed hears, whatever it was started to ignore. */
const HEARD: readonly number[] = [STOPPING.SIGTERM, SIGCHLD];

/**
 * The signals that stop filed: the first asks to stop, the second to hurry. SIGQUIT is both. What filed was started
 * to ignore stays ignored, but for SIGTERM, and SIGCHLD, by which it learns of its jobs.
 */
export class StopSignals implements Disposable {
  readonly #hurry = new AbortController();
  readonly #first = Promise.withResolvers<Deno.Signal>();
  readonly #listeners = new Map<Deno.Signal, () => void>();
  #count = 0;

  constructor() {
    const ignored = ignoredSignals();
    if (ignored.has(SIGCHLD)) resetSignal(SIGCHLD);
    this.#listen(STOPPING, (signal) => this.#stop(signal));
    this.#listen(MEANINGLESS, (signal) => log.warn("a signal came that means nothing to filed", { signal }));
    // Last, since to listen to any signal has the runtime handle SIGHUP and SIGINT too, and end the process.
    ignoreSignal(SIGXFSZ);
    for (const number of ignored) if (!HEARD.includes(number)) ignoreSignal(number);
  }

  /** The first signal's name, once it has come. */
  get first(): Promise<Deno.Signal> {
    return this.#first.promise;
  }

  /** Aborts with the second signal. */
  get second(): AbortSignal {
    return this.#hurry.signal;
  }

  [Symbol.dispose]() {
    for (const [signal, listener] of this.#listeners) Deno.removeSignalListener(signal, listener);
  }

  #listen(signals: Partial<Record<Deno.Signal, number>>, act: (signal: Deno.Signal) => void) {
    for (const signal of Object.keys(signals) as Deno.Signal[]) {
      const listener = () => act(signal);
      this.#listeners.set(signal, listener);
      Deno.addSignalListener(signal, listener);
    }
  }

  #stop(signal: Deno.Signal) {
    this.#count++;
    if (this.#count === 1) this.#first.resolve(signal);
    if (this.#count > 1 || signal === "SIGQUIT") this.#hurry.abort();
  }
}
