const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** SIGINT, SIGTERM, and SIGHUP (the terminal went away): the first asks to stop, the second to hurry. */
export class StopSignals implements Disposable {
  readonly #hurry = new AbortController();
  readonly #first = Promise.withResolvers<Deno.Signal>();
  readonly #listeners: (readonly [Deno.Signal, () => void])[];
  #count = 0;

  constructor() {
    this.#listeners = SIGNALS.map((signal) => [signal, () => this.#receive(signal)] as const);
    for (const [signal, listener] of this.#listeners) Deno.addSignalListener(signal, listener);
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

  #receive(signal: Deno.Signal) {
    this.#count++;
    if (this.#count === 1) this.#first.resolve(signal);
    else this.#hurry.abort();
  }
}
