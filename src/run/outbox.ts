/**
 * Gathers the messages of a moment to send them as one. A message costs both threads some 100 us, for the
 * most part to wake the other one: that is paid once for all of them.
 */
export class Outbox<Message> {
  #messages: Message[] = [];
  #transfer: ArrayBuffer[] = [];

  /** @param atEndOfMoment When to send what was posted until then: `queueMicrotask`, `setImmediate`. */
  constructor(
    private readonly send: (messages: Message[], transfer: ArrayBuffer[]) => void,
    private readonly atEndOfMoment: (act: () => void) => void,
  ) {}

  /** @param transfer What of the message the other thread is given, not a copy of it. */
  post(message: Message, transfer: ArrayBuffer[] = []): void {
    if (this.#messages.length === 0) this.atEndOfMoment(() => this.sendAll());
    this.#messages.push(message);
    this.#transfer.push(...transfer);
  }

  /** Sends what was posted now. */
  sendAll(): void {
    if (this.#messages.length === 0) return;
    const [messages, transfer] = [this.#messages, this.#transfer];
    [this.#messages, this.#transfer] = [[], []];
    this.send(messages, transfer);
  }
}
