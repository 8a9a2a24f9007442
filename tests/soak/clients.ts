import { TextLineStream } from "../text_lines.ts";
import { within } from "../harness.ts";
import type { ClientLine, Operation } from "./operations.ts";

/** A client process, from outside. */
class ClientProcess implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #orders: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reading: Promise<void>;
  #idle = Promise.withResolvers<void>();

  constructor(args: readonly string[], onOperation: (operation: Operation) => void) {
    const script = new URL("./client.ts", import.meta.url).pathname;
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", "--allow-all", script, ...args],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    this.#orders = this.#child.stdin.getWriter();
    this.#reading = this.#read(onOperation);
  }

  /** @returns What resolves once it is idle again. */
  async go(): Promise<void> {
    this.#idle = Promise.withResolvers();
    await this.#order("go");
    await this.#idle.promise;
  }

  pause(): Promise<void> {
    return this.#order("pause");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.#orders.abort().catch(() => {});
    await this.#reading.catch(() => {});
    await this.#child.status;
  }

  async #order(word: string) {
    await this.#orders.write(new TextEncoder().encode(`${word}\n`));
  }

  async #read(onOperation: (operation: Operation) => void) {
    const text = this.#child.stdout.pipeThrough(new TextDecoderStream());
    for await (const line of text.pipeThrough(new TextLineStream())) {
      const said = JSON.parse(line) as ClientLine;
      if (said.kind === "operation") onOperation(said.operation);
      else this.#idle.resolve();
    }
    this.#idle.reject(new Error("a client has ended"));
  }
}

/** The client processes together. */
export class Load implements AsyncDisposable {
  readonly #clients: ClientProcess[];
  #idle: Promise<unknown> = Promise.resolve();
  #count = 0;
  #watchers: (() => void)[] = [];

  /** @param onOperation Hears of each operation; of those on one id in their order. */
  constructor(mount: string, seed: number, clients: number, onOperation: (operation: Operation) => void) {
    this.#clients = Array.from({ length: clients }, (_, index) => {
      const args = [mount, `c${index}`, String(seed * 1_000 + index)];
      return new ClientProcess(args, (operation) => {
        onOperation(operation);
        this.#count++;
        for (const watcher of this.#watchers.splice(0)) watcher();
      });
    });
  }

  go() {
    this.#idle = Promise.all(this.#clients.map((client) => client.go()));
    this.#idle.catch(() => {}); // whoever waits for it hears of it
  }

  /** Waits for that many more operations. */
  async operations(count: number): Promise<void> {
    const enough = this.#count + count;
    await within(`${count} operations`, async () => {
      while (this.#count < enough) await new Promise<void>((resolve) => this.#watchers.push(resolve));
    });
  }

  /** Tells the clients to do no more, and waits for that. */
  async pause(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.pause()));
    await this.idle();
  }

  /** Waits until every client has heard that the daemon is gone, or was paused. */
  async idle(): Promise<void> {
    await within("the clients to be idle", () => this.#idle);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#clients.map((client) => client[Symbol.asyncDispose]()));
  }
}
