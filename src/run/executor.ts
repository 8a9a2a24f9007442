import type { Leftover, RunToken } from "../job/attempt.ts";
import { getLogger } from "@logtape/logtape";
import { closeInheritedOnExec } from "../sys/files/close_on_exec.ts";
import {
  type Confined,
  type EndedMessage,
  type FromWorker,
  KILLING_MS,
  type OutputMessage,
  type SetupMessage,
  type StartedMessage,
  type StartMessage,
  type Survivors,
  type ToWorker,
} from "./messages.ts";
import { Outbox } from "./outbox.ts";
import type { SandboxSettings } from "./sandbox_rules.ts";

const log = getLogger(["filed", "runner"]);

/** What the executor tells its owner. Of each run `onEnded` comes last, but for `onGone`. */
export interface ExecutorEvents {
  /** Once or never. */
  onStarted(message: StartedMessage): void;
  /** Each is to be answered by `taken`, or the run's output stops after 256 KiB. */
  onOutput(message: OutputMessage): void;
  onEnded(message: EndedMessage): void;
  /** The survivors of a run are gone, those that `onEnded` named or a sweep. */
  onGone(run: RunToken): void;
  /** The worker is gone. Its runs are not watched and get no message; a sweep in a new executor ends them. */
  onFailure(error: Error): void;
}

/** A disposal takes no longer: runs have their time to end, and then the worker to clean up. */
const DISPOSAL_MS = KILLING_MS + 2_000;

/** What is no longer is copied at once. */
const LARGE_BYTES = 65_536;

/** Beside this module: `.ts` in the source tree; `.js` in a build, which has the main thread in one file. */
const WORKER = new URL(
  import.meta.url.endsWith(".ts") ? "../worker/worker.ts" : "./worker.js",
  import.meta.url,
);

export type ExecutorOptions =
  & Partial<Pick<SetupMessage, "cgroups" | "openFiles" | "execDirectories" | "dataDirectory">>
  & Pick<SetupMessage, "environment" | "identity">;

/** Runs commands in a worker: a spawn blocks its thread, and may wait for the mount that this one serves. */
export class Executor implements AsyncDisposable {
  readonly #worker: Worker;
  readonly #outbox = new Outbox<ToWorker>(
    (messages, transfer) => this.#worker.postMessage(messages, transfer),
    queueMicrotask,
  );
  readonly #sweeps: PromiseWithResolvers<Survivors>[] = [];
  #confining: PromiseWithResolvers<Confined> | undefined;
  readonly #gone = Promise.withResolvers<void>();
  #state: "open" | "stopping" | "gone" = "open";
  #lastMoment: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly events: ExecutorEvents, options: ExecutorOptions) {
    closeInheritedOnExec(); // Here, since the other thread could do it while this one passes a descriptor on.
    this.#worker = new Worker(WORKER, { type: "module", name: "jobs" });
    this.#worker.onmessage = ({ data }: MessageEvent<FromWorker[]>) => {
      for (const message of data) this.#receive(message);
    };
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#fail(new Error(`The worker that runs jobs failed: ${event.message}`));
    };
    this.#worker.onmessageerror = () =>
      this.#fail(new Error("The worker that runs jobs sent no readable message"));
    this.#outbox.post({ kind: "setup", cgroups: "used", execDirectories: [], ...options });
  }

  /**
   * Has the jobs that start from now on sandboxed. To be called once, before any starts.
   * @returns What it is now, or why that is not possible.
   */
  confine(sandbox: SandboxSettings): Promise<Confined> {
    this.#confining = Promise.withResolvers();
    this.#outbox.post({ kind: "confine", sandbox });
    return this.#confining.promise;
  }

  /** Starts a job; what becomes of it comes as events. Its bytes are copied, or where they are many, given away. */
  start(run: Omit<StartMessage, "kind">): void {
    this.#outbox.post({ kind: "start", ...run }, [run.content, run.stdin].flatMap(large));
  }

  /** Has runs started again, after one was put off by a shortage that is all's. */
  resume(): void {
    this.#outbox.post({ kind: "resume" });
  }

  /** Says that `bytes` of a run's output are stored, so that more of it may come. */
  taken(run: RunToken, bytes: number): void {
    this.#outbox.post({ kind: "taken", run, bytes });
  }

  /**
   * Ends all of a run, unless it is over: SIGTERM, and SIGKILL after `graceMs`; with 0 SIGKILL at once.
   * @param killingMs For how long after SIGKILL its processes are waited for.
   */
  end(run: RunToken, graceMs: number, killingMs = KILLING_MS): void {
    this.#outbox.post({ kind: "end", run, graceMs, killingMs });
  }

  /** Has this come to its end within `ms`, whatever the worker does; what runs then is left to a sweep. */
  endWithin(ms: number): void {
    if (this.#state === "gone") return;
    this.#lastMoment ??= setTimeout(() => this.#close(new Error("The worker that runs jobs hangs")), ms);
  }

  /** Ends with SIGKILL what runs of a dead daemon left behind. @returns What SIGKILL did not end, by run. */
  sweep(runs: readonly Leftover[]): Promise<Survivors> {
    if (this.#state === "gone") return Promise.reject(new Error("The worker that runs jobs is gone"));
    const sweep = Promise.withResolvers<Survivors>();
    this.#sweeps.push(sweep);
    this.#outbox.post({ kind: "sweep", runs: [...runs] });
    return sweep.promise;
  }

  /** Ends all runs at once, each with its `onEnded`, and the worker. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.endWithin(DISPOSAL_MS);
    if (this.#state === "open") {
      this.#state = "stopping";
      this.#outbox.post({ kind: "stop" });
    }
    await this.#gone.promise;
  }

  #receive(message: FromWorker) {
    switch (message.kind) {
      case "started":
        return this.events.onStarted(message);
      case "output":
        return this.events.onOutput(message);
      case "ended":
        return this.events.onEnded(message);
      case "confined":
        return this.#confining?.resolve(message.outcome);
      case "gone":
        return this.events.onGone(message.run);
      case "swept":
        return this.#sweeps.shift()?.resolve(message.survivors);
      case "warned":
        return log.warn(message.message, message.fields);
      case "stopped":
        return this.#close(new Error("The worker that runs jobs was stopped"));
      default:
        message satisfies never;
    }
  }

  #fail(error: Error) {
    if (this.#state === "gone") return;
    this.#close(error);
    this.events.onFailure(error);
  }

  #close(reason: Error) {
    this.#state = "gone";
    clearTimeout(this.#lastMoment);
    this.#worker.terminate();
    for (const sweep of this.#sweeps.splice(0)) sweep.reject(reason);
    this.#confining?.reject(reason);
    this.#gone.resolve();
  }
}

/** The buffer that is an array's alone, where it takes longer to copy than to give away. */
function large(bytes: Uint8Array | undefined): ArrayBuffer[] {
  const isLarge = bytes !== undefined && bytes.length > LARGE_BYTES &&
    bytes.length === bytes.buffer.byteLength;
  return isLarge && bytes.buffer instanceof ArrayBuffer ? [bytes.buffer] : [];
}
