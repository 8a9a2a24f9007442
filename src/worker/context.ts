import type { FromWorker } from "../run/messages.ts";
import type { CgroupMemory } from "./cgroup/memory.ts";
import type { Cgroups } from "./cgroup/cgroups.ts";
import type { Contents } from "./content/contents.ts";
import type { Lookout } from "./end/traced_members.ts";
import type { Relays } from "./output/relays.ts";
import type { Reactor } from "./reactor.ts";
import type { Sandbox } from "./sandbox/sandbox.ts";
import type { Accounts } from "./start/accounts.ts";
import type { Inherited } from "./start/rlimits.ts";

/** Everything that the runs of the worker share. */
export interface WorkerContext {
  accounts: Accounts;
  bootId: string;
  cgroupMemory: CgroupMemory;
  cgroups: Cgroups;
  /** The files that jobs are executed from, and their standard inputs. */
  contents: Contents;
  /** Each job's environment begins with these: `NAME=value`, by its name. */
  environment: ReadonlyMap<string, Uint8Array>;
  /** Jobs begin with these limits. */
  inherited: Inherited;
  /** Shells of which nobody has asked yet how they ended, by number. */
  leaders: Set<number>;
  lookout: Lookout;
  reactor: Reactor;
  relays: Relays;
  /** `undefined`: jobs may do whatever their user may. */
  sandbox: Sandbox | undefined;
  post(message: FromWorker, transfer?: ArrayBuffer[]): void;
}
