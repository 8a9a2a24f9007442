import { getLogger } from "@logtape/logtape";
import { DatagramSender } from "../sys/sockets/datagram.ts";

const log = getLogger(["filed", "daemon"]);

/** We tell the changes of so long together. While nothing changes, we send nothing, and no timer runs. */
const STATUS_MS = 1_000;

/** Tells a service manager how filed is doing. Does nothing where there is none. @see sd_notify(3) */
export class Notifier implements Disposable {
  readonly #socket: DatagramSender | undefined;
  #state: "starting" | "ready" | "stopping" = "starting";
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param path The service manager's socket, a path or `@` and a name; `undefined`: there is none.
   * @param status One line for people on what filed is doing.
   */
  constructor(path: string | undefined, private readonly status: () => Promise<string>) {
    try {
      this.#socket = path === undefined ? undefined : new DatagramSender(path);
    } catch (error) {
      log.warn("cannot reach the service manager", { error });
    }
  }

  /** filed serves its mount. */
  async ready(): Promise<void> {
    this.#state = "ready";
    if (this.#socket) this.#send(`READY=1\nSTATUS=${await this.status()}`);
  }

  /** The status may have changed. */
  changed(): void {
    if (!this.#socket || this.#state !== "ready") return;
    this.#timer ??= setTimeout(() => this.#sendStatus(), STATUS_MS);
  }

  stopping(): void {
    this.#state = "stopping";
    clearTimeout(this.#timer);
    this.#send("STOPPING=1\nSTATUS=stopping");
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#socket?.[Symbol.dispose]();
  }

  async #sendStatus() {
    this.#timer = undefined;
    try {
      const status = await this.status();
      if (this.#state === "ready") this.#send(`STATUS=${status}`);
    } catch (error) {
      log.warn("cannot tell the status", { error }); // The next change tries again.
    }
  }

  #send(state: string) {
    try {
      this.#socket?.send(state);
    } catch (error) {
      log.warn("cannot reach the service manager", { error });
    }
  }
}
