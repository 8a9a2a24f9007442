import { getLogger } from "@logtape/logtape";
import { ignoredSignals, ignoreSignal, resetSignal } from "../sys/processes/ignored_signals.ts";

const log = getLogger(["filed", "daemon"]);

const STOPPING = ["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM"] as const;
/** These would end filed and leave a dead mount, which nobody means who sends one. */
const MEANINGLESS = ["SIGUSR1", "SIGUSR2"] as const;

// By number, which is the same on x86-64 and arm64.
const SIGTERM = 15;
/** Ends a process that passes its limit of file sizes. If ignored, the write fails, and its request alone. */
const SIGXFSZ = 25;
/** Where it is ignored, nobody can ask how a child ended: waitpid(2) says ECHILD. */
const SIGCHLD = 17;
/** We hear these, whatever filed was started to ignore. */
const HEARD: readonly number[] = [SIGTERM, SIGCHLD];

/**
 * The signals that stop filed: the first asks to stop, the second to hurry. SIGQUIT does both. A signal that
 * filed was started to ignore stays ignored, but for those that it has to hear.
 */
export class StopSignals implements Disposable {
  readonly #hurry = new AbortController();
  readonly #first = Promise.withResolvers<Deno.Signal>();
  /** Resolves with the first signal. */
  readonly first = this.#first.promise;
  /** Aborts with the second signal. */
  readonly second = this.#hurry.signal;
  readonly #listeners = new Map<Deno.Signal, () => void>();
  #count = 0;

  constructor() {
    const ignored = ignoredSignals();
    if (ignored.has(SIGCHLD)) resetSignal(SIGCHLD);
    this.#listen(STOPPING, (signal) => this.#stop(signal));
    this.#listen(MEANINGLESS, (signal) => log.warn("a signal came that means nothing to filed", { signal }));
    // Last: once we listen to any signal, the runtime handles SIGHUP and SIGINT too, and ends the process.
    ignoreSignal(SIGXFSZ);
    for (const number of ignored) if (!HEARD.includes(number)) ignoreSignal(number);
  }

  [Symbol.dispose]() {
    for (const [signal, listener] of this.#listeners) Deno.removeSignalListener(signal, listener);
  }

  #listen(signals: readonly Deno.Signal[], act: (signal: Deno.Signal) => void) {
    for (const signal of signals) {
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
