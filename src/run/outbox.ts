/** How long a message may wait while others are posted. */
const MOMENT_MS = 5;

/**
 * Gathers the messages of a moment to send them as one: what a message costs both threads, for the most part waking the other
 * and copying, it costs once for all of them.
 */
export class Outbox<Message> {
  readonly #send: (messages: Message[], transfer: ArrayBuffer[]) => void;
  readonly #atEndOfMoment: (act: () => void) => void;
  readonly #now: () => number;
  #messages: Message[] = [];
  #transfer: ArrayBuffer[] = [];
  #firstAt = 0;

  /** @param atEndOfMoment When to send what was posted until then: `queueMicrotask`, `setImmediate`. @param now A clock, ms. */
  constructor(
    send: (messages: Message[], transfer: ArrayBuffer[]) => void,
    atEndOfMoment: (act: () => void) => void,
    now: () => number = () => performance.now(),
  ) {
    this.#send = send;
    this.#atEndOfMoment = atEndOfMoment;
    this.#now = now;
  }

  /** @param transfer What of the message the other thread is given, not a copy of it. */
  post(message: Message, transfer: ArrayBuffer[] = []): void {
    if (this.#messages.length === 0) {
      this.#firstAt = this.#now();
      this.#atEndOfMoment(() => this.sendAll());
    }
    this.#messages.push(message);
    this.#transfer.push(...transfer);
    if (this.#now() - this.#firstAt > MOMENT_MS) this.sendAll();
  }

  /** Sends what was posted now. */
  sendAll(): void {
    if (this.#messages.length === 0) return;
    const [messages, transfer] = [this.#messages, this.#transfer];
    [this.#messages, this.#transfer] = [[], []];
    this.#send(messages, transfer);
  }
}
