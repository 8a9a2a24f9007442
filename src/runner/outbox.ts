/**
 * Gathers the messages of a moment to send them as one: what a message costs both threads, for the most part waking the other
 * and copying, it costs once for all of them.
 */
export class Outbox<Message> {
  readonly #send: (messages: Message[], transfer: ArrayBuffer[]) => void;
  readonly #atEndOfMoment: (act: () => void) => void;
  #messages: Message[] = [];
  #transfer: ArrayBuffer[] = [];

  /** @param atEndOfMoment When to send what was posted until then: `queueMicrotask`, `setImmediate`. */
  constructor(
    send: (messages: Message[], transfer: ArrayBuffer[]) => void,
    atEndOfMoment: (act: () => void) => void,
  ) {
    this.#send = send;
    this.#atEndOfMoment = atEndOfMoment;
  }

  /** @param transfer What of the message the other thread is given, not a copy of it. */
  post(message: Message, transfer: ArrayBuffer[] = []): void {
    if (this.#messages.length === 0) this.#atEndOfMoment(() => this.#sendAll());
    this.#messages.push(message);
    this.#transfer.push(...transfer);
  }

  #sendAll() {
    const [messages, transfer] = [this.#messages, this.#transfer];
    [this.#messages, this.#transfer] = [[], []];
    this.#send(messages, transfer);
  }
}
