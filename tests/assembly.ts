/** The parts of a daemon, wired as it wires them, in the test's own process: no mount, and nothing starts. */
import { assemble, type Assembly, type AssemblyOptions, disposing } from "../src/daemon/assemble.ts";
import { ErrnoError } from "../src/fuse/mod.ts";
import type { Executor } from "../src/run/executor.ts";
import type { StartMessage } from "../src/run/messages.ts";
import type { WallAlarm } from "../src/schedule/scheduler.ts";
import { SqliteStore } from "../src/store/sqlite/store.ts";
import type { TreeOptions } from "../src/tree/tree.ts";
import { within } from "./harness.ts";

export type Start = Omit<StartMessage, "kind">;

/** Starts nothing, and hears of all that would start. */
export class StillExecutor {
  readonly starts: Start[] = [];
  #onStart = Promise.withResolvers<void>();

  start(run: Start) {
    this.starts.push(run);
    this.#onStart.resolve();
    this.#onStart = Promise.withResolvers();
  }

  /** Resolves once that many were started, with the last of them. */
  async started(count: number): Promise<Start> {
    await within(`${count} starts`, async () => {
      while (this.starts.length < count) await this.#onStart.promise;
    });
    return this.starts[count - 1] as Start;
  }

  /** What `end` does. */
  onEnd: (run: string) => void = () => {};

  end(run: string) {
    this.onEnd(run);
  }

  taken() {}

  endWithin() {}

  sweep() {
    return Promise.resolve(new Map());
  }

  async [Symbol.asyncDispose]() {}
}

/** The alarm of a clock that only the test moves. */
export class HandAlarm implements WallAlarm {
  onTime: (why: "due" | "clock-set") => void = () => {};
  at: number | undefined;

  set(at: number | undefined) {
    this.at = at;
  }
}

export interface StillParts extends Assembly<StillExecutor & Executor> {
  store: SqliteStore;
  alarm: HandAlarm;
  /** What the scheduler could not go on for. */
  failures: unknown[];
}

/** @param path Of the state file. @param tree Where it is not as for the user that runs the test. */
export async function assembleStill(
  path: string,
  { tree = {}, now }: { tree?: Partial<TreeOptions>; now?: () => number } = {},
): Promise<StillParts> {
  await using stack = new AsyncDisposableStack();
  const store = stack.use(SqliteStore.open(path, now));
  const alarm = new HandAlarm();
  const failures: unknown[] = [];
  const options: AssemblyOptions<StillExecutor & Executor> = {
    store,
    alarm,
    identityOf: () => ({ kind: "daemon" }),
    userOf: () => "own",
    onFailure: (error) => failures.push(error),
    executor: () => new StillExecutor() as StillExecutor & Executor,
    tree: {
      owner: { uid: Deno.uid() ?? 0, gid: Deno.gid() ?? 0 },
      statfs: () => Promise.reject(new ErrnoError("ENOSYS")),
      ...tree,
    },
  };
  const parts = stack.use(await assemble(options));
  return { ...parts, store, alarm, failures, ...disposing(stack.move()) };
}
