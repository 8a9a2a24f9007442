/** All that a state file holds, as a daemon that opens it would find it. */
import { formatConfig } from "../../src/job/config.ts";
import { Queue } from "../../src/queue/queue.ts";
import { type State, STATES } from "../../src/job/state.ts";
import { SqliteStore } from "../../src/store/sqlite/store.ts";

export interface SnapshotJob {
  state: State;
  command: string;
  attempts: number;
  /** It has, or has had, a turn in the queue. */
  isSubmitted: boolean;
  log: string;
}

export interface Snapshot {
  jobs: ReadonlyMap<string, SnapshotJob>;
  /** As config.json shows it. */
  config: Record<string, number>;
}

/** Opens a state file that no daemon has open; it is not the same afterwards. @throws {StoreError} */
export async function readSnapshot(path: string): Promise<Snapshot> {
  await using store = SqliteStore.open(path);
  const queue = new Queue(store, 0);
  const jobs = new Map<string, SnapshotJob>();
  for (const state of STATES) {
    for (const { number, id } of await queue.list(state, 0, 1_000_000)) {
      const job = await store.byNo(number);
      if (!job) continue; // Nobody else changes it.
      const command = text((await queue.command(job.file))?.subarray());
      jobs.set(id, {
        state,
        command,
        attempts: job.attempts,
        isSubmitted: job.state !== "pending" || job.turn !== null,
        log: job.state === "pending" ? "" : text(await queue.readLog(number, job.ordinal, 0, job.log.bytes)),
      });
    }
  }
  return { jobs, config: JSON.parse(formatConfig(await queue.config())) };
}

function text(bytes: Uint8Array = new Uint8Array()): string {
  return new TextDecoder().decode(bytes);
}
