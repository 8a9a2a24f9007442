import type { Queue } from "../queue/queue.ts";
import type { Accounts } from "./accounts.ts";
import type { ConfigText } from "./config_text.ts";
import type { Makers } from "./makers.ts";
import type { OpenJobs } from "./open_jobs.ts";
import type { OpenLogs } from "./open_logs.ts";
import type { Refusals } from "./refusals.ts";
import type { RootFiles } from "./root_files.ts";

/** What nodes and handles work with: all that the tree knows. */
export interface Parts {
  readonly queue: Queue;
  /** A clock, epoch ms. */
  readonly now: () => number;
  readonly accounts: Accounts;
  /** Who owns the nodes that are always there, until somebody changes that. */
  readonly owner: { readonly uid: number; readonly gid: number };
  readonly jobs: OpenJobs;
  readonly logs: OpenLogs;
  readonly makers: Makers;
  readonly refusals: Refusals;
  readonly config: ConfigText;
  readonly rootFiles: RootFiles;
}
